"""A table from a file of one's own: CSV, Excel, SQLite or TableQA. No Keras in here.

    read_table("sales.csv")
    read_table("book.xlsx", "2019")        a sheet
    read_table("shop.db", "orders")        a table or a view; the file is only read

Files are read as people write them: a title above the header, dates in any order of marks, 12人 for 12.
"""

import contextlib
import csv
import io
import itertools
import pathlib
import re
import sqlite3
import time

from common.harness.paths import named_path
from common.harness.reading import InputError, read_bytes
from nl2sql.cells import clean, is_empty
from nl2sql.numerals import cell_number
from nl2sql.sql import quoted
from nl2sql.tables import COLUMNS, Table, checked_rows, table_of, tables_in
from nl2sql.workbooks import open_workbook

ENCODINGS = ("utf-8-sig", "gb18030", "big5")
PRIVATE = re.compile("[\ue000-\uf8ff]")            # what most texts in Big5 have when they are read as GBK
EXCEL = (".xlsx", ".xlsm", ".xls", ".ods")
OLDER, OLDER_START = (".xls", ".ods"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"      # or one with a password
FIRST_LINE = re.compile(r"[^\r\n]*")
CSV_BYTES = 1 << 26
SQLITE = (".db", ".sqlite", ".sqlite3")
SECONDS = 2                                        # what takes a database longer is given up
# What SQLite takes for a row, or for a text: functions search no longer ones
LIMITS = {sqlite3.SQLITE_LIMIT_LENGTH: 1 << 18, sqlite3.SQLITE_LIMIT_COLUMN: COLUMNS,
          sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50, sqlite3.SQLITE_LIMIT_ATTACHED: 0}
TABLES = r"""SELECT name, type FROM sqlite_master
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'"""
# (what all cells of a column look like, how they are written so that SQL, which compares texts, orders them)
SORTABLE = [(re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"), "{:04}-{:02}-{:02}"),
            (re.compile(r"(\d{1,2})[:：](\d{2})"), "{:02}:{:02}")]
# 12人: a number and its unit, which is no part of a day or a number itself
MEASURED = re.compile(r"([-+]?(?:0|[1-9][\d,]*)(?:\.\d+)?)\s*([^\W\d_年月日号时点分秒百千万亿元]{1,3})")


def read_table(path, name=""):
    """A Table from a CSV, Excel, SQLite or TableQA file.

    Args:
        path: the file; what it is its ending says, and for SQLite its first bytes.
        name: which sheet of an Excel file, table of a database or id of a TableQA file; needed where there
            are several.

    Raises:
        InputError: no such file, nothing in it, damaged, locked, or in an encoding that is neither UTF-8, GBK
            nor Big5.
    """
    path = named_path(path, "--table")
    start, ending = first_bytes(path), path.suffix.lower()
    if start == b"SQLite format 3\0" or ending in SQLITE:
        table = read_sqlite(path, name)
    elif start[:4] == b"PK\3\4" or ending in EXCEL:
        table = read_excel(path, name)
    elif ending in (".json", ".jsonl"):
        table = read_tableqa_table(path, name)
    else:
        table = read_csv(path)
    if not table.rows:
        raise InputError(f"{path} holds a table without rows: there is nothing to ask it. "
                         f"Received: the columns {', '.join(table.columns)}")
    return table


def first_bytes(path):
    """The first 16 bytes of a file."""
    if not path.is_file():
        raise InputError(f"--table expects a CSV, Excel, SQLite or TableQA file. "
                         f"Received: {path}, which is no file")
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error


def choose(found, name, path, kind):
    """The one that was named, or the only one."""
    if name in found:
        return name
    names = ", ".join(list(found)[:10])
    if len(found) > 10:
        names += ", ..."
    if name or not found:
        wanted = f"{kind} {name}" if name else kind
        raise InputError(f"{path} holds no {wanted}. It has: {names or 'none'}")
    if len(found) > 1:
        raise InputError(f"{path} holds several {kind}s: say which with --name. It has: {names}")
    return next(iter(found))


def read_tableqa_table(path, name):
    """The Table of a line of TableQA's train.tables.json."""
    tables = tables_in(path)
    return table_of(*tables[choose(tables, name, path, "table")])


# -------------------------------------------------------------------------------------------------------- CSV

def read_csv(path):
    """The Table of a text whose cells are separated by commas, tabs, semicolons or bars."""
    text = decoded_csv(path)
    first = FIRST_LINE.match(text.lstrip())[0]
    separator = max(",\t;|", key=first.count)             # of several as frequent the comma
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        rows = checked_rows(rows_of(lines), path)
    except (csv.Error, ValueError) as error:
        raise InputError(f"{path} should be a CSV table, but cannot be read as one: {error}") from error
    return table_of_rows(rows, path.stem)


def rows_of(lines):
    """The rows that are not empty; none is longer than the first, and shorter ones end in empty cells."""
    width = 0
    for row in lines:
        if not row:
            continue
        width = width or len(row)
        if len(row) > width:
            raise ValueError(f"expected {width:,} cells in line {lines.line_num:,} as in the first. "
                             f"Received: {len(row):,}")
        yield row


def decoded_csv(path):
    """The text of a CSV file, whose encoding nobody tells: GBK and Big5 can each be read as the other."""
    content, readings = read_bytes(path, "a CSV table", CSV_BYTES), []
    for encoding in ENCODINGS:
        with contextlib.suppress(UnicodeDecodeError):
            readings.append(content.decode(encoding))
            if encoding == "utf-8-sig" or not PRIVATE.search(readings[-1]):
                return checked_csv(readings[-1], path)
    if not readings:
        raise InputError(f"{path} should be a text in UTF-8, GBK or Big5, and is none. "
                         f"Save it as CSV in UTF-8.")
    return checked_csv(readings[0], path)


def checked_csv(text, path):
    """The text, if it can be a table."""
    if "\0" in text:
        raise InputError(f"{path} should be a CSV text, but holds NUL characters: "
                         f"is it another kind of file?")
    if not text.strip():
        raise InputError(f"{path} is empty: expected a header and rows.")
    return text


# ------------------------------------------------------------------------------------------------------ Excel

def read_excel(path, name):
    """The Table of a sheet; a sheet without cells is no choice."""
    if path.suffix.lower() in OLDER or first_bytes(path)[:8] == OLDER_START:
        raise InputError(f"{path} should be an Excel file in today's format (.xlsx), without a password. "
                         "Save it as such, or as CSV.")
    with open_workbook(path) as book:
        sheets = list(book.sheets)
        if len(sheets) > 1 and not name:                 # what is not asked for need not be unpacked
            sheets = list(filter(book.is_filled, sheets)) or sheets
        sheet = choose(dict.fromkeys(sheets), name, path, "sheet")
        rows = checked_rows(book.rows(sheet), path)
    if not rows:
        raise InputError(f"{path} holds nothing in the sheet {sheet}: expected a header and rows.")
    return table_of_rows(rows, sheet)


# ----------------------------------------------------------------------------------------------------- SQLite

def read_sqlite(path, name):
    """The Table of a table or view of a database, which is opened for reading only."""
    path = path.resolve()                              # the log lies beside the file, not beside a link to it
    address = path.as_uri() + "?mode=ro"
    if has_closed_log(path):
        address += "&immutable=1"                          # else SQLite would add two files
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=2)) as connection:
            rows, name = select_all(connection, name, path)
    except sqlite3.OperationalError as error:
        if "interrupt" in str(error):
            raise InputError(f"{path} should hold a table that is read in {SECONDS} seconds. "
                             "Received: one that computes longer, and was given up") from error
        if "locked" in str(error) or "busy" in str(error):
            raise InputError(f"{path} is locked by another program. Close it, or give a copy.") from error
        raise InputError(f"{path} cannot be read as an SQLite database: {error}. "
                         f"Nothing was changed.") from error
    except (sqlite3.Error, ValueError) as error:          # text_factory is not asked for names of columns
        raise InputError(f"{path} is no SQLite database or damaged: {error}. Nothing was changed.") from error
    return table_of_rows(rows, name)


