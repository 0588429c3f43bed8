"""The cells of an .xlsx workbook, of which only what is asked for is unpacked. No Keras in here.

    with open_workbook("book.xlsx") as book:
        book.sheets                      the names of its sheets
        book.rows("2019")                lists of cells: texts, numbers, None; days as 2019-03-01

A small file can hold gigabytes of blanks, a cell in row 99999999999, or texts that name each other. So
whatever is unpacked is counted, each part is parsed by expat in one go, without document types, and no row is
made of cells that are not there.
"""

import contextlib
import datetime
import posixpath
import re
from xml.parsers import expat

from common.harness.archives import open_archive
from common.harness.reading import InputError
from nl2sql.tables import CELLS, CHARACTERS, COLUMNS

UNPACKED = 1 << 26                  # bytes that the parts which are read may unpack to
ELEMENTS = 5 * CELLS                # tags of XML: a cell has two or three
BLANKS = 1 << 21                    # tags of cells, most of them empty ones that have a format
FIRST = 1 << 16                     # bytes of a sheet, in which mostly a cell stands if there is any
ADVICE = ". Delete the empty rows and columns of the sheet, or save the sheet as CSV"
ROWS = 1_048_576                    # of a sheet of Excel's
PLACE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
# Excel's own numbers of formats that show days or times of day, the East Asian ones among them
DAYS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')                 # of a format what is shown as it is
BEGINNING = datetime.datetime(1899, 12, 30), datetime.datetime(1904, 1, 1)
LAST_DAY = 2_958_465                # Excel's number of 9999-12-31


@contextlib.contextmanager
def open_workbook(path):
    """Gives the Workbook in a file.

    Raises:
        InputError: it is none, is damaged, or holds more than a table may.
    """
    try:
        with open_archive(path, UNPACKED, ADVICE) as archive:
            yield Workbook(archive, path)
    except InputError:
        raise
    except Exception as error:       # zipfile and expat, KeyError for a part, ValueError for a number
        raise InputError(f"{path} should be an Excel file (.xlsx), but cannot be read as one: "
                         f"{str(error)[:200]}") from error


class Enough(Exception):
    """Ends the parsing of a part of which no more is wanted."""


class Workbook:
    """The sheets of a workbook.

    Args:
        archive: the open archive.
        path: for messages.
    """

    def __init__(self, archive, path):
        self.archive, self.path, self.texts = archive, path, None
        self.elements = [0, 0]                           # tags of a part: others, and those of cells
        self.main = next(target for _, kind, target in self._links("") if kind == "officeDocument")
        self.parts = {number: (kind, target) for number, kind, target in self._links(self.main)}
        found = SheetNames()
        self._parse(self.main, found)
        self.beginning = BEGINNING[found.later]
        kinds = {number: kind for number, (kind, _) in self.parts.items()}
        # charts have sheets of their own, without cells
        self.sheets = {name: number for name, number in found.sheets if kinds.get(number) == "worksheet"}
        self.days = self._days()

    def is_filled(self, name):
        """Whether a sheet has a cell with something in it."""
        part = self.parts[self.sheets[name]][1]
        first = self._cells_of(part, most=1, content=self.archive.start(part, FIRST), final=False)
        return bool(first.rows or self._cells_of(part, most=1).rows)

    def rows(self, name):
        """The rows of a sheet that have cells, as lists that end with their last one."""
        self._texts()
        self.elements = [0, 0]                           # those of other parts are no matter
        return [listed(row) for row in self._cells_of(self.parts[self.sheets[name]][1]).rows]

    def _cells_of(self, part, most=ROWS, **content):
        found = Cells(self._texts(), self.days, self.beginning, self.path, most)
        with contextlib.suppress(Enough):
            self._parse(part, found, **content)
        return found

    def _links(self, part):
        """(number, kind, part) of the parts that a part names."""
        folder, name = posixpath.split(part)
        found = Links()
        self._parse(posixpath.join(folder, "_rels", f"{name}.rels"), found)
        for number, kind, target in found.links:
            yield number, kind, posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")

    def _part_of_kind(self, wanted, collector):
        """The collector after the one part of a kind, or as it is where there is none."""
        for kind, target in self.parts.values():
            if kind == wanted:
                self._parse(target, collector)
        return collector

    def _texts(self):
        if self.texts is None:
            self.texts = self._part_of_kind("sharedStrings", Texts(self.path)).found
        return self.texts

    def _days(self):
        """For each style of cells, whether it shows days or times."""
        found = self._part_of_kind("styles", Styles())
        days = DAYS | {number for number, form in found.forms.items() if shows_days(form)}
        return [number in days for number in found.cells]

    def _parse(self, part, collector, content=None, final=True):
        """Calls the collector's start, text and end for one part: whole, as expat goes back to where a long
        tag begins for each piece of it that comes.

        Args:
            content: its bytes; None for all of them.
            final: whether these are all.
        """
        content = self.archive.read(part) if content is None else content
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True

        def start(name, attributes):
            name = name.rpartition(" ")[2]
            count = self.elements[name == "c"] = self.elements[name == "c"] + 1
            if count > ELEMENTS:
                self._check_tags()
            collector.start(name, attributes)

        def end(name):
            collector.end(name.rpartition(" ")[2])

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = collector.text
        parser.StartDoctypeDeclHandler = refuse_document_type
        parser.Parse(content, final)

    def _check_tags(self):
        """InputError for too many tags; more may be those of cells, since many have nothing but a format."""
        limits = [(ELEMENTS, "other tags than those of cells"), (BLANKS, "tags of cells")]
        for count, (most, kind) in zip(self.elements, limits):
            if count > most:
                raise InputError(f"{self.path} should hold a sheet whose XML has at most {most:,} {kind}. "
                                 f"Received: more{ADVICE}")


