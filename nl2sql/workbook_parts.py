"""What is in the parts of an .xlsx workbook: links, names of sheets, formats, texts and cells. No Keras in
here.

Each class collects from one kind of part: workbooks.py calls its start, text and end as expat meets tags.
"""

import datetime
import re

from common.harness.reading import InputError
from nl2sql.tables import CELLS, CHARACTERS, COLUMNS

ROWS = 1_048_576                    # of a sheet of Excel's
PLACE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
# Excel's own numbers of formats that show days or times of day, the East Asian ones among them
DAYS = {*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)}
HOURS = 46                                                     # [h]:mm:ss
SPAN = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\[\]]*\]')                 # of a format what is shown as it is
BEGINNING, BEGINNING_ON_A_MAC = datetime.datetime(1899, 12, 30), datetime.datetime(1904, 1, 1)
LAST_DAY = 2_958_465                # Excel's number of 9999-12-31
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")                    # a character that XML cannot hold


class Enough(Exception):
    """Ends the parsing of a part of which no more is wanted."""


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
    """(name, number of its link) of the sheets; `hidden`: the names that Excel does not show; `beginning`:
    the day from which days count."""

    def __init__(self):
        self.sheets, self.hidden, self.beginning = [], set(), BEGINNING

    def start(self, name, attributes):
        if name == "sheet":
            links = [value for key, value in attributes.items() if key.endswith(" id")]
            self.sheets.append((attributes["name"], links[0]))
            if attributes.get("state", "visible") != "visible":
                self.hidden.add(attributes["name"])
        elif name == "workbookPr":
            if attributes.get("date1904") in ("1", "true"):
                self.beginning = BEGINNING_ON_A_MAC


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

    def writers(self):
        """For each style of cells what writes a number that has it: day_of, hours_of, or None for a
        number."""
        writers = dict.fromkeys(DAYS, day_of) | {HOURS: hours_of}
        writers |= {number: writer_of(form) for number, form in self.forms.items()}
        return [writers.get(number) for number in self.cells]


class Content(Collector):
    """Gathers `pieces`, the text in the tags of some names, without what tells how it is pronounced."""

    names = ("t",)

    def __init__(self, path):
        self.path, self.pieces, self.reading, self.spoken = path, [], False, False

    def start(self, name, attributes):
        if name == "rPh":
            self.spoken = True
        self.reading = name in self.names and not self.spoken

    def text(self, content):
        if self.reading:
            self.pieces.append(content)

    def end(self, name):
        self.reading = False
        if name == "rPh":
            self.spoken = False


class Texts(Content):
    """The texts that cells name by their numbers."""

    def __init__(self, path):
        super().__init__(path)
        self.found = []

    def end(self, name):
        super().end(name)
        if name == "si":
            if len(self.found) == CELLS:
                raise InputError(f"{self.path} should hold a table of at most {CELLS:,} cells. "
                                 "Received: more texts than that")
            self.found.append(unescaped("".join(self.pieces)))
            self.pieces = []


class Cells(Content):
    """The rows of a sheet as {column: cell}, without empty cells and rows; `numbers` are theirs, `merged` the
    areas of merged cells.

    Args:
        texts, writers, beginning: of the Workbook.
        path: for messages.
        most: rows after which no more is wanted.
    """

    names = ("v", "t")

    def __init__(self, texts, writers, beginning, path, most):
        super().__init__(path)
        self.texts, self.writers, self.beginning, self.most = texts, writers, beginning, most
        self.rows, self.row, self.number, self.width = [], {}, 0, 0
        self.column, self.kind, self.style, self.is_formula = -1, "n", 0, False
        self.uncalculated, self.spans = 0, 0
        self.numbers, self.merged = [], []

    def start(self, name, attributes):
        super().start(name, attributes)
        if name == "c":
            self._place(attributes.get("r"))
            self.kind, self.style = attributes.get("t", "n"), int(attributes.get("s", 0))
            self.pieces, self.is_formula = [], False
        elif name == "f":
            self.is_formula = True
        elif name == "mergeCell" and len(self.merged) < CELLS:
            self.merged.append(attributes.get("ref", ""))
        elif name == "row":
            self.number = int(attributes.get("r", self.number + 1))
            self.row, self.column = {}, -1
            if not 0 < self.number <= ROWS:
                raise InputError(f"{self.path} should hold rows 1 to {ROWS:,}, as Excel does. "
                                 f"Received: row {self.number}")

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

    def end(self, name):
        super().end(name)
        if name == "c" and self.pieces:
            cell = self._cell("".join(self.pieces))
            if cell not in (None, ""):
                self._keep(cell)
        elif name == "c" and self.is_formula and self.kind != "str":         # a text may be the empty one
            self.uncalculated += 1
        elif name == "row" and self.row:
            self.rows.append(self.row)
            self.numbers.append(self.number)
            if len(self.rows) >= self.most:
                raise Enough

    def notes(self):
        """What a user should know of how the cells were read."""
        notes = []
        if self.uncalculated:
            notes.append(f"cells with a formula that no program has calculated yet count as empty: "
                         f"{self.uncalculated:,}. Open the file in Excel and save it")
        if self.spans:
            notes.append("spans of time are read in hours")
        return notes

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
            return unescaped(text)
        if self.kind == "d":
            return text.replace("T", " ").removesuffix(" 00:00:00")
        if self.kind == "b":
            return text.strip() == "1"
        return None if self.kind == "e" else self._number(text.strip())

    def _number(self, text):
        if len(text) > CHARACTERS // 100:
            raise ValueError(f"a number of {len(text):,} digits")
        number = int(text) if text.isdecimal() else float(text)
        writer = self.writers[self.style] if self.style < len(self.writers) else None
        if writer is day_of and 0 <= number <= LAST_DAY:
            return day_of(number, self.beginning)
        if writer is hours_of:
            self.spans += 1
            number = hours_of(number)
        return int(number) if float(number).is_integer() else number


def writer_of(form):
    """day_of for a format such as yyyy"年"m"月", which shows a day or a time, hours_of for one such as
    [h]:mm, which shows a span of time, None for one of numbers."""
    if len(form) > 255:                                  # Excel's own limit
        return None
    form = form.partition(";")[0]
    if SPAN.search(form):
        return hours_of
    plain = QUOTED.sub("", form)
    return day_of if re.search("[dmhysDMHYS]", plain) and "General" not in plain else None


def day_of(number, beginning):
    """Days since a beginning as a day, a day with its time, or for less than a day a time."""
    moment = beginning + datetime.timedelta(milliseconds=round(number * 86_400_000))
    if number < 1:
        return str(moment.time())
    if beginning == BEGINNING and number < 60:        # Excel believes that 1900 had a 29th of February
        moment += datetime.timedelta(days=1)
    return str(moment).removesuffix(" 00:00:00")


def hours_of(number):
    """A span of days in hours, as a number: 1.0625 is shown as 25:30 and means 25.5."""
    return round(24 * number, 6)


def unescaped(text):
    """A text without _x000D_ and the like, which stand for characters."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
