"""Tables and questions: TableQA's files, and CSV, Excel and SQLite tables of one's own.

No Keras in here. TableQA (github.com/ZhuiyiTechnology/TableQA) has two files for each part, one JSON object a line:

    train.json          {"question": ..., "table_id": ..., "sql": {"sel", "agg", "cond_conn_op", "conds"}}
    train.tables.json   {"id", "name", "title", "header", "types", "rows"}

Its quirks: cells of columns of numbers that are texts, headers that are empty or twice the same, rows that are too short,
`sel` with a column twice, test questions without `sql`.
"""

import contextlib
import functools
import io
import json
import math
import pathlib
import re
import sqlite3
import time
import unicodedata
from dataclasses import dataclass, field

from common import datasets
from common.datasets import InputError
from nl2sql.sql import Query, shown
from nl2sql.values import Matcher, cell_number, header_unit

EMPTY = {"", "-", "--", "—", "——", "/", "\\", "n/a", "na", "nan", "null", "none", "#n/a", "无", "暂无", "未知"}
ENCODINGS = ("utf-8-sig", "gb18030", "big5")
VIEW_SECONDS = 5
PRIVATE = re.compile("[\ue000-\uf8ff]")            # what most texts in Big5 have when they are read as GBK
PARTS = ("train", "valid", "test")
SORTABLE = [(re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"), "{:04}-{:02}-{:02}"),
            (re.compile(r"(\d{1,2})[:：](\d{2})"), "{:02}:{:02}")]
MEASURED = re.compile(r"([-+]?(?:0|[1-9][\d,]*)(?:\.\d+)?)\s*([^\W\d_年月日号时点分秒百千万亿元]{1,3})")


@dataclass
class Table:
    """A table with named columns of two types.

    Args:
        header: the columns' names as they came: any may be empty, or twice the same.
        rows: lists of cells. In a "real" column a cell that is no number becomes None, in a "text" column all are texts.
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
        width = len(self.header)
        rows = [[*row[:width], *[None] * (width - len(row))] for row in self.rows]
        cells = [list(column) for column in zip(*rows)] if rows else [[] for _ in self.header]
        kinds = [str(kind) for kind in self.types or ()]
        self.types = [kind if kind in ("text", "real") else kind_of(column)
                      for kind, column in zip(kinds + [""] * (width - len(kinds)), cells)]
        self.units, self.columns = [header_unit(name) for name in self.header], unique_names(self.header)
        for i, kind in enumerate(self.types):
            if kind == "real":
                numbers, unit = numbers_of(cells[i])
                self.units[i] = unit or self.units[i]
                lost = [clean(cell) for cell, number in zip(cells[i], numbers) if number is None and not is_empty(cell)]
                if lost:
                    self.notes.append(f"cells of {self.columns[i]} that are no numbers count as empty: {len(lost)}, as "
                                      f"{lost[0]}")
                cells[i] = numbers
            else:
                cells[i] = [None if cell is None else clean(cell) or None for cell in cells[i]]
        self.rows = [list(row) for row in zip(*cells)] if rows else []
        self.name = clean(self.name) or "table"
        if self.name.lower().startswith("sqlite_"):          # SQLite keeps these names for itself
            self.name = f"table_{self.name}"

    @functools.cached_property
    def matcher(self):
        """Finds what words mean in this table."""
        return Matcher(self)

    def cells(self, column):
        """A column's cells that are not empty, each once, in their order."""
        if column not in self._cells:
            self._cells[column] = list(dict.fromkeys(row[column] for row in self.rows if row[column] not in (None, "")))
        return self._cells[column]


@dataclass
class Record:
    """A question about a table, and the query that answers it, where it is known."""

    question: str
    table: Table
    query: Query | None = None


@dataclass
class Corpus(datasets.Texts):
    """Lists of Records: train and test, and valid, which chooses the best epoch."""

    valid: list = field(default_factory=list)

    def describe(self):
        return {**super().describe(), "valid": len(self.valid)}


# ------------------------------------------------------------------------------------------------------------ corpora

def load_corpus(data=""):
    """The corpus of a folder in TableQA's format, or the built-in one.

    Args:
        data: a folder; "sample" for the corpus of samples.py; "" for tableqa/ in KEXUE_DATA or the cache, if it is there.

    Raises:
        InputError: nothing usable there.
    """
    folder = datasets.find("tableqa") if data == "" else None if data == "sample" else pathlib.Path(data).expanduser()
    if data == "" and folder and not is_corpus(folder):
        folder = None                                    # questions without tables are no corpus
    if folder:
        if not folder.is_dir():
            raise InputError(f"--data expects sample or a folder with TableQA's train.json, train.tables.json, val.json and "
                             f"val.tables.json. Received: {data}")
        corpus = read_tableqa(folder)
    else:
        if data == "":
            print("NOTE: this is the built-in corpus, not TableQA: clone github.com/ZhuiyiTechnology/TableQA and name its "
                  "folder with --data.", flush=True)
        corpus = builtin()
    print(f"data: {corpus.name}, {len(corpus.train):,} training, {len(corpus.valid):,} validation and {len(corpus.test):,} "
          f"test questions, from {corpus.source}", flush=True)
    return corpus


def builtin():
    """The corpus of samples.py; its schemas are split, so that no test table was seen in training."""
    import hashlib

    from nl2sql import samples

    parts = samples.corpus()
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    records = {}
    for part in PARTS:
        lines, tables = parts[part]
        known = {table["id"]: table_of(table, f"samples.py, {part}") for table in tables}
        records[part] = [record_of(line, known, f"samples.py, {part}, record {i}") for i, line in enumerate(lines, 1)]
    return Corpus("sample", "nl2sql/samples.py", digest, True, records["train"], records["test"], records["valid"])


def read_tableqa(folder):
    """A Corpus from a folder with TableQA's files, flat or in train/, val/ and test/.

    Where test.json is missing or has no `sql`, as in what is public, the validation questions are the test, and those of
    every twentieth training table choose the best epoch: no question chooses the model that it measures.
    """
    paths = {part: _part(folder, name) for part, name in zip(PARTS, ("train", "val", "test"))}
    if missing := [name for part, name in (("train", "train"), ("valid", "val")) if not paths[part]]:
        raise InputError(f"{folder} should hold TableQA's train.json, train.tables.json, val.json and val.tables.json. "
                         f"Missing: {missing[0]}.json or {missing[0]}.tables.json")
    records = {part: read_records(*path) if path else [] for part, path in paths.items()}
    records = {part: [record for record in found if record.query] for part, found in records.items()}
    if not records["test"]:
        ids = {id(record.table): None for record in records["train"]}
        held_out = set(list(ids)[::20])
        records = {"test": records["valid"], "valid": [r for r in records["train"] if id(r.table) in held_out],
                   "train": [r for r in records["train"] if id(r.table) not in held_out]}
    for part, use in zip(PARTS, ("train on", "validate with", "test on")):
        if not records[part]:
            raise InputError(f"{folder} should hold questions with their sql for training and validation, about two tables "
                             f"at least. Received: none to {use}")
    files = [path for pair in paths.values() if pair for path in pair]
    return Corpus(folder.name, str(folder), datasets.sha256_of_all(files), False,
                  records["train"], records["test"], records["valid"])


def is_corpus(folder):
    """Whether a folder has training questions in TableQA's format, with their tables."""
    return _part(folder, "train") is not None


def _part(folder, name):
    """The two files of a part, or None."""
    for place in (folder, folder / name):
        pair = place / f"{name}.json", place / f"{name}.tables.json"
        if all(path.is_file() for path in pair):
            return pair
    return None


def read_records(questions, tables):
    """The Records of one part.

    Raises:
        InputError: a line that is not of TableQA's form, or a question about a table that is not there.
    """
    known = {}
    for line, where in json_lines(tables):
        table = table_of(line, where)
        known[table.id] = table
    return [record_of(line, known, where) for line, where in json_lines(questions)]


def json_lines(path):
    """(object, where it stands) for each line of a file."""
    for i, line in enumerate(datasets.read_text(path).split("\n"), 1):      # splitlines would cut at U+2028 too
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} should hold one JSON object a line, but line {i} is none ({error}).") from error
        yield value, f"{path}, line {i}"


