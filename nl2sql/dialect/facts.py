"""What a table's columns are, as far as a question needs to know it. No Keras in here.

    facts = facts_of(table)
    facts.kinds            "date", "time", "year", "number", "flag" or "text" for each column
    facts.names            the headers without their units: 售价（万元） is 售价
    facts.key              the column that names the rows
    facts.people           the columns of people's names
    facts.about("price")   the columns that are about it
"""

import functools
import re
from dataclasses import dataclass

from common.harness.vocab import is_han
from nl2sql.cells import cell_text
from nl2sql.characters import normalise
from nl2sql.dialect.words import CONCEPTS, EMPTY_WORDS, FLAG_NAME, FLAG_TAIL, FLAGS, PEOPLE, SURNAMES
from nl2sql.encoder import UNIT_IN_NAME

DAY, CLOCK, YEAR = re.compile(r"\d{4}-\d\d-\d\d.*"), re.compile(r"\d\d:\d\d.*"), re.compile(r"(19|20)\d\d年?")
MONTHS = re.compile(r"\d{4}-\d\d")
MOST = 5_000                          # cells whose short forms are known, and that may be misspelt
LONGEST = 24                          # characters of a cell that are looked for in a question as they are
NUMBERED = re.compile("号$|编号|代码|编码|id$")
NAMED = re.compile("名$|名称$|姓名|名字|标题|题目")
CODED = re.compile("号$|编号|代码|编码|id$|序号|工号|学号|电话|手机|地址|ip|备注|邮箱|说明")


@dataclass(frozen=True)
class Flag:
    """A column of yes and no: what it is about, and its cells for both."""

    stem: str
    yes: object
    no: object


