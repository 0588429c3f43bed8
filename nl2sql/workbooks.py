"""The cells of an .xlsx workbook, of which only what is asked for is unpacked. No Keras in here.

    with open_workbook("book.xlsx") as book:
        book.sheets                      the names of its sheets
        book.hidden                      those of them that Excel does not show
        rows, notes = book.rows("2019")
        rows                             lists of cells: texts, numbers, None; days as 2019-03-01

A small file can hold gigabytes of blanks, a cell in row 99999999999, or texts that name each other. So
whatever is unpacked is counted, each part is parsed by expat in one go, without document types, and no row is
made of cells that are not there.
"""

import contextlib
import posixpath
from xml.parsers import expat

from common.harness.archives import open_archive
from common.harness.reading import InputError
from nl2sql.sheet_layout import area_of, tables_on
from nl2sql.tables import CELLS
from nl2sql.workbook_parts import ROWS, Cells, Enough, Links, SheetNames, Styles, Texts

UNPACKED = 1 << 26                  # bytes that the parts which are read may unpack to
ELEMENTS = 5 * CELLS                # tags of XML: a cell has two or three
BLANKS = 1 << 21                    # tags of cells, most of them empty ones that have a format
FIRST = 1 << 16                     # bytes of a sheet, in which mostly a cell stands if there is any
ADVICE = ". Delete the empty rows and columns of the sheet, or save the sheet as CSV"


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
        self.beginning, self.hidden = found.beginning, found.hidden
        kinds = {number: kind for number, (kind, _) in self.parts.items()}
        # charts have sheets of their own, without cells
        self.sheets = {name: number for name, number in found.sheets if kinds.get(number) == "worksheet"}
        self.writers = self._part_of_kind("styles", Styles()).writers()

    def is_filled(self, name):
        """Whether a sheet has a cell with something in it."""
        part = self.parts[self.sheets[name]][1]
        first = self._cells_of(part, most=1, content=self.archive.start(part, FIRST), final=False)
        return bool(first.rows or self._cells_of(part, most=1).rows)

    def rows(self, name):
        """(the rows of a sheet that have cells, as lists that end with their last one; notes for the user)"""
        found = self._cells(name)
        return list(map(listed, found.rows)), found.notes()

    def tables(self, name):
        """(the tables on a sheet, each as the rows of it; notes for the user)"""
        found = self._cells(name)
        merged = list(filter(None, map(area_of, found.merged)))
        tables, notes = tables_on(found.rows, found.numbers, merged)
        return [list(map(listed, rows)) for rows in tables], [*found.notes(), *notes]

    def _cells(self, name):
        self._texts()
        self.elements = [0, 0]                           # those of other parts are no matter
        return self._cells_of(self.parts[self.sheets[name]][1])

    def _cells_of(self, part, most=ROWS, **content):
        found = Cells(self._texts(), self.writers, self.beginning, self.path, most)
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


def listed(row):
    """{number of a column, from 0 on: cell} as a list."""
    cells = [None for _ in range(max(row) + 1)]
    for column, cell in row.items():
        cells[column] = cell
    return cells
