"""A table of a schema: its columns, headers and rows, and words that mean one of its columns and no other."""

import re
from dataclasses import dataclass, field

from nl2sql.grammar.sample_cells import make_cells
from nl2sql.grammar.spoken_numbers import SCALES, chinese_digits
from nl2sql.grammar.texts import Schema, Spec

PAIRS = ["高低", "大小", "多少", "长短", "贵便宜", "远近", "深浅", "重轻", "快慢", "早晚"]
OPPOSITES = {pair[0]: pair[1:] for pair in PAIRS}
COMPARED = {adjective: adjective + "于" for adjective in "高低大小多少远近深浅"}
COMPARED |= {"贵": "高于", "便宜": "低于"}
HEADERS = ["（{}）", "({})", "（{}）", "/{}", "（单位：{}）"]
VAGUE = ["%", "‰", "倍", "名", "个", "级", "次"]       # 超过5% of what?


@dataclass
class Column:
    """A column of one table: its header, cells, and the words that mean no other column of this table."""

    spec: Spec
    number: int
    name: str                 # the header without its unit
    header: str
    unit: str
    type: str
    cells: list
    nouns: list = field(default_factory=list)
    asks: list = field(default_factory=list)
    sayings: list = field(default_factory=list)
    # no other column has such cells: a value, or a number with its unit, tells the column
    alone: bool = False

    @property
    def is_moment(self):
        """Whether the cells are days or times of day."""
        return self.spec.kind in ("date", "time")

    def slots(self):
        """What wordings say of the column: 大 and 小, 大于 and 小于, 高 and 低."""
        a, o = self.spec.adjective, OPPOSITES[self.spec.adjective]
        slots = {"a": a, "o": o, "gt": COMPARED.get(a, "大于"), "lt": COMPARED.get(o, "小于"), "h": a, "l": o}
        if a == "贵":
            slots |= {"h": "高", "l": "低"}
        return slots

    def noun(self, rng):
        """The column's name as somebody says it."""
        name = rng.choice(self.nouns[:1] * 2 + self.nouns)
        if (year := re.search(r"20(\d\d)年", name)) and rng.random() < 0.5:
            name = name.replace(year[0], rng.choice([year[1], chinese_digits(year[1])]) + "年")
        return name


@dataclass
class SampleTable:
    """A table of the corpus, with what its grammar knows of it."""

    id: str
    schema: Schema
    columns: list
    size: int

    @property
    def key(self):
        """The column of the rows' names."""
        return next(column for column in self.columns if column.spec.key)

    @property
    def times(self):
        """The columns that are said as adverbs: one at most."""
        return [column for column in self.columns if column.spec.adverb]

    def record(self):
        """The table as TableQA has it."""
        header = [column.header for column in self.columns]
        types = [column.type for column in self.columns]
        cells = [column.cells for column in self.columns]
        return {"id": self.id, "name": f"Table_{self.id}", "title": self.schema.title,
                "header": header, "types": types, "rows": list(map(list, zip(*cells)))}


def make_table(schema, rng):
    """A table of 8 to 24 rows with at least the name and three more columns."""
    specs = draw_specs(schema, rng)
    size = rng.randint(8, 24)
    columns = [make_column(spec, i, size, rng) for i, spec in enumerate(specs)]
    table = SampleTable("", schema, columns, size)
    if schema.cross:
        pair_names_with_times(table, rng)
    else:                                                       # as many rows as names
        table.key.cells = distinct(table.key.cells)
        table.size = len(table.key.cells)
    for column in columns:
        column.cells = column.cells[:table.size]
    table.id = f"{rng.getrandbits(128):032x}"
    for column in columns:
        keep_clear_words(column, [other for other in columns if other is not column])
    return table


def draw_specs(schema, rng):
    """The schema's columns, up to three of them left out, in the schema's order or in another."""
    specs = list(schema.specs)
    optional = [spec for spec in specs if not spec.key and not spec.adverb]
    for spec in rng.sample(optional, rng.randint(0, max(0, min(3, len(specs) - 4)))):
        specs.remove(spec)
    if rng.random() < 0.5:
        rng.shuffle(specs)
    return specs