class Facts:
    """Facts about one table.

    Args:
        table: a tables.Table.
    """

    def __init__(self, table):
        self.table = table
        self.names = [UNIT_IN_NAME.sub("", normalise(name)).strip() for name in table.columns]
        self.units = [normalise(name)[len(short):] for name, short in zip(table.columns, self.names)]
        self.about = functools.cache(self._about)
        self.flags = {}
        self.filled = [self._filled(column) for column in range(len(self.names))]
        self.kinds = [self._kind(column) for column in range(len(self.names))]
        self.repeats = [len(table.cells(column)) < filled for column, filled in enumerate(self.filled)]
        self.people = [column for column in self.columns("text") if self._is_people(column)]
        self.key = self._key()
        self.shorts = {}
        self.places = {}                                 # cell as it is written → [(column, cell)]
        for column, kind in enumerate(self.kinds):
            if kind == "text":
                self._index(column)
        self.joined = "\n".join(self.places)
        shorts = self.shorts if len(self.places) <= MOST else {}
        named = "\n".join(self.names)
        for short, places in shorts.items():        # 四川 is 四川省, where nothing else begins so
            if short not in self.places and short not in named and self.joined.count(short) < 2:
                self.places[short] = places

    def is_kind(self, column, *kinds):
        return self.kinds[column] in kinds

    def columns(self, *kinds):
        """The columns of some kinds."""
        return [column for column, kind in enumerate(self.kinds) if kind in kinds]

    def _about(self, concept):
        """The columns that are about something, those that say it at their end first."""
        *_, parts, kinds = CONCEPTS[concept]
        if concept == "who":
            return self.people
        return self.named_like(parts, kinds, anyway=concept in ("when", "clock"))

    def named_like(self, parts, kinds, anyway=False):
        """The columns of some kinds with one of some words in their name, those that end with one first."""
        ranked = []
        for column in self.columns(*kinds):
            ends = any(self.names[column].endswith(part) for part in parts)
            whole = self.names[column] + self.units[column]
            if anyway or any(part in whole for part in parts):
                ranked.append((not ends, column))
        return [column for _, column in sorted(ranked)]

    def _filled(self, column):
        return sum(row[column] not in (None, "") for row in self.table.rows)

    def _kind(self, column):
        cells = self.table.cells(column)
        if flag := flag_of(self.names[column], cells):
            self.flags[column] = flag
            return "flag"
        if self.table.types[column] == "real":
            whole = all(float(cell).is_integer() and 1900 <= cell <= 2100 for cell in cells)
            named = re.search("年|year|日期", normalise(self.table.columns[column]))
            if cells and whole and named:
                return "year"
            numbered = NUMBERED.search(self.names[column]) and len(cells) == self.filled[column]
            return "text" if numbered and all(map(float.is_integer, cells)) else "number"
        cells = [cell for cell in cells if cell not in EMPTY_WORDS]
        for kind, pattern in (("date", DAY), ("date", MONTHS), ("time", CLOCK), ("year", YEAR)):
            if cells and all(map(pattern.fullmatch, cells)):
                return kind
        return "text"

    def _is_people(self, column):
        """Whether a column is one of people's names: by its name, or by nine of ten cells."""
        cells = [cell_text(cell) for cell in self.table.cells(column) if cell not in EMPTY_WORDS]
        alike = [cell for cell in cells if cell[0] in SURNAMES and 2 <= len(cell) <= 3 and is_han(cell[-1])]
        share, surnames = len(alike) / max(len(cells), 1), {cell[0] for cell in alike}
        many = len(surnames) > 2 and 2 * len(surnames) > len(alike)
        return (share > 0.9 and many) or (share > 0.4 and bool(PEOPLE.search(self.names[column])))

    def _key(self):
        """The column that names the rows: mostly a name that does not repeat, and rather no code."""
        best, most = 0, None
        for column in self.columns("text"):
            cells = self.table.cells(column)
            unique = len(cells) >= 0.9 * max(self.filled[column], 1) and self.filled[column] > 0
            name = self.names[column]
            rank = (unique, bool(NAMED.search(name)), not CODED.search(name), -column)
            if most is None or rank > most:
                best, most = column, rank
        return best

    def is_additive(self, column):
        """Whether a sum of a column's numbers says something: amounts, and no prices, ages or shares."""
        rate = re.search("率|价|分|龄|均|度|比|%|/|岁", self.names[column] + self.units[column])
        return self.is_kind(column, "number") and rate is None

    def is_key(self, column):
        """Whether a column names rows one by one."""
        return column == self.key or not self.repeats[column]

    def _index(self, column):
        for cell in self.table.cells(column):
            text = normalise(cell_text(cell))
            if len(text) <= LONGEST:
                self.places.setdefault(text, []).append((column, cell))
            for short in short_forms(text):
                self.shorts.setdefault(short, []).append((column, cell))
            bare = text if text.isalnum() else "".join(filter(str.isalnum, text))
            if bare != text and len(bare) > 1:           # 《围城》 or A-12 without what is no letter
                self.places.setdefault(bare, []).append((column, cell))


def short_forms(text):
    """What people call a cell for short: 四川 for 四川省, 停机 for 已停机, 运行 for 运行中."""
    if len(text) > 2 and not any(c.isdigit() for c in text):
        if text[-1] in "省市县区部路站镇乡村中店厂系院":
            yield text[:-1]
        if text[0] == "已":
            yield text[1:]
        if text[0] == "未":                              # 还没开始 is 未开始
            yield from (f"{word}{text[1:]}" for word in ("没", "没有", "还没", "还没有", "尚未", "还未"))


def flag_of(name, cells):
    """The Flag of a column of yes and no, or None."""
    if len(cells) > 2:
        return None
    written = {normalise(cell_text(cell)): cell for cell in cells}
    named = FLAG_NAME.match(name) or FLAG_TAIL.search(name)
    stem = FLAG_TAIL.sub("", FLAG_NAME.sub("", name)) or name
    for yes, no in FLAGS:
        whole = set(written) == {yes, no} or (named and set(written) <= {yes, no} and written)
        if whole and (yes != "1" or named):
            number = isinstance(next(iter(written.values())), float)
            known = [1.0, 0.0] if number else [yes, no]
            return Flag(stem, written.get(yes, known[0]), written.get(no, known[1]))
    return None


def facts_of(table):
    """The Facts of a table, found out once."""
    if "facts" not in table.__dict__:
        table.__dict__["facts"] = Facts(table)
    return table.__dict__["facts"]
