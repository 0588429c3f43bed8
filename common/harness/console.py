"""Standard input as text, errors, and characters that a terminal cannot show.

Input is UTF-8, or else in the encoding of the console: on a Chinese Windows, files are mostly the one, and
what other commands print is the other.

No Keras in here.
"""

import codecs
import functools
import sys

from common.harness.language import in_users_language
from common.harness.reading import LARGE, PIECE, InputError, check_text

_noted = set()


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
        raise InputError(in_users_language(
            f"standard input should have at most {LARGE:,} bytes. Received: more",
            f"标准输入最多 {LARGE:,} 字节。收到：超过此数"))
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
            raise InputError(in_users_language(
                f"standard input should have lines of at most {PIECE:,} characters. "
                f"Received: more in line {number}",
                f"标准输入每行最多 {PIECE:,} 个字符。收到：第 {number} 行超过此数"))
        text = line if isinstance(line, str) else _decoded(line, number, errors)
        if errors == "strict":
            # terminals send what is no text, too
            check_text(text, in_users_language(f"line {number} of standard input", f"标准输入第 {number} 行"))
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
    raise InputError(in_users_language(
        "standard input should be text in UTF-8: convert it, for instance with iconv -f gb18030 -t utf-8. "
        f"Received: line {number}={line[:30]!r}",
        "标准输入需要 UTF-8 文本：请转换编码，例如 iconv -f gb18030 -t utf-8。"
        f"收到：第 {number} 行={line[:30]!r}"))


def print_error(message):
    """Prints what is wrong, on standard error."""
    print(in_users_language(f"error: {message}", f"错误：{message}"), file=sys.stderr)


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
        print(in_users_language(
            f"note: the output is in {error.encoding}, which lacks some of these characters: they are "
            "printed as ?. Set PYTHONIOENCODING=utf-8 for all of them",
            f"注意：输出编码是 {error.encoding}，其中没有的字印成 ?。设 PYTHONIOENCODING=utf-8 可全部显示"),
            file=sys.stderr)
    return "?" * (error.end - error.start), error.end
