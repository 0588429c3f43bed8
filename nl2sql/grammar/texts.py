"""The texts of the built-in corpus, in samples/: words of cells, wordings of questions, schemas of tables."""

import functools
import pathlib
import re
from dataclasses import dataclass

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "samples"


# ----------------------------------------------------------------------------------------- words and wordings

@functools.cache
def read_rules(name):
    """(wordings by name, marks by name) of a text.

    Its lines are `name mark = words`, and the mark is who, where or text; without one it is text.
    """
    rules, marks = {}, {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            names, _, words = line.partition(" = ")
            key, *mark = names.split()
            rules[key] = ["" if word == "_" else word for word in words.split(" ")]
            marks[key] = mark[0] if mark else "text"
    return rules, marks


def words():
    """Words of cells, by name."""
    return read_rules("words.txt")[0]


def phrases():
    """Wordings of questions and of their parts, by name."""
    return read_rules("phrases.txt")[0]


@functools.cache
def aliases():
    """What people say for a cell: 北大 for 北京大学."""
    return dict(pair.split("=") for pair in words()["alias"])


@functools.cache
def homophones():
    """The other characters that sound like a character."""
    found = {}
    for group in words()["homophone"]:
        for character in group:
            found[character] = [other for other in group if other != character]
    return found


def expand(text, rules, rng):
    """Replaces <name> by one of its wordings until none is left."""
    while (found := re.search("<([a-z_0-9]+)>", text)):
        text = text[:found.start()] + rng.choice(rules[found[1]]) + text[found.end():]
    return text


def say(name, rng, **slots):
    """A wording of that name, or of that text, its {slots} filled in."""
    text = rng.choice(phrases()[name]) if name in phrases() else name
    text = expand(text, phrases(), rng)
    return re.sub(r"\{(\w+)\}", lambda slot: slots[slot[1]], text)


def draw_cell(text, rng):
    """A cell: <name> as above, and digits for #, of which the first of a number is not zero."""
    text = expand(text, words(), rng)
    text = re.sub(r"(?<![\d#])#", lambda _: rng.choice("123456789"), text)
    return re.sub("#", lambda _: rng.choice("0123456789"), text)


# ---------------------------------------------------------------------------------------------------- schemas

@dataclass
class Spec:
    """A column of a schema: one line of schemas.txt."""

    names: list              # headers, without units
    unit: str
    kind: str                # number, year, date, time, who, where or text
    cells: str
    key: bool
    nouns: list              # other names
    asks: list               # 卖了多少钱
    sayings: list            # 导演~, 卖了*
    adjective: str = "大"
    summable: bool = False

    @property
    def adverb(self):
        """Whether the column is a time, said as an adverb: 2018年营收超过5亿."""
        return "~!" in self.sayings


@dataclass
class Schema:
    split: str
    field: str
    title: str
    measure: str
    rows: list               # what a row is called
    cross: bool              # each name occurs once with each time
    specs: list


def read_spec(line):
    """The Spec of a line `names [unit] | cells | nouns | asks | sayings`."""
    parts = [part.strip() for part in line.split(" |")] + [""] * 4
    names, unit = re.fullmatch(r"(.*?)(?: \[(.*)\])?", parts[0]).groups()
    cells, key = parts[1].removesuffix("*"), parts[1].endswith("*")
    spec = Spec(names.split("/"), unit or "", "text", cells, key, *map(alternatives, parts[2:5]))
    kind, *rest = cells.split()
    if kind in ("year", "date", "time"):
        spec.kind, spec.cells = cells.split()
    elif ".." in cells:
        spec.kind, spec.cells = "number", kind
        spec.summable = "+" in rest
        spec.adjective = next((mark for mark in rest if mark != "+"), "大")
    elif not cells.startswith("="):
        spec.kind = read_rules("words.txt")[1][cells]
    return spec


def alternatives(part):
    return [word for word in part.split("/") if word]


def read_schemas():
    """The Schemas of all splits."""
    schemas = []
    for line in (FOLDER / "schemas.txt").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"# (train|val|test) (\w+) (.*)", line):
            title, measure, rows, *flags = (part.strip() for part in match[3].split("|"))
            split = "valid" if match[1] == "val" else match[1]
            schemas.append(Schema(split, match[2], title, measure, rows.split("/"), "cross" in flags, []))
        elif line and not line.startswith("#"):
            schemas[-1].specs.append(read_spec(line))
    return schemas