def refuse_document_type(*_):
    raise ValueError("its XML has a document type, which Excel never writes")


def shows_days(form):
    """Whether a format such as yyyy"年"m"月" shows a day or a time."""
    if len(form) > 255:                                  # Excel's own limit
        return False
    plain = QUOTED.sub("", form.partition(";")[0])
    return bool(re.search("[dmhysDMHYS]", plain)) and "General" not in plain


def listed(row):
    """{number of a column, from 0 on: cell} as a list."""
    cells = [None for _ in range(max(row) + 1)]
    for column, cell in row.items():
        cells[column] = cell
    return cells


# ---------------------------------------------------------------------------------- what collects from a part

class Collector:
    """What is called for the tags of a part and the text between them."""

    def start(self, name, attributes):
        """A tag opens; names come without namespaces."""

    def text(self, content):
        """A text, or a part of one."""

    def end(self, name):
        """A tag closes."""


class Links(Collector):
    def __init__(self):
        self.links = []

    def start(self, name, attributes):
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes["Type"].rpartition("/")[2]
            self.links.append((attributes["Id"], kind, attributes["Target"]))


class SheetNames(Collector):
    """(name, number of its link) of the sheets; `later`: days count from 1904, as once on a Mac."""

    def __init__(self):
        self.sheets, self.later = [], False

    def start(self, name, attributes):
        if name == "sheet":
            links = [value for key, value in attributes.items() if key.endswith(" id")]
            self.sheets.append((attributes["name"], links[0]))
        elif name == "workbookPr":
            self.later = attributes.get("date1904") in ("1", "true")


class Styles(Collector):
    """`forms`: number → format; `cells`: for each style of cells the number of its format."""

    def __init__(self):
        self.forms, self.cells, self.inside = {}, [], False

    def start(self, name, attributes):
        if name == "numFmt":
            self.forms[int(attributes["numFmtId"])] = attributes["formatCode"]
        elif name == "cellXfs":
            self.inside = True
        elif name == "xf" and self.inside:
            self.cells.append(int(attributes.get("numFmtId", 0)))

    def end(self, name):
        if name == "cellXfs":
            self.inside = False