def make_column(spec, number, size, rng):
    """A Column with a header and cells."""
    name, header = make_header(spec, rng)
    kind, cells = make_cells(spec, size, rng)
    return Column(spec, number, name, header, spec.unit, kind, cells)


def make_header(spec, rng):
    """(name, header with or without the unit). A unit in 万 or 亿 always stands there."""
    name = rng.choice(spec.names[:1] + spec.names)
    if spec.unit and (spec.unit[0] in SCALES or rng.random() < 0.6):
        return name, name + rng.choice(HEADERS).format(spec.unit)
    return name, name


def pair_names_with_times(table, rng):
    """Each row is another pair of one of five names and one of the times."""
    names, times = table.key, table.times[0]
    pairs = [(name, time) for name in distinct(names.cells)[:5] for time in distinct(times.cells)]
    table.size = min(table.size, len(pairs))
    pairs = [pairs[i] for i in sorted(rng.sample(range(len(pairs)), table.size))]
    names.cells, times.cells = map(list, zip(*pairs))


def distinct(cells):
    return list(dict.fromkeys(cells))


# ------------------------------------------------------------------------------------------ words of a column

def keep_clear_words(column, others):
    """Names, questions and verbs that could as well mean another column of this table are not used."""
    spec = column.spec
    nouns = [noun for noun in spec.names + spec.nouns if is_clear(noun, column, others)]
    column.nouns = distinct([column.name] + nouns)
    asks = [ask for other in others for ask in other.spec.asks]
    column.asks = [ask for ask in spec.asks if not is_part_of_any(ask, asks)]
    sayings = [saying for other in others for saying in other.spec.sayings]
    if spec.kind == "number":
        cores = [core(saying) for saying in sayings]
        column.sayings = [saying for saying in spec.sayings if core(saying) not in cores]
        column.alone = has_unit_alone(column, others)
    else:
        column.alone = not any(is_like(column, other) for other in others)
        column.sayings = [saying for saying in spec.sayings if is_free(saying, sayings, column.alone)]


def is_clear(noun, column, others):
    """Whether a noun is no name of another column, and not as like one as it is like this column's."""
    for other in others:
        if noun in other.name or noun in other.spec.names + other.spec.nouns:
            return False
        if 0 < shared(noun, other.name) >= shared(noun, column.name):
            return False
    return True


def is_part_of_any(word, others):
    """Whether a word is a part of one of the others, or one of the others is a part of the word."""
    return any(word in other or other in word for other in others)


def has_unit_alone(column, others):
    """Whether a number with its unit tells the column."""
    units = [base_unit(other.unit) for other in others if other.spec.kind == "number"]
    return bool(column.unit) and base_unit(column.unit) not in units and column.unit not in VAGUE


def is_like(column, other):
    """Whether two columns have a cell, or the kind of cells, in common."""
    return bool(set(column.cells) & set(other.cells)) or kind_of_cells(other) == kind_of_cells(column)


def is_free(saying, taken, alone):
    """Whether a saying is none of the other columns'; one without a verb needs cells of its own."""
    if saying.strip("~+!"):
        return saying not in taken
    return alone


def kind_of_cells(column):
    """Two columns with people or two with places are told apart by their names alone."""
    if column.spec.kind != "text":
        return column.spec.kind
    return "codes" if "##" in column.spec.cells else column.spec.cells


def core(saying):
    """What tells two sayings apart: the first two characters."""
    return saying.strip("*了每")[:2]


def base_unit(unit):
    """A unit without its scale and what it is counted for: 万元/年 is 元."""
    return unit.lstrip("万亿").split("/")[0].replace("人次", "人") or unit


def shared(a, b):
    """How many characters two words have in common."""
    return sum(min(a.count(character), b.count(character)) for character in dict.fromkeys(a))
