"""What a user names is read here: the error that says what is wrong with it, the limits, checksums, and text.

A file that is wrong is reported and never changed.

No Keras in here.
"""

import codecs
import hashlib
import itertools
import pathlib

from common.harness.language import in_users_language

LARGE = 2 ** 28          # bytes: what would take more is read batch by batch, where a script can do with that
TESTED = 10_000              # pictures or lines of such data that are held out for testing
# What unpacks to more than both is no data set: MNIST's ratio is 5, and CIFAR-10 has 184 MB.
BOMB_RATIO, BOMB_BYTES = 20, 200_000_000
MODEL_RATIO, MODEL_BYTES = 2, 1 << 20      # the same for models and checkpoints, which are written unpacked
MOST, PIECE = 1 << 30, 1 << 24             # bytes of a file that is read whole, and that are read at once
# UTF-32 first: in little endian it begins like UTF-16
MARKS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32",
         codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


class InputError(Exception):
    """Something the user gave cannot be used: the message says what was expected, what came and what to
    do."""


def too_large(size):
    """Whether so many bytes are read batch by batch rather than held in memory."""
    return size > LARGE


def unpacked_limit(path):
    """Bytes that an archive may unpack to: data never shrink to a 20th, and small files may."""
    return max(BOMB_BYTES, BOMB_RATIO * pathlib.Path(path).stat().st_size)


def model_limit(path):
    """Bytes that a model file of ours may unpack to."""
    return MODEL_BYTES + MODEL_RATIO * pathlib.Path(path).stat().st_size


def check_unpacked(path, size):
    """Raises InputError for an archive that would fill the memory."""
    if size > unpacked_limit(path):
        raise InputError(f"{path} should hold data, but unpacks to more than {BOMB_RATIO} times its size. "
                         f"Received: {path.stat().st_size:,} bytes that become {size:,} or more")


def sha256_of(path):
    """The sha256 of a file as a hexadecimal string."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_all(paths):
    """One sha256 for several files."""
    return hashlib.sha256("".join(sha256_of(path) for path in paths).encode()).hexdigest()


def read_bytes(path, wanted="", most=MOST):
    """The content of a file that a user names.

    Args:
        wanted: what the file should be, for the message; by default a text file.
        most: bytes that it may have.
    """
    wanted = wanted or in_users_language("a text file", "文本文件")
    try:
        with open(path, "rb") as file:
            pieces, room = [], most
            while room >= 0 and (piece := file.read(min(PIECE, room + 1))):      # a pipe has no size
                pieces.append(piece)
                room -= len(piece)
    except OSError as error:
        raise _unreadable(path, wanted, error) from error
    if room < 0:
        raise InputError(in_users_language(
            f"{path} should be {wanted} of at most {most:,} bytes. Received: more",
            f"{path} 应是至多 {most:,} 字节的{wanted}。收到：超过此数"))
    return b"".join(pieces)


def _unreadable(path, wanted, error):
    return InputError(in_users_language(f"expected {wanted}. Received: {path} ({error.strerror})",
                                        f"需要{wanted}。收到：{path}（{error.strerror}）"))


def byte_lines(path, wanted=""):
    """Yields the lines of a file that a user names, as bytes with their ends; the file may be larger than
    memory, a line may not exceed PIECE bytes.

    Args:
        wanted: what the file should be, for the message; by default a text file.
    """
    wanted = wanted or in_users_language("a text file", "文本文件")
    try:
        with open(path, "rb") as file:
            for number in itertools.count(1):
                line = file.readline(PIECE + 1)
                if len(line) > PIECE:
                    raise InputError(in_users_language(
                        f"{path} should be {wanted} with lines of at most {PIECE:,} bytes. "
                        f"Received: more in line {number:,}",
                        f"{path} 应是每行至多 {PIECE:,} 字节的{wanted}。收到：第 {number:,} 行超过此数"))
                if not line:
                    return
                yield line
    except OSError as error:
        raise _unreadable(path, wanted, error) from error


def read_text(path, keep_mark=False):
    """The text of a UTF-8 file, with its line ends as they are; a byte order mark is left out, or kept."""
    text = decoded(read_bytes(path), path)
    return text if keep_mark else text.removeprefix("\ufeff")


def decoded(content, name, first_line=1):
    """The text of UTF-8 bytes, or an InputError that says in which line of `name` they are none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if first_line == 1:
            refuse_marked(content, name)
        line = first_line + content[:error.start].count(b"\n")
        raise InputError(in_users_language(
            f"{name} should be a text in UTF-8, but line {line} is not ({error.reason}). "
            "Convert it, for instance with iconv -f gb18030 -t utf-8",
            f"{name} 应是 UTF-8 文本，但第 {line} 行不是（{error.reason}）。"
            "请转换编码，例如 iconv -f gb18030 -t utf-8")) from error


def refuse_marked(content, name):
    """InputError for bytes that begin with the byte order mark of UTF-16 or UTF-32, which names the
    encoding."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            convert = f"iconv -f {encoding.lower()} -t utf-8"
            raise InputError(in_users_language(
                f"{name} should be a text in UTF-8. Received: {encoding}, by its byte order mark. "
                f"Convert it, for instance with {convert}",
                f"{name} 应是 UTF-8 文本。收到：{encoding}（据字节顺序标记）。请转换编码，例如 {convert}"))


def check_text(text, name):
    """InputError where a string holds what no UTF-8 file can: half a surrogate pair, from JSON or a command
    line."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 9):error.start + 9]
        raise InputError(in_users_language(
            f"{name} should be text that UTF-8 can write. Received: {around!r}",
            f"{name} 应是 UTF-8 能表示的文字。收到：{around!r}")) from None


def parse_rows(path, rows, parse, wanted):
    """The samples in the rows of a text file, blank ones apart. Up to one in a hundred that is none is left
    out.

    Args:
        rows: an iterable of lines, or of lists of columns.
        parse: row → (sample, None), or (None, why there is none).
        wanted: what the file should hold, for the message.

    Raises:
        InputError: no sample, or more rows that are none, with the first one's line.
    """
    samples, number, wrong, first = [], 0, 0, in_users_language("no line", "没有内容")
    for number, row in enumerate(rows, 1):
        if is_blank(row):
            continue
        sample, reason = parse(row)
        if not reason:
            samples.append(sample)
            continue
        wrong += 1
        if wrong == 1:
            first = in_users_language(f"line {number}: {reason}", f"第 {number} 行：{reason}")
    if wrong > number // 100 or not samples:
        others = ("", "")
        if wrong > 1:
            others = (f", and {wrong - 1:,} more such lines", f"，这样的行还有 {wrong - 1:,} 行")
        raise InputError(in_users_language(f"{path} should hold {wanted}. Received: {first}{others[0]}",
                                           f"{path} 的内容应是{wanted}。收到：{first}{others[1]}"))
    if wrong:
        print(in_users_language(f"note: {wrong:,} of {number:,} lines of {path} are left out ({first})",
                                f"注意：{path} 的 {number:,} 行中略去 {wrong:,} 行（{first}）"), flush=True)
    return samples


def is_blank(row):
    """Whether there is nothing but blanks in a line, or in all of its columns."""
    if isinstance(row, str):
        return not row or row.isspace()
    return not any(row) or not "".join(row).strip()
