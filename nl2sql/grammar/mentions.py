"""How people write a cell of text: shorter than it is, or with a wrong character."""

import re

from nl2sql.grammar.sample_cells import IN_QUOTES
from nl2sql.grammar.sample_tables import distinct
from nl2sql.grammar.spoken_numbers import write_date, write_time, write_year
from nl2sql.grammar.texts import aliases, homophones

# shares of mentions that are shorter than the cell, have a wrong character, are in lower case
SHORTENED, SLIPPED, LOWERED = 0.20, 0.05, 0.04
SHORTER = [(re.compile(pattern), short) for pattern, short in [
    (r"《(.*)》", r"\1"), (r"(..+)[市省区县]", r"\1"), (r"(..+)市(..+)", r"\1\2"), (r"ST(..+)", r"\1"),
    (r"(?:..市?(?=.{4}(?:股份)?有限)(?!..集团))?(..+?)(?:股份|集团)?有限(?:责任)?公司", r"\1"),
    (r"(.+?)(?:股份|集团)?有限(?:责任)?公司", r"\1公司"),
    (r"(....+)[馆店站港]", r"\1"), (r"(..+)机场", r"\1"),
    (r"(..)(?:科技|电子|医药|股份|控股|集团|能源|软件|食品|传媒)", r"\1"),
    (r"(..+?)[（(].*[)）](.*)", r"\1\2"), (r"(..)市?第(.)中学", r"\1\2中"),
    (r"(..)市?第(.)人民医院", r"\1市\2院"), (r"(..)市?第(.)人民医院", r"\1\2院"),
    (r"(..+)大学附属医院", r"\1附院"), (r"(..)师范大学", r"\1师大"), (r"(..)理工大学", r"\1理工"),
    (r"(..+)出版社", r"\1"), (r"(..+)卫视", r"\1台"), (r"(..+)高速公路", r"\1高速"),
    (r"(..+)国际(..+)", r"\1\2"), (r"(..+)(?:套餐|疫苗)", r"\1"), (r"(..+)[·，：](.+)", r"\1\2"),
    (r"(..+)·.+", r"\1")]]


def write_cell(cell, column, table, rng):
    """A text cell as somebody writes it: in another way than its own only where no other cell is as like."""
    kind = column.spec.kind
    if kind == "year":
        return write_year(cell, rng)
    if kind == "date":
        return write_date(cell, column.cells, rng)
    if kind == "time":
        return write_time(cell, rng)
    mention = rewrite(cell, column.spec, rng)
    if mention != cell and is_mistakable(mention, cell, column, table):
        mention = cell
    return quote(mention, column.spec, rng)


def rewrite(cell, spec, rng):
    """The cell, most often as it is."""
    chance = rng.random()
    if spec.cells == "author" and chance < 0.9:
        return re.sub("(著|编著|主编|等)$", "", cell)
    if chance < SHORTENED:
        return shorten(cell, rng)
    if chance < SHORTENED + SLIPPED:
        return slip(cell, rng)
    if chance < SHORTENED + SLIPPED + LOWERED and re.search("[A-Z]", cell):
        return cell.lower()
    return cell


def shorten(cell, rng):
    """What people say for a cell: without 市, 有限公司, 著, as 北大."""
    forms = [match.expand(short) for pattern, short in SHORTER if (match := pattern.fullmatch(cell))]
    if cell in aliases():
        forms += [aliases()[cell]] * 4
    forms = [form for form in forms if form != cell and len(form) >= 2]
    return rng.choice(forms) if forms else cell


def slip(cell, rng):
    """One wrong, missing, doubled or misplaced character, in a name of four or more."""
    if len(cell) < 4 or not re.fullmatch("[一-龥·，：]+", cell):
        return cell
    wrong = [i for i, character in enumerate(cell) if character in homophones()]
    if wrong and rng.random() < 0.6:
        i = rng.choice(wrong)
        return cell[:i] + rng.choice(homophones()[cell[i]]) + cell[i + 1:]
    i = rng.randrange(1, len(cell) - 1)
    missing = cell[:i] + cell[i + 1:]
    doubled = cell[:i] + cell[i - 1:]
    swapped = cell[:i] + cell[i + 1] + cell[i] + cell[i + 2:]
    return rng.choice([missing, doubled, swapped])


def is_mistakable(mention, cell, column, table):
    """Whether the mention is as like another cell of the table as it is like its own."""
    others = list(column.cells)
    for other in table.columns:
        if other is not column and other.type == "text":
            others += other.cells
    least = likeness(mention, cell) - 0.1
    return any(likeness(mention, other) >= least for other in distinct(others) if other != cell)


def likeness(mention, cell):
    """Share of the mention that stands in the cell in this order, a little more for a cell as short."""
    same = common_subsequence(mention.lower(), cell.lower())
    return same / len(mention) + 0.3 * same / len(cell)


def common_subsequence(a, b):
    """The length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        previous = 0
        for j, y in enumerate(b):
            longest = max(row[j], row[j + 1])
            if x == y:
                longest = previous + 1
            previous, row[j + 1] = row[j + 1], longest
    return row[-1]


def quote(mention, spec, rng):
    """A title in 《》, or another word in “”, now and then."""
    if spec.cells in IN_QUOTES and rng.random() < 0.25 and "《" not in mention:
        return f"《{mention}》"
    if rng.random() < 0.04 and spec.kind == "text" and "《" not in mention and spec.cells[0] != "=":
        return f"“{mention}”"
    return mention
