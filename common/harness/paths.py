"""A path that a user names, looked at before anything opens it.

No Keras in here.
"""

import os
import pathlib
import stat

from common.harness.reading import InputError

SYSTEM = ("/proc", "/sys")           # their files have no size, and some have no end


def named_path(text, option="--data"):
    """The path that a user names, with ~ for a home; there may be nothing yet.

    Args:
        text: a string or a path.
        option: what names it, for the message.

    Raises:
        InputError: no path that this system can have, such as a name of 300 characters or the home of a user
            who is not there; one that may not be looked at; a device, or a file of the system.
    """
    try:
        path = pathlib.Path(text).expanduser()
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{option} expects a path that can be used. "
                         f"Received: {_short(text)} ({reason})") from error
    ordinary = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    of_the_system = any(path.resolve().is_relative_to(folder) for folder in SYSTEM)
    if stat.S_ISFIFO(mode) or (ordinary and not of_the_system):
        return path
    kind = "a file of the system" if ordinary else "a device or socket"
    raise InputError(f"{option} expects a file or folder. Received: {_short(text)}, which is {kind}")


def is_there(text):
    """Whether there is something at a path that this system can have."""
    try:
        return os.path.exists(os.path.expanduser(text))
    except ValueError:
        return False


def _short(text):
    text = str(text)
    return text if len(text) <= 100 else f"{text[:100]}…"
