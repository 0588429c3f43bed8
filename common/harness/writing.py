"""Files appear whole or not at all: written beside their place under a hidden name, then moved there in one
step.

No Keras in here.
"""

import contextlib
import io
import json
import os
import pathlib
import re

from common.harness.language import in_users_language
from common.harness.reading import InputError

ROOT = pathlib.Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def replacing(path):
    """Gives a path to write to, which takes the place of `path` when the block ends, and is removed if it
    fails.

    Raises:
        InputError: it cannot be written; what was there before is as it was.
    """
    path = pathlib.Path(path)
    part = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(in_users_language(
            f"{path} cannot be written ({reason}); earlier files are as they were.",
            f"{path} 无法写入（{reason}）；原有文件没有改动。")) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def remove_parts(folder):
    """Removes what a killed process wrote half, below a folder that no other process writes to."""
    for part in folder.rglob(".*"):
        if re.match(r"\.\d+\.", part.name):
            part.unlink()


def write_whole(path, content):
    """Writes bytes so that the file appears whole or not at all; makes its folder where there is none."""
    with replacing(path) as part:
        part.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def write_lines(path, lines):
    """Writes a text file, each line with its end."""
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())


def write_json(path, value):
    """Writes a JSON file."""
    write_lines(path, [json.dumps(value, indent=2, ensure_ascii=False)])


def write_figure(path, draw):
    """Writes what draw(binary file) draws."""
    buffer = io.BytesIO()
    draw(buffer)
    write_whole(path, buffer.getvalue())


def shown(path):
    """A path as short as it can be typed."""
    path = pathlib.Path(path).resolve()
    return path.relative_to(pathlib.Path.cwd()) if path.is_relative_to(pathlib.Path.cwd()) else path
