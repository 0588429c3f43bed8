"""Standard input as text, characters that a terminal cannot show, and the user's language.

Input is UTF-8, or else in the encoding of the console: on a Chinese Windows, files are mostly the one, and
what other commands print is the other.

No Keras in here.
"""

import codecs
import functools
import locale
import os
import sys

from common.harness.reading import LARGE, PIECE, InputError, check_text

_noted = set()


def in_users_language(english, chinese):
    """What a command prints: the second where the user's locale is Chinese, else the first."""
    names = [os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    chosen = next(filter(None, names), None) or locale.getlocale()[0] or ""
    return chinese if chosen.lower().startswith(("zh", "chinese")) else english


def is_typed():
    """Whether somebody types the standard input, rather than a file or another command sending it."""
    return sys.stdin is not None and sys.stdin.isatty()


def read_all():
    """All of standard input, without a byte order mark.

    Raises:
        InputError: no text, or more than reading.LARGE bytes, as an endless stream has.
    """
    if is_typed() or not hasattr(sys.stdin, "buffer"):
        return "".join(_lines("strict"))
    content = sys.stdin.buffer.read(LARGE + 1)
    if len(content) > LARGE:
        raise InputError(f"standard input should have at most {LARGE:,} bytes. Received: more")
    return _decoded(content, 1, "strict").removeprefix("\ufeff")


def read_lines(prompt="", errors="strict"):
    """Yields the lines of standard input as they come, without their ends and without empty ones.

    Args:
        prompt: printed before each line; with one, an empty line ends.
        errors: "strict", or "replace" for ? in the place of what is no text.

    Raises:
        InputError: a line that is no text, unless it is replaced.
    """
    lines = _lines(errors)
    while True:
        print(prompt, end="", flush=True)
        line = next(lines, "")
        if line.strip():
            yield line.rstrip("\r\n")
        elif prompt or not line:
            return


def _lines(errors):
    """The lines of standard input, with their ends."""
    source = sys.stdin if is_typed() else getattr(sys.stdin, "buffer", sys.stdin)
    first, read = True, functools.partial(source.readline, PIECE + 1) if source else lambda: ""
    for number, line in enumerate(iter(read, source.readline(0) if source else ""), 1):
        if len(line) > PIECE:
            raise InputError(f"standard input should have lines of at most {PIECE:,} characters. "
                             f"Received: more in line {number}")
        text = line if isinstance(line, str) else _decoded(line, number, errors)
        if errors == "strict":
            check_text(text, f"line {number} of standard input")      # terminals send what is no text, too
        yield text.removeprefix("\ufeff") if first else text
        first = False


def _decoded(content, number, errors):
    """The text of bytes that begin with the line of this number."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = error.start
    try:
        return content.decode(sys.stdin.encoding or "utf-8")
    except UnicodeDecodeError:
        if errors != "strict":
            return content.decode("utf-8", errors)
    number += content[:place].count(b"\n")
    line = content[content.rfind(b"\n", 0, place) + 1:place + 30]
    raise InputError("standard input should be text in UTF-8: convert it, for instance with "
                     f"iconv -f gb18030 -t utf-8. Received: line {number}={line[:30]!r}")


def prepare_output():
    """Prints ? for characters that the terminal cannot show, and says so once, on standard error."""
    codecs.register_error("note_and_replace", _note_and_replace)
    if hasattr(sys.stdout, "reconfigure"):            # there is none, or a notebook's
        sys.stdout.reconfigure(errors="note_and_replace")


def _note_and_replace(error):
    if not isinstance(error, UnicodeEncodeError):
        raise error
    if error.encoding not in _noted:
        _noted.add(error.encoding)
        print(f"note: the output is in {error.encoding}, which lacks some of these characters: they are "
              "printed as ?. Set PYTHONIOENCODING=utf-8 for all of them", file=sys.stderr)
    return "?" * (error.end - error.start), error.end
