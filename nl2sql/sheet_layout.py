"""A sheet as people lay it out → the tables on it: merged cells, headers of two rows, several tables.

    tables_on(rows, numbers, merged)      lists of rows, one for each table, and what was done to them

Rows are {number of a column: cell} without empty rows; `numbers` are theirs on the sheet. No Keras in here.
"""

import re

from nl2sql.cells import clean
from nl2sql.numerals import cell_number

PLACE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6}):([A-Z]{1,3})([1-9]\d{0,6})")
TITLES = 4                    # rows above the second row of a header at most
MERGED = 100_000              # cells that are filled at most
HINT = re.compile("计|总|均|total|sum|average", re.IGNORECASE)
TOTAL = re.compile("(?:合计|总计|小计|总和|共计|平均值?|(?:sub)?total|sum|average)[:：]?", re.IGNORECASE)


def area_of(reference):
    """(first row, first column, last row, last column) of A1:B3, columns from 0 on; None for another text."""
    match = PLACE.fullmatch(reference)
    if match is None:
        return None
    return int(match[2]), column_of(match[1]), int(match[4]), column_of(match[3])


def column_of(letters):
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number - 1


def tables_on(rows, numbers, merged):
    """(tables, notes): the tables of a sheet from top to bottom, each as a list of rows.

    Args:
        rows: {column: cell} of each row that has one.
        numbers: their numbers on the sheet.
        merged: areas, as area_of gives them.
    """
    rows, places = [dict(row) for row in rows], {number: i for i, number in enumerate(numbers)}
    notes, filled = [], fill_down(rows, places, merged)
    if filled:
        notes.append(f"merged cells are filled with what their first one says: {filled:,}")
    tables = []
    starts = [0, *starts_of_tables(rows, numbers), len(rows)]
    for start, end in zip(starts, starts[1:]):
        joined = joined_header(rows, numbers, start, end, merged)
        if joined is not rows:
            notes.append("a header of two rows is read as one")
        tables.append(joined[start:end] if joined is rows else joined)
    return tables, list(dict.fromkeys(notes))


def fill_down(rows, places, merged):
    """Writes the first cell of each merged area into those below it; how many."""
    count = 0
    for top, left, bottom, _ in merged:
        cell = rows[places[top]].get(left) if top in places else None
        if cell is None:
            continue
        for number in range(top + 1, min(bottom, top + MERGED) + 1):
            if number in places and left not in rows[places[number]]:
                rows[places[number]][left] = cell
                count += 1
                if count >= MERGED:
                    return count
    return count


def joined_header(rows, numbers, start, end, merged):
    """The rows of a table with the two rows of its header as one, or `rows` where it has one row.

    The upper row is the first with a cell that is merged with its neighbours to the right, beside others.
    """
    for upper in range(start, min(start + TITLES, end - 2)):
        spans = {left: right for top, left, bottom, right in merged
                 if top == bottom == numbers[upper] and right > left and left in rows[upper]}
        lower = rows[upper + 1]
        if not spans or len(rows[upper]) < 2 or not all(isinstance(cell, str) for cell in lower.values()):
            continue
        names = dict(rows[upper])
        for left, right in spans.items():
            names |= dict.fromkeys(range(left, right + 1), rows[upper][left])
        header = {column: name_of(names.get(column), lower.get(column)) for column in {*names, *lower}}
        return [*rows[start:upper], header, *rows[upper + 2:end]]
    return rows


def name_of(upper, lower):
    """上半年 above 销量 is 上半年销量."""
    upper, lower = clean(upper), clean(lower)
    return upper if lower in ("", upper) else f"{upper}{lower}"


# -------------------------------------------------------------------------------------------- several tables

def starts_of_tables(rows, numbers):
    """Where behind an empty row another header begins."""
    starts, begin = [], 0
    for i in range(1, len(rows) - 1):
        apart = numbers[i] - numbers[i - 1] > 1
        if apart and i - begin > 1 and is_header(rows[begin:i], rows[i], rows[i + 1]):
            starts.append(i)
            begin = i
    return starts


def is_header(above, row, below):
    """Whether a row of texts names columns: numbers stand below it, and above it in columns that it has.

    A column of numbers above it says that its text is no cell of that column.
    """
    if len(row) < 2 or any(is_number(cell) for cell in row.values()):
        return False
    numbers_below = any(is_number(cell) for cell in below.values())
    numeric = {column for other in above[1:] for column, cell in other.items() if is_number(cell)}
    return numbers_below and bool(numeric & set(row))


def is_number(cell):
    return cell is not None and not isinstance(cell, bool) and cell_number(cell) is not None


# ----------------------------------------------------------------------------------------------------- totals

def without_totals(rows):
    """(rows, those left out): rows that sum up others, 合计 or 小计, with numbers beside."""
    kept, left_out = [], []
    for row in rows:
        if not any(isinstance(cell, str) and HINT.search(cell) for cell in row):
            kept.append(row)                                 # as nearly all of many rows
            continue
        texts = [clean(cell) for cell in row if isinstance(cell, str) and not is_number(cell)]
        texts = list(filter(None, texts))
        said = texts and TOTAL.fullmatch("".join(texts[0].split()))
        is_total = said and len(set(texts)) < 3 and any(map(is_number, row))
        (left_out if is_total else kept).append(row)
    return kept, left_out
