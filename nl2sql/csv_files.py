"""The rows of a CSV file, as programs and people write them. No Keras in here.

    rows_in_csv("sales.csv")            [["城市", "销售额"], ["广州", "1,756"]]

A title may stand above the header, `sep=;` in the first line, and empty cells at the ends of rows.
"""

import codecs
import contextlib
import csv
import io
import re

from common.harness.reading import InputError, read_bytes
from nl2sql.tables import checked_rows

ENCODINGS = ("utf-8-sig", "gb18030", "big5")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)          # how Excel begins what it calls Unicode text
PRIVATE = re.compile("[\ue000-\uf8ff]")            # what most texts in Big5 have when they are read as GBK
NAMED_SEPARATOR = re.compile(r"sep=([,\t;|])[\r\n]+")      # a line of Excel's, for itself
LINE = re.compile(r"[^\r\n]+")
TITLES = 3                                         # rows above the header at most
CSV_BYTES = 1 << 26


def rows_in_csv(path):
    """The rows of a text whose cells are separated by commas, tabs, semicolons or bars."""
    text, separator = separated(decoded(path).lstrip("\r\n"))
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        return checked_rows(rows_of(lines, path), path)
    except csv.Error as error:
        raise InputError(f"{path} should be a CSV table, but cannot be read as one: {error}") from error


def separated(text):
    """(text, what separates its cells): what its first line names, else what is most frequent in the first
    line that has any; of several as frequent the comma."""
    if named := NAMED_SEPARATOR.match(text):
        return text[named.end():], named[1]
    for line in LINE.finditer(text):
        separator = max(",\t;|", key=line[0].count)
        if separator in line[0]:
            return text, separator
    return text, ","


def rows_of(lines, path):
    """The rows in which a cell is filled; none is longer than the header, the first row with several cells,
    but for empty cells at its end."""
    width = rows = 0
    for row in lines:
        filled = len(row)
        while filled and not row[filled - 1].strip():
            filled -= 1
        if not filled:
            continue
        rows += 1
        if width and filled > width:
            raise InputError(f"{path} should have rows of at most {width:,} cells, as its header has. "
                             f"Received: {filled:,} cells in line {lines.line_num:,}")
        if not width and (len(row) > 1 or rows > TITLES):
            width = len(row)
        yield row[:width] if width else row


def decoded(path):
    """The text of a CSV file, whose encoding nobody tells: GBK and Big5 can each be read as the other."""
    content, readings = read_bytes(path, "a CSV table", CSV_BYTES), []
    encodings = ("utf-16",) if content.startswith(UTF_16) else ENCODINGS
    for encoding in encodings:
        with contextlib.suppress(UnicodeDecodeError):
            readings.append(content.decode(encoding))
            if encoding != "gb18030" or not PRIVATE.search(readings[-1]):
                return checked(readings[-1], path)
    if not readings:
        raise InputError(f"{path} should be a text in UTF-8, UTF-16, GBK or Big5, and is none. "
                         f"Save it as CSV in UTF-8.")
    return checked(readings[0], path)


def checked(text, path):
    """The text, if it can be a table."""
    if "\0" in text:
        raise InputError(f"{path} should be a CSV text, but holds NUL characters: "
                         f"is it another kind of file?")
    if not text.strip():
        raise InputError(f"{path} is empty: expected a header and rows.")
    return text