def table_of(line, where):
    """The Table of a line of train.tables.json."""
    try:
        rows = [list(row) for row in line["rows"]]
        return Table(list(line["header"]), rows, line.get("types"), str(line.get("name") or "table"),
                     str(line.get("title") or ""), str(line["id"]))
    except (KeyError, TypeError) as error:
        raise InputError(f"{where}: expected a table with id, header and rows. Received: {error!r:.100}") from error


def record_of(line, tables, where):
    """The Record of a line of train.json."""
    try:
        question, table_id, sql = str(line["question"]), str(line["table_id"]), line.get("sql")
        query = None if not sql else Query.from_json(sql)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: expected question, table_id and sql with sel, agg, cond_conn_op and conds. "
                         f"Received: {error!r:.200}") from error
    if table_id not in tables:
        raise InputError(f"{where}: its table_id is in no tables file. Received: {table_id}")
    table = tables[table_id]
    try:
        if query:
            query.check(len(table.header))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    return Record(question, table, query)


# ------------------------------------------------------------------------------------------------- one table of a file

def read_table(path, name=""):
    """A Table from a CSV, Excel, SQLite or TableQA file.

    Args:
        path: the file; what it is its ending says, and for SQLite its first bytes.
        name: which sheet of an Excel file, table of a database or id of a TableQA file; needed where there are several.

    Raises:
        InputError: no such file, nothing in it, damaged, locked, or in an encoding that is neither UTF-8, GBK nor Big5.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"--table expects a CSV, Excel, SQLite or TableQA file. Received: {path}, which is no file")
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error
    ending = path.suffix.lower()
    if start == b"SQLite format 3\0" or ending in (".db", ".sqlite", ".sqlite3"):
        table = _read_sqlite(path, name)
    elif ending in (".xlsx", ".xlsm", ".xls", ".ods") or start[:4] == b"PK\3\4":
        table = _read_excel(path, name)
    elif ending in (".json", ".jsonl"):
        table = _read_json(path, name)
    else:
        table = _read_csv(path)
    if not table.rows:
        raise InputError(f"{path} holds a table without rows: there is nothing to ask it. "
                         f"Received: the columns {', '.join(table.columns)}")
    return table


def _read_csv(path):
    import pandas

    content = path.read_bytes()
    texts = []
    for encoding in ENCODINGS:
        with contextlib.suppress(UnicodeDecodeError):
            texts.append(content.decode(encoding))
            if encoding == "utf-8-sig" or not PRIVATE.search(texts[-1]):
                break
    if not texts:
        raise InputError(f"{path} should be a text in UTF-8, GBK or Big5, and is none. Save it as CSV in UTF-8.")
    text = texts[0] if PRIVATE.search(texts[-1]) else texts[-1]
    if "\0" in text:
        raise InputError(f"{path} should be a CSV text, but holds NUL characters: is it another kind of file?")
    if not text.strip():
        raise InputError(f"{path} is empty: expected a header and rows.")
    first = text.lstrip().splitlines()[0]
    separator = max(",\t;|", key=first.count)             # of several as frequent the comma
    try:
        frame = pandas.read_csv(io.StringIO(text), sep=separator, header=None, dtype=str, keep_default_na=False,
                                skip_blank_lines=True, on_bad_lines="error", engine="python", skipinitialspace=True)
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"{path} should be a CSV table, but cannot be read as one: {str(error).strip()[:200]}") from error
    # A row that ends early ends in NaN.
    rows = [[None if cell != cell else cell for cell in row] for row in frame.values.tolist()]
    return _table(rows, path.stem)


def _read_excel(path, name):
    import pandas

    try:
        with pandas.ExcelFile(path) as book:
            read = functools.partial(pandas.read_excel, book, header=None, dtype=object, keep_default_na=False,
                                     na_values=[""])                 # NA is a text, and no gap
            filled = [sheet for sheet in book.sheet_names if sheet == name or len(read(sheet, nrows=1))]
            sheet = choose(dict.fromkeys(filled or book.sheet_names), name, path, "sheet")
            frame = read(sheet)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{path} needs another package: {error}") from error
    except Exception as error:    # openpyxl raises many kinds for a damaged file, from KeyError to BadZipFile
        raise InputError(f"{path} should be an Excel file, but cannot be read as one: {str(error)[:200]}") from error
    rows = [[None if cell is None or cell != cell else str(cell).removesuffix(" 00:00:00") if hasattr(cell, "isoformat")
             else cell for cell in row] for row in frame.values.tolist()]
    rows = [row for row in rows if any(cell is not None for cell in row)]
    if not rows:
        raise InputError(f"{path} holds nothing in the sheet {sheet}: expected a header and rows.")
    return _table(rows, sheet)


def _read_sqlite(path, name):
    path = path.resolve()                                  # the log lies beside the file, not beside a link to it
    with open(path, "rb") as file:
        closed = file.read(20)[18:19] == b"\2" and not pathlib.Path(f"{path}-wal").exists()
    options = "?mode=ro" + "&immutable=1" * closed         # to a write-ahead log that is closed SQLite would add two files
    try:
        with contextlib.closing(sqlite3.connect(path.as_uri() + options, uri=True, timeout=2)) as connection:
            connection.text_factory = lambda content: content.decode("utf-8", "replace")
            connection.execute("PRAGMA trusted_schema = OFF")
            tables = dict(connection.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') "
                                             "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"))
            name = choose(tables, name, path, "table")
            if tables[name] == "view":                      # which may compute for ever
                end = time.monotonic() + VIEW_SECONDS
                connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
            cursor = connection.execute('SELECT * FROM "' + name.replace('"', '""') + '"')
            header, rows = [column[0] for column in cursor.description], [list(row) for row in cursor]
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise InputError(f"{path} is locked by another program. Close it, or give a copy.") from error
        raise InputError(f"{path} cannot be read as an SQLite database: {error}. Nothing was changed.") from error
    except (sqlite3.Error, UnicodeDecodeError) as error:     # names of columns, and errors, are no text for text_factory
        raise InputError(f"{path} is no SQLite database or damaged: {error}. Nothing was changed.") from error
    return _table([header, *rows], name)


def _read_json(path, name):
    tables = {table.id: table for table in (table_of(line, where) for line, where in json_lines(path))}
    return tables[choose(tables, name, path, "table")]


def _table(rows, name):
    """The Table of rows as people write them, of which the first are the header, below a title perhaps.

    Dates become 2019-03-01 and times 09:30 if all cells of a column are such, since SQL compares them as texts; 12人 becomes
    12 if all cells end alike.
    """
    notes = []
    while len(rows) > 2 and sum(map(bool, map(clean, rows[0]))) == 1 < len(rows[1]) and all(
            clean(cell) and cell_number(cell) is None for cell in rows[1]):
        notes.append(f"{' '.join(map(clean, rows[0])).strip()} is taken for a title, the row below it for the header")
        rows = rows[1:]
    (header, *rows), columns = rows, []
    for title, cells in zip(header, zip(*rows)):
        texts = {text: None for cell in cells if not is_empty(cell) and (text := clean(cell))}
        for pattern, form in SORTABLE:
            found = [pattern.fullmatch(text) for text in texts]
            if found and all(found):
                texts = {match[0]: form.format(*map(int, match.groups())) for match in found}
        found = [MEASURED.fullmatch(text) for text in texts]
        if len(found) > 1 and all(found) and len({match[2] for match in found}) == 1:
            notes.append(f"{clean(title)} is read as numbers, in {found[0][2]}")
            texts = {match[0]: match[1] for match in found}
        columns.append([cell if is_empty(cell) else texts[clean(cell)] or cell for cell in cells])
    table = Table(header, list(zip(*columns)), name=name)
    table.notes[:0] = notes
    return table


def choose(found, name, path, kind):
    """The one that was named, or the only one."""
    if name in found:
        return name
    names = ", ".join(list(found)[:10]) + (", ..." if len(found) > 10 else "")
    if name or not found:
        raise InputError(f"{path} holds no {kind}{f' {name}' if name else ''}. It has: {names or 'none'}")
    if len(found) > 1:
        raise InputError(f"{path} holds several {kind}s: say which with --name. It has: {names}")
    return next(iter(found))


# -------------------------------------------------------------------------------------------------------------- cells

def clean(value):
    """A cell or a name as one line of text without NUL and surrounding blanks."""
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in shown(value))
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def is_empty(cell):
    return cell is None or clean(cell).lower() in EMPTY


def kind_of(cells):
    """real: nine of ten cells that are not empty are numbers, and no codes: those begin with 0, or are long and alike.

    Whole numbers that a float cannot hold are codes too.
    """
    found = [cell for cell in cells if not is_empty(cell)]
    texts = [clean(cell) for cell in found if isinstance(cell, str)]
    codes = [text for text in texts if re.fullmatch(r"0\d+", text)]
    long = {len(text) for text in texts if re.fullmatch(r"\d{11,}", text)}
    huge = any(isinstance(cell, int) and abs(cell) > 2**53 for cell in found)
    if not found or codes or huge or (len(long) == 1 and len(texts) == len(found)):
        return "text"
    numbers = sum(cell_number(cell) is not None for cell in found)
    return "real" if numbers >= 0.9 * len(found) else "text"


def numbers_of(cells):
    """A column's cells as floats, None for what is no number; and "%" if all of them are per cent, as 5 for 5 %."""
    read = [None if is_empty(cell) else cell_number(cell) for cell in cells]
    percent = all(number.percent for number in read if number) and any(read)
    values = [None if number is None else number.mantissa if percent else number.value for number in read]
    return [value if value is None or math.isfinite(value) else None for value in values], "%" if percent else ""


def unique_names(header):
    """Names that SQL can tell apart: empty ones get their number, and those that differ in case alone are the same."""
    names, taken = [], set()
    for i, name in enumerate(header, 1):
        base = name or f"列{i}"
        candidate, count = base, 1
        while candidate.lower() in taken:
            count += 1
            candidate = f"{base}_{count}"
        taken.add(candidate.lower())
        names.append(candidate)
    return names
