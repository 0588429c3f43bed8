"""The user's language.

No Keras in here.
"""

import locale
import os


def in_users_language(english, chinese):
    """What a command prints: the second where the user's locale is Chinese, else the first."""
    names = [os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    chosen = next(filter(None, names), None) or locale.getlocale()[0] or ""
    return chinese if chosen.lower().startswith(("zh", "chinese")) else english