def has_closed_log(path):
    """Whether a database has a write-ahead log, in which nothing waits."""
    with open(path, "rb") as file:
        return file.read(20)[18:19] == b"\2" and not pathlib.Path(f"{path}-wal").exists()


def select_all(connection, name, path):
    """(rows with the header first, name) of a table or view of an open database."""
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    for limit, most in LIMITS.items():
        connection.setlimit(limit, most)
    end = time.monotonic() + SECONDS                       # a column of a table can compute as a view does
    connection.set_progress_handler(lambda: time.monotonic() > end, 1_000)
    connection.execute("PRAGMA trusted_schema = OFF")
    tables = dict(connection.execute(TABLES))
    name = choose(tables, name, path, "table")
    cursor = connection.execute(f"SELECT * FROM {quoted(name)}")
    header = [column[0] for column in cursor.description]
    return checked_rows(itertools.chain([header], map(list, cursor)), path), name


# --------------------------------------------------------------------------------------- as people write them

def table_of_rows(rows, name):
    """The Table of rows as people write them, of which the first are the header, below a title perhaps.

    Dates become 2019-03-01 and times 09:30 if all cells of a column are such, since SQL compares them as
    texts. 12人 becomes 12 if all cells end alike.
    """
    width = max(map(len, rows))
    rows = [[*row, *itertools.repeat(None, width - len(row))] for row in rows]
    notes = []
    while len(rows) > 2 and is_title(rows[0], rows[1]):
        title = " ".join(map(clean, rows[0])).strip()
        notes.append(f"{title} is taken for a title, the row below it for the header")
        rows = rows[1:]
    header, *rows = rows
    columns = []
    for column, cells in zip(header, zip(*rows)):
        sortable, unit = rewritten(cells)
        if unit:
            notes.append(f"{clean(column)} is read as numbers, in {unit}")
        if sortable:
            cells = [cell if is_empty(cell) else sortable.get(clean(cell), cell) for cell in cells]
        columns.append(cells)
    table = Table(header, list(zip(*columns)), name=name)
    table.notes[:0] = notes
    return table


def is_title(row, below):
    """Whether a row has one text alone, and the row below it looks like a header: names in all columns."""
    if len(below) < 2 or sum(bool(clean(cell)) for cell in row) != 1:
        return False
    return all(clean(cell) and cell_number(cell) is None for cell in below)


def rewritten(cells):
    """({text: what is written for it}, unit), both empty but where all cells are days, times or measures."""
    texts = list(dict.fromkeys(clean(cell) for cell in cells if not is_empty(cell)))
    for pattern, form in SORTABLE:
        if found := matches(pattern, texts):
            return {match[0]: form.format(*map(int, match.groups())) for match in found}, ""
    found = matches(MEASURED, texts)
    if len(found) > 1 and len({match[2] for match in found}) == 1:
        return {match[0]: match[1] for match in found}, found[0][2]
    return {}, ""


def matches(pattern, texts):
    """The matches of a pattern with all of some texts, or none where one of them is another kind of text."""
    found = list(itertools.takewhile(bool, map(pattern.fullmatch, texts)))
    return found if len(found) == len(texts) else []