class Texts(Collector):
    """The texts that cells name by their numbers, without what tells how they are pronounced."""

    def __init__(self, path):
        self.path, self.found, self.pieces, self.reading, self.spoken = path, [], [], False, False

    def start(self, name, attributes):
        if name == "rPh":
            self.spoken = True
        self.reading = name == "t" and not self.spoken

    def text(self, content):
        if self.reading:
            self.pieces.append(content)

    def end(self, name):
        self.reading = False
        if name == "rPh":
            self.spoken = False
        elif name == "si":
            if len(self.found) == CELLS:
                raise InputError(f"{self.path} should hold a table of at most {CELLS:,} cells. "
                                 "Received: more texts than that")
            self.found.append("".join(self.pieces))
            self.pieces = []


class Cells(Collector):
    """The rows of a sheet as {column: cell}, without empty cells and rows.

    Args:
        texts, days, beginning: of the Workbook.
        path: for messages.
        most: rows after which no more is wanted.
    """

    def __init__(self, texts, days, beginning, path, most):
        self.texts, self.days, self.beginning, self.path, self.most = texts, days, beginning, path, most
        self.rows, self.row, self.number, self.width = [], {}, 0, 0
        self.column, self.kind, self.style = -1, "n", 0
        self.pieces, self.reading, self.spoken = [], False, False

    def start(self, name, attributes):
        if name == "c":
            self._place(attributes.get("r"))
            self.kind, self.style = attributes.get("t", "n"), int(attributes.get("s", 0))
            self.pieces = []
        elif name == "row":
            self.number = int(attributes.get("r", self.number + 1))
            self.row, self.column = {}, -1
            if not 0 < self.number <= ROWS:
                raise InputError(f"{self.path} should hold rows 1 to {ROWS:,}, as Excel does. "
                                 f"Received: row {self.number}")
        elif name == "rPh":
            self.spoken = True
        self.reading = name in ("v", "t") and not self.spoken

    def _place(self, place):
        if place is None:
            self.column += 1
            return
        match = PLACE.fullmatch(place)
        if match is None:
            raise ValueError(f"a cell stands at {place:.20}")
        self.column = 0
        for letter in match[1]:
            self.column = 26 * self.column + ord(letter) - 64
        self.column -= 1

    def text(self, content):
        if self.reading:
            self.pieces.append(content)

    def end(self, name):
        self.reading = False
        if name == "rPh":
            self.spoken = False
        elif name == "c" and self.pieces:
            cell = self._cell("".join(self.pieces))
            if cell not in (None, ""):
                self._keep(cell)
        elif name == "row" and self.row:
            self.rows.append(self.row)
            if len(self.rows) >= self.most:
                raise Enough

    def _keep(self, cell):
        self.row[self.column] = cell
        self.width = max(self.width, self.column + 1)
        if self.width > COLUMNS or self.width * (len(self.rows) + 1) > CELLS:
            raise InputError(f"{self.path} should hold a table of at most {COLUMNS:,} columns and {CELLS:,} "
                             f"cells. Received: {self.width:,} columns in {len(self.rows) + 1:,} rows")

    def _cell(self, text):
        """What the text in a cell means by the cell's kind."""
        if self.kind == "s":
            return self.texts[int(text)]
        if self.kind in ("str", "inlineStr"):
            return text
        if self.kind == "d":
            return text.replace("T", " ").removesuffix(" 00:00:00")
        if self.kind == "b":
            return text.strip() == "1"
        return None if self.kind == "e" else self._number(text.strip())

    def _number(self, text):
        if len(text) > CHARACTERS // 100:
            raise ValueError(f"a number of {len(text):,} digits")
        number = int(text) if text.isdecimal() else float(text)
        if self.style < len(self.days) and self.days[self.style] and 0 <= number <= LAST_DAY:
            return day_of(number, self.beginning)
        return int(number) if float(number).is_integer() else number


def day_of(number, beginning):
    """Days since a beginning as a day, a day with its time, or for less than a day a time."""
    moment = beginning + datetime.timedelta(milliseconds=round(number * 86_400_000))
    if number < 1:
        return str(moment.time())
    if beginning == BEGINNING[0] and number < 60:        # Excel believes that 1900 had a 29th of February
        moment += datetime.timedelta(days=1)
    return str(moment).removesuffix(" 00:00:00")
