"""A table with named columns of two types, as it stands in a line of TableQA's tables file. No Keras in here.

    table = Table(["城市", "人口（万）"], [["广州", 1868], ["深圳", "1,756"]])
    table.types                    ["text", "real"]
    table.units                    ["", "万"]
    table.cells(1)                 [1868.0, 1756.0]
    table.matcher.resolve(...)     what words of a question mean in this table
"""

import functools
import json
from dataclasses import dataclass, field

from common.harness.reading import InputError, read_text
from nl2sql.cells import clean, is_empty, kind_of, numbers_of, unique_names
from nl2sql.matcher import Matcher
from nl2sql.numerals import header_unit

# What a table may hold: cells, empty ones too, that are understood in two seconds; columns as in SQLite;
# characters of a cell as in Excel, and of all cells, since one text can stand in many.
CELLS, COLUMNS, CHARACTERS, ALL_CHARACTERS = 300_000, 2_000, 32_767, 1 << 24
CORPUS_CELLS = 800_000               # of all tables of a file of TableQA


@dataclass
class Table:
    """A table with named columns of two types.

    Args:
        header: the columns' names as they came: any may be empty, or twice the same.
        rows: lists of cells. In a "real" column a cell that is no number becomes None, in a "text" column all
            are texts.
        types: "text" or "real" for each column; found out from the cells where it is None.
        name: what SQL calls it.
    """

    header: list
    rows: list
    types: list | None = None
    name: str = "table"
    title: str = ""
    id: str = ""
    columns: list = field(init=False)      # the header as SQL needs it: nothing empty, nothing twice
    units: list = field(init=False)        # "" or what a number in the column counts: "万", "亿", "%", ...
    notes: list = field(init=False, default_factory=list)      # what a user should know of how it was read
    _cells: dict = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self):
        self.header = [clean(name) for name in self.header]
        if not self.header:
            raise InputError(f"a table expects at least one column. Received: none in {self.name}")
        self.columns = unique_names(self.header)
        self.units = [header_unit(name) for name in self.header]
        cells = columns_of(self.rows, len(self.header))
        self.types = settled_types(self.types, cells)
        for i, kind in enumerate(self.types):
            cells[i] = self._numbers(i, cells[i]) if kind == "real" else texts_of(cells[i])
        self.rows = [list(row) for row in zip(*cells)]
        self.name = clean(self.name) or "table"
        if self.name.lower().startswith("sqlite_"):          # SQLite keeps these names for itself
            self.name = f"table_{self.name}"

    def _numbers(self, column, cells):
        """The cells of a column of numbers; what is lost is noted, and the unit of per cent set."""
        numbers, unit = numbers_of(cells)
        self.units[column] = unit or self.units[column]
        lost = [cell for cell, number in zip(cells, numbers) if number is None and not is_empty(cell)]
        if lost:
            self.notes.append(f"cells of {self.columns[column]} that are no numbers count as empty: "
                              f"{len(lost)}, as {clean(lost[0])}")
        return numbers

    @functools.cached_property
    def matcher(self):
        """Finds what words mean in this table."""
        return Matcher(self)

    def cells(self, column):
        """A column's cells that are not empty, each once, in their order."""
        if column not in self._cells:
            found = [row[column] for row in self.rows if row[column] not in (None, "")]
            self._cells[column] = list(dict.fromkeys(found))
        return self._cells[column]


def columns_of(rows, width):
    """Rows as `width` columns: short rows end in None, and what is too much is left out."""
    if not rows:
        return [[] for _ in range(width)]
    rows = [[*row[:width], *[None] * (width - len(row))] for row in rows]
    return [list(column) for column in zip(*rows)]


def checked_rows(rows, where, width=0):
    """Rows as they come, as a list; refused as soon as they are more than a table may hold.

    Args:
        rows: an iterable of lists of cells, which need not be of one length.
        where: for the message.
        width: columns that the table has at least.
    """
    kept, characters = [], 0
    for row in rows:
        kept.append(row)
        width = max(width, len(row))
        if width > COLUMNS or width * len(kept) > CELLS:
            raise InputError(f"{where} should hold a table of at most {COLUMNS:,} columns and {CELLS:,} "
                             f"cells, empty ones too. Received: {width:,} columns in {len(kept):,} rows or "
                             "more")
        lengths = [len(cell) for cell in row if isinstance(cell, (str, bytes))]
        longest = max(lengths, default=0)
        characters += sum(lengths)
        if longest > CHARACTERS:
            raise InputError(f"{where} should hold cells of at most {CHARACTERS:,} characters, as in Excel. "
                             f"Received: {longest:,} in row {len(kept):,}")
        if characters > ALL_CHARACTERS:
            raise InputError(f"{where} should hold at most {ALL_CHARACTERS:,} characters in all its cells. "
                             f"Received: {characters:,} up to row {len(kept):,}")
    return kept


def texts_of(cells):
    """The cells of a column of texts, None for an empty one."""
    return [None if cell is None else clean(cell) or None for cell in cells]


def settled_types(types, cells):
    """ "text" or "real" for each column: as the table says, else as its cells look."""
    kinds = [str(kind) for kind in types or ()]
    kinds += [""] * (len(cells) - len(kinds))
    return [kind if kind in ("text", "real") else kind_of(column) for kind, column in zip(kinds, cells)]


def json_lines(path):
    """(object, where it stands) for each line of a file."""
    for i, line in enumerate(read_text(path).split("\n"), 1):      # splitlines would cut at U+2028 too
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} should hold one JSON object a line, but line {i} is none "
                             f"({error}).") from error
        yield value, f"{path}, line {i}"


def tables_in(path):
    """id → (line, where it stands) of train.tables.json, each line of the form of a table, each id once."""
    found, cells = {}, 0
    for line, where in json_lines(path):
        check_line(line, where)
        name = str(line["id"])
        if name in found:
            raise InputError(f"{where}: expected each id once. "
                             f"Received: {name:.40}, as in {found[name][1]}")
        found[name] = line, where
        cells += len(line["rows"]) * len(line["header"])
        if cells > CORPUS_CELLS:
            raise InputError(f"{path} should hold tables of at most {CORPUS_CELLS:,} cells in all. "
                             f"Received: more, up to {where}")
    return found


def check_line(line, where):
    """InputError for an object that is no table in TableQA's form."""
    header, rows = line.get("header"), line.get("rows")
    if "id" not in line or not isinstance(header, list) or not isinstance(rows, list):
        raise InputError(f"{where}: expected a table with id, header and rows, both of them lists. "
                         f"Received: {str(line)[:60]}")
    checked_rows([header], where)
    for number, row in enumerate([header, *rows]):
        part = f"row {number}" if number else "the header"
        if not isinstance(row, list):
            raise InputError(f"{where}: expected {part} as a list. Received: {str(row)[:60]}")
        if not all(map(is_cell, row)):
            raise InputError(f"{where}: expected texts and numbers in {part}. Received: {str(row)[:60]}")
    checked_rows(rows, where, len(header))


def is_cell(value):
    return value is None or isinstance(value, (str, int, float))


def table_of(line, where):
    """The Table of a line of train.tables.json."""
    types = line.get("types")
    if not isinstance(types, (list, type(None))):
        raise InputError(f"{where}: expected types as a list of text and real. Received: {str(types)[:60]}")
    name, title = str(line.get("name") or "table"), str(line.get("title") or "")
    return Table(line["header"], line["rows"], types, name, title, str(line["id"]))
