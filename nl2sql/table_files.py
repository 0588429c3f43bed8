"""A table from a file of one's own: CSV, Excel, SQLite or TableQA. No Keras in here.

    read_table("sales.csv")
    read_table("book.xlsx", "2019")        a sheet
    read_table("shop.db", "orders")        a table or a view; the file is only read

Files are read as people write them: titles above the header, dates in any order of marks, 12人 for 12.
"""

import itertools
import re

from common.harness.paths import named_path
from common.harness.reading import InputError
from nl2sql.cells import cell_text, clean, is_empty
from nl2sql.csv_files import TITLES, rows_in_csv
from nl2sql.databases import ENDINGS, rows_in_database
from nl2sql.loose_numbers import read_loosely
from nl2sql.numerals import cell_number
from nl2sql.sheet_layout import without_totals
from nl2sql.tables import Table, checked_rows, table_of, tables_in
from nl2sql.workbooks import open_workbook

EXCEL = (".xlsx", ".xlsm", ".xls", ".ods")
OLDER, OLDER_START = (".xls", ".ods"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"      # or one with a password
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
        InputError: no such file, nothing in it, damaged, locked, or in an encoding that is neither UTF-8,
            UTF-16, GBK nor Big5.
    """
    path = named_path(path, "--table")
    start, ending = first_bytes(path), path.suffix.lower()
    if start == b"SQLite format 3\0" or ending in ENDINGS:
        table = read_database(path, name)
    elif start[:4] == b"PK\3\4" or ending in EXCEL:
        table = read_excel(path, name)
    elif ending in (".json", ".jsonl"):
        table = read_tableqa_table(path, name)
    else:
        table = table_of_rows(rows_in_csv(path), path.stem)
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


# ------------------------------------------------------------------------------------------------------ Excel

def read_excel(path, name):
    """The Table of a sheet; a sheet without cells is no choice."""
    if path.suffix.lower() in OLDER or first_bytes(path)[:8] == OLDER_START:
        raise InputError(f"{path} should be an Excel file in today's format (.xlsx), without a password. "
                         "Save it as such, or as CSV.")
    with open_workbook(path) as book:
        sheets = list(book.sheets)
        if len(sheets) > 1 and not name:                 # what is not asked for need not be unpacked
            sheets = [sheet for sheet in sheets if sheet not in book.hidden] or sheets
            sheets = list(filter(book.is_filled, sheets)) or sheets
        wanted, _, number = name.rpartition("/")
        if name in sheets or wanted not in sheets or not number.isdecimal():
            wanted, number = name, ""                    # 甲/2 is the second table on the sheet 甲
        sheet = choose(dict.fromkeys(sheets), wanted, path, "sheet")
        tables, notes = book.tables(sheet)
    if not any(tables):
        raise InputError(f"{path} holds nothing in the sheet {sheet}: expected a header and rows.")
    if len(tables) > 1 or number:
        names = {f"{sheet}/{i}": rows for i, rows in enumerate(tables, 1)}
        tables = [names[choose(names, f"{sheet}/{number}" if number else "", path, "table")]]
    return table_of_rows(checked_rows(tables[0], path), sheet, notes)


# ----------------------------------------------------------------------------------------------------- SQLite

def read_database(path, name):
    """The Table of a table or view of a database."""
    rows, name, notes = rows_in_database(path, lambda tables: choose(tables, name, path, "table"))
    return table_of_rows(rows, name, notes)


# --------------------------------------------------------------------------------------- as people write them

def table_of_rows(rows, name, notes=()):
    """The Table of rows as people write them, of which the first are the header, below titles perhaps.

    Columns in which nothing stands left of the table are left out. Dates become 2019-03-01 and times 09:30 if
    all cells of a column are such, since SQL compares them as texts. 12人 becomes 12 if all cells end alike.

    Args:
        notes: what a user should know of how the rows were read.
    """
    left = min(map(first_filled, rows))
    width = max(map(len, rows)) - left
    rows = [[*row[left:], *itertools.repeat(None, width - len(row[left:]))] for row in rows]
    titles = titles_of(rows)
    for row in titles:
        title = " ".join(map(clean, row)).strip()
        notes = [*notes, f"{title} is taken for a title, the row below it for the header"]
    header, *rows = rows[len(titles):]
    rows, totals = without_totals(rows)
    if totals:
        notes = [*notes, f"rows of totals are left out: {len(totals)}, as "
                         f"{' '.join(filter(None, map(clean, totals[0])))}"]
    notes, columns, types = list(notes), [], [None for _ in header]
    for column, cells in zip(header, zip(*rows)):
        sortable, unit = rewritten(cells)
        if unit:
            notes.append(f"{clean(column)} is read as numbers, in {unit}")
        loose, odd = ({}, []) if sortable else read_loosely(cells)
        if loose:
            cells = [loose.get(cell, cell) if isinstance(cell, str) else cell for cell in cells]
            types[len(columns)] = "real"
        if odd:
            notes.append(f"{clean(column)} is read as numbers, {clean(odd[0])} as {cell_text(loose[odd[0]])}")
        if sortable:
            cells = [cell if is_empty(cell) else sortable.get(clean(cell), cell) for cell in cells]
        columns.append(cells)
    table = Table(header, list(zip(*columns)), types, name)
    table.notes[:0] = notes
    return table


def first_filled(row):
    """The number of the first cell that says something; of a row without one, its length."""
    return next((i for i, cell in enumerate(row) if cell is not None and clean(cell)), len(row))


def titles_of(rows):
    """The rows above the header: up to three with one text alone, if a row of names in all columns follows,
    and a row below that."""
    titles = list(itertools.takewhile(is_title, rows[:TITLES]))
    below = rows[len(titles):]
    if len(below) < 2 or len(below[0]) < 2:
        return []
    is_header = all(clean(cell) and cell_number(cell) is None for cell in below[0])
    return titles if is_header else []


def is_title(row):
    """Whether a row has one cell alone."""
    return sum(bool(clean(cell)) for cell in row) == 1


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
