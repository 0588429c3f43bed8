"""A path that a user names, looked at before anything opens it.

No Keras in here.
"""

import os
import pathlib
import stat

from common.harness.language import in_users_language
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
        raise InputError(in_users_language(
            f"{option} expects a path that can be used. Received: {_short(text)} ({reason})",
            f"{option} 需要可用的路径。收到：{_short(text)}（{reason}）")) from error
    ordinary = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    of_the_system = any(path.resolve().is_relative_to(folder) for folder in SYSTEM)
    if stat.S_ISFIFO(mode) or (ordinary and not of_the_system):
        return path
    kinds = ("a file of the system", "系统文件") if ordinary else ("a device or socket", "设备或套接字")
    raise InputError(in_users_language(
        f"{option} expects a file or folder. Received: {_short(text)}, which is {kinds[0]}",
        f"{option} 需要文件或目录。收到：{_short(text)}，是{kinds[1]}"))


def is_there(text):
    """Whether there is something at a path that this system can have."""
    try:
        return os.path.exists(os.path.expanduser(text))
    except ValueError:
        return False


def _short(text):
    text = str(text)
    return text if len(text) <= 100 else f"{text[:100]}…"
