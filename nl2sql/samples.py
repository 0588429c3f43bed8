"""A corpus of questions to tables, written for this repository, in the format of TableQA.

    python nl2sql/samples.py --out DIR       writes train.json, train.tables.json, val..., test... there

Nobody's data is in here: 126 schemas of ten fields (samples/schemas.txt), words for their cells (samples/words.txt) and
a grammar of wordings (samples/phrases.txt) make tables, questions and the SQL that answers them. One question comes about
in four steps, which are the four parts of this file below the reading of those texts:

    tables       a schema's columns in some order, some left out, headers in one of their wordings, and rows; words
                 that two of its columns could mean are not used, so that a question has one answer
    values       how a value is written: 18年, 三千五, 2亿, 5个点, 北大, a slip of the pen. What is as like another cell
                 is not used; a bound lies between two cells where it can: then 超过 and 不低于 agree, as in TableQA
    conditions   true of a row drawn first, so that few questions have an empty answer
    questions    who asks for what, of which rows, in which words, and what else he says around it

The schemas of validation and test are not those of training. Everything follows from the seed: no set is iterated over.
"""

import argparse
import json
import math
import pathlib
import random
import re
from dataclasses import dataclass, field

FOLDER = pathlib.Path(__file__).resolve().parent / "samples"
SIZES = {"train": 28_000, "valid": 1_500, "test": 2_000}       # questions
TABLES = {"train": 12, "valid": 8, "test": 8}                   # of one schema
FILES = {"train": "train", "valid": "val", "test": "test"}
NONE, AVG, MAX, MIN, COUNT, SUM = range(6)
GT, LT, EQ, NE = range(4)
AND, OR = 1, 2
SHORTENED, SLIPPED = 0.20, 0.05    # shares of mentions that are shorter than the cell, and that have a wrong character
ASKED = 0.35                       # share of questions for a value with a verb of its own (卖了多少钱), not by its name
OMITTED = 0.45                     # share of conditions on a cell that do not name the column, where the cell or verb does
CHAT = 0.12                        # share of questions with something irrelevant in front


# ---------------------------------------------------------------------------------------------------- the three texts

def read_rules(name):
    """Wordings by name, the marks `who` and `where` by name."""
    rules, marks = {}, {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            names, _, words = line.partition(" = ")
            key, *mark = names.split()
            rules[key] = ["" if word == "_" else word for word in words.split(" ")]
            marks[key] = mark[0] if mark else "text"
    return rules, marks


WORDS, MARKS = read_rules("words.txt")
PHRASES, _ = read_rules("phrases.txt")
ALIASES = dict(pair.split("=") for pair in WORDS["alias"])
HOMOPHONES = {a: [b for b in group if b != a] for group in WORDS["homophone"] for a in group}


def expand(text, rules, rng):
    """Replaces <name> by one of its wordings until none is left."""
    while (found := re.search("<([a-z_0-9]+)>", text)):
        text = text[:found.start()] + rng.choice(rules[found[1]]) + text[found.end():]
    return text


def say(name, rng, **slots):
    """A wording of that name, or of that text, its {slots} filled in."""
    text = expand(rng.choice(PHRASES[name]) if name in PHRASES else name, PHRASES, rng)
    return re.sub(r"\{(\w+)\}", lambda slot: slots[slot[1]], text)


def word(name, rng):
    """A cell: <name> as above, and digits for #, of which the first of a number is not zero."""
    text = expand(name, WORDS, rng)
    text = re.sub(r"(?<![\d#])#", lambda _: rng.choice("123456789"), text)
    return re.sub("#", lambda _: rng.choice("0123456789"), text)


@dataclass
class Spec:
    """One line of schemas.txt."""

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


@dataclass
class Schema:
    split: str
    field: str
    title: str
    measure: str
    rows: list               # what a row is called
    cross: bool
    specs: list


def read_spec(line):
    parts = [part.strip() for part in line.split(" |")] + [""] * 4
    names, unit = re.fullmatch(r"(.*?)(?: \[(.*)\])?", parts[0]).groups()
    cells, key = parts[1].removesuffix("*"), parts[1].endswith("*")
    nouns, asks, sayings = ([p for p in part.split("/") if p] for part in parts[2:5])
    spec = Spec(names.split("/"), unit or "", "text", cells, key, nouns, asks, sayings)
    if cells.split()[0] in ("year", "date", "time"):
        spec.kind, spec.cells = cells.split()
    elif ".." in cells:
        spec.kind, (spec.cells, *rest) = "number", cells.split()
        spec.summable = "+" in rest
        spec.adjective = next((mark for mark in rest if mark != "+"), "大")
    elif not cells.startswith("="):
        spec.kind = MARKS[cells]
    return spec


def read_schemas():
    schemas = []
    for line in (FOLDER / "schemas.txt").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"# (train|val|test) (\w+) (.*)", line):
            title, measure, rows, *flags = (part.strip() for part in match[3].split("|"))
            split = "valid" if match[1] == "val" else match[1]
            schemas.append(Schema(split, match[2], title, measure, rows.split("/"), "cross" in flags, []))
        elif line and not line.startswith("#"):
            schemas[-1].specs.append(read_spec(line))
    return schemas


# ------------------------------------------------------------------------------------------------------------- tables

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
    alone: bool = False       # no other column has such cells: a value alone, or a number with its unit, tells the column

    @property
    def opposite(self):
        return OPPOSITES[self.spec.adjective]

    def slots(self):
        a, o = self.spec.adjective, self.opposite
        return {"a": a, "o": o, "gt": COMPARED.get(a, "大于"), "lt": COMPARED.get(o, "小于"),
                "h": "高" if a == "贵" else a, "l": "低" if a == "贵" else o}

    def noun(self, rng):
        """The column's name as somebody says it."""
        name = rng.choice(self.nouns[:1] * 2 + self.nouns)
        if (year := re.search(r"20(\d\d)年", name)) and rng.random() < 0.5:
            name = name.replace(year[0], rng.choice([year[1], chinese_digits(year[1])]) + "年")
        return name


@dataclass
class Table:
    id: str
    schema: Schema
    columns: list
    size: int

    @property
    def key(self):
        return next(column for column in self.columns if column.spec.key)

    def record(self):
        """The table as TableQA has it."""
        return {"id": self.id, "name": f"Table_{self.id}", "title": self.schema.title,
                "header": [column.header for column in self.columns], "types": [column.type for column in self.columns],
                "rows": [list(row) for row in zip(*(column.cells for column in self.columns))]}


PAIRS = ["高低", "大小", "多少", "长短", "贵便宜", "远近", "深浅", "重轻", "快慢", "早晚"]
OPPOSITES = {pair[0]: pair[1:] for pair in PAIRS}
COMPARED = {adjective: adjective + "于" for adjective in "高低大小多少远近深浅"} | {"贵": "高于", "便宜": "低于"}
IN_QUOTES = {"film", "book", "docu", "play", "cartoon", "webnovel", "audiobook", "show"}
SCALES = {"万": 10**4, "亿": 10**8}


def make_table(schema, rng):
    """A table of 8 to 24 rows with at least the name and three more columns, in the schema's order or in another."""
    specs = list(schema.specs)
    optional = [spec for spec in specs if not spec.key and not adverb(spec)]
    for spec in rng.sample(optional, rng.randint(0, max(0, min(3, len(specs) - 4)))):
        specs.remove(spec)
    if rng.random() < 0.5:
        rng.shuffle(specs)
    size = rng.randint(8, 24)
    columns = [Column(spec, i, *make_header(spec, rng), *make_cells(spec, size, rng)) for i, spec in enumerate(specs)]
    names = next(column for column in columns if column.spec.key)
    if schema.cross:                                            # each name once with each time
        times = next(column for column in columns if adverb(column.spec))
        pairs = [(a, b) for a in distinct(names.cells)[:5] for b in distinct(times.cells)]
        size = min(size, len(pairs))
        pairs = [pairs[i] for i in sorted(rng.sample(range(len(pairs)), size))]
        names.cells, times.cells = map(list, zip(*pairs))
    else:                                                       # as many rows as names
        names.cells = distinct(names.cells)
        size = len(names.cells)
    for column in columns:
        column.cells = column.cells[:size]
    table = Table(f"{rng.getrandbits(128):032x}", schema, columns, size)
    for column in columns:
        keep_clear_words(column, columns)
    return table


def adverb(spec):
    return "~!" in spec.sayings


def distinct(cells):
    return list(dict.fromkeys(cells))


def make_header(spec, rng):
    """Name, header with or without the unit, unit. One in 万 or 亿 always stands there: the numbers need it."""
    name = rng.choice(spec.names[:1] + spec.names)
    if spec.unit and (spec.unit[0] in SCALES or rng.random() < 0.6):
        return name, name + rng.choice(["（{}）", "({})", "（{}）", "/{}", "（单位：{}）"]).format(spec.unit), spec.unit
    return name, name, spec.unit


def make_cells(spec, size, rng):
    """The column's type and cells; names of rows differ, other words repeat."""
    if spec.kind == "number":
        low, high = spec.cells.split("..")
        decimals, low, high = len(low.partition(".")[2]), float(low), float(high)
        wide = low > 0 and high / low > 20                      # spread over powers of ten, as money and people are
        draw = (lambda: math.exp(rng.uniform(math.log(low), math.log(high)))) if wide else (lambda: rng.uniform(low, high))
        cells = [round(draw(), decimals) for _ in range(size)]
        if wide and not decimals and high >= 10_000:
            cells = [round(x, -int(math.log10(x)) + 3) for x in cells]
        return "real", [x if decimals else int(x) for x in cells]
    if spec.kind == "year":
        low, high = map(int, spec.cells.split(".."))
        years = rng.sample(range(low, high + 1), min(rng.randint(4, 9), high + 1 - low))
        if adverb(spec):
            years = sorted(years[:4])
        style = rng.choice(["real", "real", "{}", "{}年"])
        cells = [years[i % len(years)] if adverb(spec) else rng.choice(years) for i in range(size)]
        return ("real", cells) if style == "real" else ("text", [style.format(year) for year in cells])
    if spec.kind == "date":
        low, high = map(int, spec.cells.split(".."))
        style = rng.choice(["{}-{:02}-{:02}", "{}-{:02}-{:02}", "{}/{}/{}", "{}年{}月{}日", "{}.{}.{}"])
        days = [(rng.randint(low, high), rng.randint(1, 12), rng.randint(1, 28)) for _ in range(size)]
        return "text", [style.format(*day) for day in days]
    if spec.kind == "time":
        low, high = map(int, spec.cells.split(".."))
        minutes = [0, 5, 10, 15, 20, 30, 30, 40, 45, 55]
        return "text", [f"{rng.randint(low, high):02}:{rng.choice(minutes):02}" for _ in range(size)]
    choices = spec.cells[1:].split(" ") if spec.cells.startswith("=") else [f"<{spec.cells}>"]
    listed = all(not re.search("[<#]", choice) for choice in choices)
    if adverb(spec):
        return "text", [choices[i % len(choices)] for i in range(size)]
    codes = all("##" in choice for choice in choices)
    wanted = size if spec.key or codes else rng.randint(max(3, size // 3), max(4, size * 2 // 3))
    pool = []
    for _ in range(20 * wanted):
        if len(pool) == (min(wanted, len(choices)) if listed else wanted):
            break
        cell = word(rng.choice(choices), rng)
        if cell not in pool and not re.match(r"(.)\1高速", cell):         # no 京京高速
            pool.append(cell)
    if spec.key or codes:
        cells = [pool[i % len(pool)] for i in range(size)]
    else:
        cells = [rng.choice(pool) for _ in range(size)]
    if spec.cells in IN_QUOTES and rng.random() < 0.2:
        cells = [f"《{cell}》" for cell in cells]
    return "text", cells


def keep_clear_words(column, columns):
    """Names, questions and verbs that could as well mean another column of this table are not used."""
    spec, others = column.spec, [other for other in columns if other is not column]

    def clear(noun):
        for other in others:
            if noun in other.name or noun in other.spec.names + other.spec.nouns or (
                    0 < shared(noun, other.name) >= shared(noun, column.name)):
                return False
        return True

    column.nouns = distinct([column.name] + [noun for noun in spec.names + spec.nouns if clear(noun)])
    taken = [ask for other in others for ask in other.spec.asks]
    column.asks = [ask for ask in spec.asks if not any(ask in other or other in ask for other in taken)]
    taken = [saying for other in others for saying in other.spec.sayings]
    if spec.kind == "number":
        taken = [core(saying) for saying in taken]
        column.sayings = [s for s in spec.sayings if core(s) not in taken]
        units = [base_unit(other.unit) for other in others if other.spec.kind == "number"]
        column.alone = bool(column.unit) and base_unit(column.unit) not in units and column.unit not in VAGUE
    else:
        column.alone = not any(set(column.cells) & set(other.cells) or kind_of_cells(other) == kind_of_cells(column)
                               for other in others)
        column.sayings = [s for s in spec.sayings if (s not in taken if s.strip("~+!") else column.alone)]


VAGUE = ["%", "‰", "倍", "名", "个", "级", "次"]       # 超过5% of what?


def kind_of_cells(column):
    """Two columns with people or two with places are told apart by their names alone."""
    spec = column.spec
    return spec.kind if spec.kind != "text" else "codes" if "##" in spec.cells else spec.cells


def core(saying):
    return saying.strip("*了每")[:2]


def base_unit(unit):
    return unit.lstrip("万亿").split("/")[0].replace("人次", "人") or unit


def shared(a, b):
    """How many characters two words have in common."""
    return sum(min(a.count(character), b.count(character)) for character in dict.fromkeys(a))


# ------------------------------------------------------------------------------------------------------------- values

DIGITS = "零一二三四五六七八九"
UNIT_WORDS = {
    "元": ["元", "元", "块", "块钱"], "人": ["人", "个人", "人"], "人次": ["人次", "人"], "%": ["%", "%", "%", "个点"],
    "℃": ["度", "℃", "摄氏度"], "公里": ["公里", "公里", "千米"], "平方米": ["平方米", "平米", "平", "平方"], "名": [""],
    "厘米": ["厘米", "公分", "cm"], "月": ["个月"], "小时": ["小时", "个小时"], "公斤": ["公斤", "千克"], "月龄": ["个月"],
    "分钟": ["分钟", "分钟", "min"], "美元": ["美元", "美金"], "米": ["米", "m"], "学时": ["学时", "个学时"],
    "GB": ["GB", "G"], "毫升": ["毫升", "ml"], "微克": ["微克", ""], "千瓦": ["千瓦", "kW"], "英寸": ["英寸", "寸"]}


def plain(number):
    """A number as TableQA writes one: no exponent, no zeros behind."""
    return str(number) if isinstance(number, int) else f"{number:.6f}".rstrip("0").rstrip(".")


def chinese_digits(digits):
    return "".join(DIGITS[int(digit)] for digit in digits)


def chinese(number, inside=False):
    """三千五百, as it is said, for one or two digits and zeros behind, or digits behind a point; else None."""
    if not isinstance(number, int):
        whole, _, rest = plain(number).partition(".")
        return chinese(int(whole)) + "点" + chinese_digits(rest) if rest and 0 <= number < 100 else None
    if number < 0 or len(str(number).rstrip("0")) > 2:
        return None
    if number < 10:
        return DIGITS[number]
    for size, name in [(10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")]:
        if number >= size:
            head, rest = divmod(number, size)
            first = "两" if head == 2 and size > 10 else "" if head == 1 and size == 10 and not inside else chinese(head)
            zero = "零" if 0 < rest < size // 10 else ""
            return first + name + (zero + chinese(rest, inside=True) if rest else "")


def write_number(value, unit, rng, with_unit=False):
    """A number of a column in some way of writing: 350000000 元 as 3.5亿, 三亿五, 350000000元; 0.5 亿元 as 5000万."""
    scale_name = unit[:1] if unit[:1] in SCALES else ""
    scale, base = SCALES.get(scale_name, 1), unit.removeprefix(scale_name).split("/")[0]
    name = rng.choice(UNIT_WORDS.get(base, [base]))
    big = {"块钱": "", "个人": "人"}.get(name, name)                # 5亿块钱, 5万个人: nobody says so
    full = round(value * scale, 4)
    full = int(full) if full == int(full) else full
    forms = [plain(value) + scale_name + (big if scale_name else name)] * 5
    if not with_unit:
        forms += [plain(value)] * 2
        if scale_name:
            forms += [plain(value) + scale_name] * 3
    if unit == "%" and value > 0:
        forms += ["百分之" + (chinese(value) or plain(value)), "百分之" + plain(value)]
        if value in (10, 20, 30, 40, 50, 60, 70, 80, 90):
            forms += [DIGITS[int(value) // 10] + "成"]
    for other, size in SCALES.items():                          # 30000元 as 3万, 20000万 as 2亿, 0.5亿 as 5000万
        number = full / size
        if other != scale_name and 1 <= abs(number) < 10_000 and len(plain(number).replace(".", "").strip("-0")) <= 3:
            number = int(number) if number == int(number) else number
            forms += [plain(number) + other + tail for tail in (big, "", "")] * (2 if scale == 1 else 1)
            if isinstance(full, int) and chinese(full):
                forms += [chinese(full) + rng.choice([big, ""])]
    if unit != "%" and (spoken := chinese(value)) and name not in ("", "cm", "m", "G", "ml", "kW", "min", "℃"):
        spoken = "两" if value == 2 and name != "度" else spoken
        forms += [spoken + scale_name + (big if scale_name else name)] * 2
        short = re.fullmatch(r"(.{1,3}[百千万])([一二两三四五六七八九])[十百千]", spoken)          # 一千五百 as 一千五
        if short and base == "元" and not scale_name:
            forms += [short[1] + short[2].replace("两", "二")] * 2
    if isinstance(value, int) and value >= 1000 and not scale_name:
        forms += [f"{value:,}" + name]
    return rng.choice(forms)


def write_year(year, rng):
    year = str(year)[:4]
    forms = [year + "年"] * 4 + [year, year, chinese_digits(year) + "年", chinese_digits(year).replace("零", "〇") + "年"]
    return rng.choice(forms + [year[2:] + "年"] * 3 + [chinese_digits(year[2:]) + "年"])


def write_date(cell, cells, rng):
    year, month, day = (int(part) for part in re.findall(r"\d+", cell))
    forms = [cell, cell, f"{year}年{month}月{day}日", f"{year}年{month}月{day}号", f"{year % 100:02}年{month}月{day}号",
             f"{year}.{month}.{day}", f"{year}-{month}-{day}"]
    if sum(re.findall(r"\d+", other)[1:] == re.findall(r"\d+", cell)[1:] for other in distinct(cells)) == 1:
        forms += [f"{month}月{day}号", f"{month}月{day}日"]
    return rng.choice(forms)


def write_time(cell, rng):
    hour, minute = map(int, cell.split(":"))
    said = {0: "", 15: "一刻", 30: "半"}.get(minute, f"{minute:02}分")
    return rng.choice([cell, cell, f"{hour}:{minute:02}", f"{hour}点{said}", f"{chinese(hour)}点{said}"])


SHORTER = [(re.compile(pattern), short) for pattern, short in [
    (r"《(.*)》", r"\1"), (r"(..+)[市省区县]", r"\1"), (r"(..+)市(..+)", r"\1\2"), (r"ST(..+)", r"\1"),
    (r"(?:..市?(?=.{4}(?:股份)?有限)(?!..集团))?(..+?)(?:股份|集团)?有限(?:责任)?公司", r"\1"),
    (r"(.+?)(?:股份|集团)?有限(?:责任)?公司", r"\1公司"), (r"(....+)[馆店站港]", r"\1"), (r"(..+)机场", r"\1"),
    (r"(..)(?:科技|电子|医药|股份|控股|集团|能源|软件|食品|传媒)", r"\1"), (r"(..+?)[（(].*[)）](.*)", r"\1\2"),
    (r"(..)市?第(.)中学", r"\1\2中"), (r"(..)市?第(.)人民医院", r"\1市\2院"), (r"(..)市?第(.)人民医院", r"\1\2院"),
    (r"(..+)大学附属医院", r"\1附院"), (r"(..)师范大学", r"\1师大"), (r"(..)理工大学", r"\1理工"), (r"(..+)出版社", r"\1"),
    (r"(..+)卫视", r"\1台"), (r"(..+)高速公路", r"\1高速"),
    (r"(..+)国际(..+)", r"\1\2"), (r"(..+)(?:套餐|疫苗)", r"\1"), (r"(..+)[·，：](.+)", r"\1\2"), (r"(..+)·.+", r"\1")]]


def shorten(cell, rng):
    """What people say for a cell: without 市, 有限公司, 著, as 北大."""
    forms = [match.expand(short) for pattern, short in SHORTER if (match := pattern.fullmatch(cell))]
    forms += [ALIASES[cell]] * 4 if cell in ALIASES else []
    forms = [form for form in forms if form != cell and len(form) >= 2]
    return rng.choice(forms) if forms else cell


def slip(cell, rng):
    """One wrong, missing, doubled or misplaced character, in a name of four or more."""
    if len(cell) < 4 or not re.fullmatch("[一-龥·，：]+", cell):
        return cell
    wrong = [i for i, character in enumerate(cell) if character in HOMOPHONES]
    if wrong and rng.random() < 0.6:
        i = rng.choice(wrong)
        return cell[:i] + rng.choice(HOMOPHONES[cell[i]]) + cell[i + 1:]
    i = rng.randrange(1, len(cell) - 1)
    return rng.choice([cell[:i] + cell[i + 1:], cell[:i] + cell[i - 1:], cell[:i] + cell[i + 1] + cell[i] + cell[i + 2:]])


def common_subsequence(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        previous = 0
        for j, y in enumerate(b):
            previous, row[j + 1] = row[j + 1], previous + 1 if x == y else max(row[j], row[j + 1])
    return row[-1]


def likeness(mention, cell):
    """Share of the mention that stands in the cell in this order, and a little for a cell of the same length."""
    same = common_subsequence(mention.lower(), cell.lower())
    return same / len(mention) + 0.3 * same / len(cell)


def write_cell(cell, column, table, rng):
    """A text cell as somebody writes it; another way than the cell's own only where no other cell is as like it."""
    kind = column.spec.kind
    if kind == "year":
        return write_year(cell, rng)
    if kind == "date":
        return write_date(cell, column.cells, rng)
    if kind == "time":
        return write_time(cell, rng)
    mention, chance = cell, rng.random()
    if column.spec.cells == "author" and chance < 0.9:
        mention = re.sub("(著|编著|主编|等)$", "", cell)
    elif chance < SHORTENED:
        mention = shorten(cell, rng)
    elif chance < SHORTENED + SLIPPED:
        mention = slip(cell, rng)
    elif chance < SHORTENED + SLIPPED + 0.04 and re.search("[A-Z]", cell):
        mention = cell.lower()
    if mention != cell:
        others = [other for other in distinct(column.cells) if other != cell]
        others += [other for c in table.columns if c is not column and c.type == "text" for other in distinct(c.cells)]
        if any(likeness(mention, other) >= likeness(mention, cell) - 0.1 for other in others if other != cell):
            mention = cell
    if column.spec.cells in IN_QUOTES and rng.random() < 0.25 and "《" not in mention:
        return f"《{mention}》"
    if rng.random() < 0.04 and kind == "text" and "《" not in mention and column.spec.cells[0] != "=":
        return f"“{mention}”"
    return mention


def between(low, high, decimals, rng):
    """The roundest number strictly between two, or None where there is none with so many decimals."""
    unit = 10**decimals
    a, b = round(low * unit), round(high * unit)
    for exponent in range(12, -1, -1):
        for step in (5 * 10**exponent, 10**exponent):
            first = a // step * step + step
            if first < b:
                number = rng.randrange(first, b, step) / unit
                return int(number) if number == int(number) else number
    return None


def bound(cells, cell, op, year, rng):
    """A bound that `cell` satisfies, and whether it lies clear of all cells, so that 超过 and 不低于 agree."""
    values = sorted(set(cells))
    i = values.index(cell)
    if year:                                                    # 2015年以后: the bound may be a cell
        return (rng.randint(values[i - 1], cell - 1) if i else cell - rng.randint(1, 3)) if op == GT else (
            rng.randint(cell + 1, values[i + 1]) if cell < values[-1] else cell + rng.randint(1, 3)), False
    decimals = max(len(plain(value).partition(".")[2]) for value in values)
    if op == GT:
        i = rng.randint(0, values.index(cell))
        high, low = values[i], values[i - 1] if i else values[i] - max(abs(values[i]) * 0.3, 2)
    else:
        i = rng.randint(values.index(cell), len(values) - 1)
        low, high = values[i], values[i + 1] if i + 1 < len(values) else values[i] + max(abs(values[i]) * 0.3, 2)
    if min(values) >= 0:
        low = max(low, 0)
    number = between(low, high, decimals, rng)
    return (low if op == GT else high, False) if number is None else (number, True)


# --------------------------------------------------------------------------------------------------------- conditions

@dataclass
class Condition:
    """column op value, and the ways to say it: as a predicate (票房超过5亿) and before a noun (票房超过5亿的, 喜剧)."""

    column: Column
    op: int
    value: object
    clause: str = ""
    before: str = ""
    said: str = ""            # the value, where it may stand alone as an adverb

    def holds(self, row):
        cell = self.column.cells[row]
        return [lambda: cell > self.value, lambda: cell < self.value,
                lambda: cell == self.value, lambda: cell != self.value][self.op]()

    def record(self):
        return [self.column.number, self.op, self.value if isinstance(self.value, str) else plain(self.value)]


def compare(column, op, row, table, rng, bare=0.12):
    """column > something that is true of this row; a share `bare` leaves it to the unit to tell the column."""
    if op in (EQ, NE):
        value, clear = column.cells[row if op == EQ else rng.randrange(table.size)], True
    else:
        value, clear = bound(column.cells, column.cells[row], op, column.spec.kind == "year", rng)
    condition = Condition(column, op, value)
    year = column.spec.kind == "year"
    verbs = [saying for saying in column.sayings if saying.strip("~!")]
    named = not (rng.random() < OMITTED and verbs and op != NE and value >= 0)
    name = ("gt", "lt", "eq", "ne")[op] + ("_year" if year and op < EQ else "_loose" if clear and op < EQ else "")
    if year:
        mention = condition.said = write_year(value, rng)
        if named:
            condition.clause = column.noun(rng) + say(name, rng, v=mention)
        else:
            said = say("when_gt" if op == GT else "when_lt", rng, v=mention) if op != EQ else mention
            done = rng.choice(verbs).replace("~", said)
            condition.clause, condition.before = f"是{done}的", f"{done}的"
    elif named:
        bare = op < EQ and column.alone and rng.random() < bare
        mention = write_number(value, column.unit, rng, bare)
        noun, said = "" if bare else column.noun(rng), say(name, rng, v=mention, **column.slots())
        condition.clause = apart(noun, said)
    else:
        verb, mention = rng.choice(verbs), write_number(value, column.unit, rng, True)
        if not verb.endswith("*"):                              # 300名员工, not 300人员工
            mention = re.sub("(?<=[0-9一-龥])个?人$", "" if "万" in mention else rng.choice("名个"), mention)
        name = ("gt_object", "lt_object", "eq_object")[op] + ("_loose" if clear and op < EQ else "")
        condition.clause = verb.replace("*", say(name, rng, v=mention))
    condition.before = condition.before or condition.clause + "的"
    return condition


def apart(noun, said):
    """PM2.5在100以下: the figures of a name and of a value do not run together."""
    return noun + "在" * bool(re.search(r"\d$", noun) and re.match(r"-?\d", said)) + said


def match(column, op, values, table, rng):
    """column == value, == one or the other of two values (as one condition each), or != value, for cells of text."""
    mentions = [write_cell(value, column, table, rng) for value in values]
    mention = mentions[0]
    for other in mentions[1:]:
        mention += say("or_values", rng) + other
    condition = Condition(column, op, values[0], said=mention)
    whole = [s for s in column.sayings if s.strip("~+!")]
    short = [s for s in column.sayings if not s.strip("~+!") and "!" not in s]
    spoken = rng.random() < OMITTED
    kind = "is_who" if column.spec.kind == "who" else (
        "is_kind" if re.search("(类型|类别|级别|等级|题材|行业)$", column.name) else "is")
    if op == NE:
        if spoken and whole:
            done = rng.choice(whole).strip("+!").replace("~", mention)
            condition.clause, condition.before = f"不是{done}的", f"不是{done}的"
        else:
            condition.clause = say("is_not", rng, n=column.noun(rng), v=mention)
            if spoken and column.alone:
                condition.before = say("except", rng, v=mention) + "的"
    elif spoken and (whole or short):
        if whole:
            done = rng.choice(whole).strip("+!").replace("~", mention)
            condition.clause = say("doing_who" if column.spec.kind == "who" else "doing", rng, d=done)
        else:
            condition.clause = say(kind, rng, n=column.noun(rng), v=mention)
        said = rng.choice(whole + short * 2)
        condition.before = said.strip("+!").replace("~", mention) + ("" if "+" in said else "的")
    else:
        condition.clause = say(kind, rng, n=column.noun(rng), v=mention)
    condition.before = condition.before or condition.clause + "的"
    return condition, mentions


def within(column, row, table, rng):
    """A range that this row is in, as two conditions and one wording."""
    year = column.spec.kind == "year"
    low, clear_low = bound(column.cells, column.cells[row], GT, year, rng)
    high, clear_high = bound(column.cells, column.cells[row], LT, year, rng)
    if not (year or clear_low and clear_high):
        return None
    unit = column.unit.split("/")[0]
    if year:
        v, w = write_year(low, rng), write_year(high, rng)
    elif rng.random() < 0.25 and chinese(low) and chinese(high) and not unit.startswith("%"):
        v, w = chinese(low), chinese(high) + unit
    else:                                                       # 5000到8000万元, 5000万元到8000万元
        v, w = plain(low) + rng.choice(["", unit]), plain(high) + unit
    clause = apart(column.noun(rng), say("range_year" if year else "range", rng, v=v, w=w, **column.slots()))
    return [Condition(column, GT, low, clause, clause + "的"), Condition(column, LT, high)]


def both(columns, row, op, rng):
    """Two columns of one unit and the same bound, said once: 2018年和2019年都超过1元."""
    values = [column.cells[row] for column in columns]
    number = between(min(values) * 0.5, min(values), 1, rng) if op == GT else between(max(values), max(values) * 1.5, 1, rng)
    if number is None or any(number in column.cells for column in columns) or min(values) <= 0:
        return None
    said = say(("gt", "lt")[op], rng, v=write_number(number, columns[0].unit, rng), **columns[0].slots())
    clause = say("both", rng, n=columns[0].noun(rng), x=columns[1].noun(rng), c=said)
    return [Condition(columns[0], op, number, clause, clause + "的"), Condition(columns[1], op, number)]


def join(conditions, connector, rng):
    """Predicate and attribute for all conditions: one after the other, or in front of the noun one after the other."""
    said = [condition for condition in conditions if condition.clause]
    times = [condition for condition in said if adverb(condition.column.spec) and condition.op == EQ]
    if connector == AND and times and len(said) > 1 and rng.random() < 0.8:           # 2018年营收超过5亿
        clause, before = join([condition for condition in said if condition is not times[0]], connector, rng)
        return times[0].said + clause, times[0].said + before
    word = "and" if connector == AND else "or"
    clause = said[0].clause if said else ""
    for condition in said[1:]:
        clause += say(word, rng) + condition.clause
    if len(said) < 2:
        return clause, said[0].before if said else ""
    if rng.random() < 0.5:
        return clause, clause if clause.endswith("的") else clause + "的"
    said.sort(key=lambda condition: not condition.before.endswith("的"))      # 喜剧 stands next to its noun
    before = ""
    for i, condition in enumerate(said):
        last = i == len(said) - 1
        link = "" if last else say("or_verbs", rng) if connector == OR else rng.choice(["", "、", "而且", "并且"])
        before += (condition.before if last or condition.before.endswith("的") else condition.before + "的") + link
    return clause, before


# ---------------------------------------------------------------------------------------------------------- questions

@dataclass
class Draft:
    """A question in the making: its rows, how they are spoken of, and the SQL."""

    table: Table
    conditions: list
    connector: int
    slots: dict                      # C, A, D, S, E, m, k
    several: bool = True
    named: bool = False              # the rows are told by name: there is no {A}{E}
    told: bool = False               # what is known is a sentence of its own: 它票房超过5亿，它的导演是谁

    def rows(self):
        test = any if self.connector == OR else all
        return [row for row in range(self.table.size)
                if not self.conditions or test(condition.holds(row) for condition in self.conditions)]


def pick_conditions(table, rng, count, connector, columns):
    """So many conditions on different columns, each true of one row (and), or each of a row of its own (or)."""
    row, conditions = rng.randrange(table.size), []
    for column in rng.sample(columns, min(count, len(columns))):
        if connector == OR:
            row = rng.randrange(table.size)
        if column.type == "real":
            if column.spec.unit == "名" or column.spec.kind == "year" and rng.random() < 0.6:
                op = EQ
            else:
                op = rng.choices([GT, LT, EQ, NE], [58, 30, 9, 3])[0]
            condition = compare(column, op, row, table, rng)
        else:
            op = NE if rng.random() < 0.12 and column.spec.kind not in ("date", "time") else EQ
            value = column.cells[row]
            if op == NE:
                value = rng.choice(column.cells)
            condition, _ = match(column, op, [value], table, rng)
        conditions.append(condition)
    return conditions


def words_for(table, entity, rng):
    """Measure word, the name column's name (but not 剧目 of a 剧目), pronoun."""
    names, person = [name for name in table.key.nouns if name not in entity], table.key.spec.kind == "who"
    return {"m": table.schema.measure, "k": rng.choice(names or ["名称"]), "p": "他" if person else "它"}


def draft_by_rows(table, rng):
    """票房超过5亿的电影: conditions on other columns than the name."""
    others = [column for column in table.columns if not column.spec.key]
    numbers = [column for column in others if column.type == "real" and column.spec.unit != "名"]
    texts = [column for column in others if column.type == "text" and column.spec.kind not in ("date", "time")]
    style, connector = rng.random(), 0
    if style < 0.04 and not table.schema.cross:
        conditions = []
    elif style < 0.38:
        conditions = pick_conditions(table, rng, 1, 0, others)
    elif style < 0.87:
        connector = AND if rng.random() < 0.7 else OR
        conditions = pick_conditions(table, rng, 3 if rng.random() < 0.15 else 2, connector, others)
    elif style < 0.91 and numbers:                                                  # a range, alone or with another
        column, row = rng.choice(numbers), rng.randrange(table.size)
        conditions, connector = within(column, row, table, rng), AND
    elif style < 0.93 and len(numbers) > 1:
        pairs = [(a, b) for a in numbers for b in numbers if a.number < b.number and a.unit == b.unit and a.unit
                 and "year" not in (a.spec.kind, b.spec.kind)]
        connector = AND
        conditions = both(rng.choice(pairs), rng.randrange(table.size), rng.choice([GT, LT]), rng) if pairs else None
    elif texts:                                                                     # one cell or another of a column
        column, connector = rng.choice(texts), OR
        values = distinct(column.cells)
        if len(values) < 2:
            return None
        values = rng.sample(values, 2)
        condition, _ = match(column, EQ, values, table, rng)
        conditions = [condition, Condition(column, EQ, values[1])]
    else:
        return None
    if conditions is None or len(conditions) == 1 and connector:
        return None
    clause, before = join(conditions, connector, rng)
    entity = rng.choice(table.schema.rows[:1] + table.schema.rows)
    behind = before if before[-1:] in ("", "的") else before + "的"
    slots = {"C": clause, "A": before, "D": behind, "E": entity} | words_for(table, entity, rng)
    slots["S"] = say("rows" if conditions else "everything", rng, **slots)
    return Draft(table, conditions, connector, slots)


def draft_by_name(table, rng):
    """腾讯, 腾讯和百度, 2018年的腾讯, 腾讯营收超过5亿，它: rows told by their names, or by the name and something else."""
    key, row = table.key, rng.randrange(table.size)
    times = [column for column in table.columns if adverb(column.spec)]
    entity, measure = rng.choice([row for row in table.schema.rows if len(row) > 1]), table.schema.measure
    slots = {"E": entity} | words_for(table, entity, rng)
    style, told = rng.random(), False
    if style < 0.25 and len(distinct(key.cells)) > 1 and not times:                 # two or three names
        values = rng.sample(distinct(key.cells), 3 if rng.random() < 0.12 and len(distinct(key.cells)) > 2 else 2)
        mentions = [write_cell(value, key, table, rng) for value in values]
        subject = mentions[0]
        for other in mentions[1:]:
            link = say("and_names", rng)
            subject += (link or ("、" if re.search("[0-9A-Za-z]$", subject) else "")) + other
        if rng.random() < 0.15:
            subject += f"这{DIGITS[len(values)].replace('二', '两')}{measure}{entity}"
        conditions, connector, several = [Condition(key, EQ, value) for value in values], OR, True
    else:
        condition, [mention] = match(key, EQ, [key.cells[row]], table, rng)
        conditions, connector, several = [condition], 0, bool(times)
        if times and rng.random() < 0.75:                                           # 2018年腾讯
            time = times[0]
            said = write_year(time.cells[row], rng) if time.spec.kind == "year" else time.cells[row]
            subject = rng.choice([said + mention, said + "的" + mention, mention + said, mention + "在" + said,
                                  mention + said, said + "，" + mention])
            conditions, connector, several = [condition, Condition(time, EQ, time.cells[row])], AND, False
        elif style < 0.58 and not times:                                            # 王伟导演的最后的海岸
            others = [column for column in table.columns if not column.spec.key]
            column = rng.choice(others)
            if column.type == "real":
                op = EQ if column.spec.unit == "名" or column.spec.kind == "year" else rng.choice([GT, GT, LT, EQ])
                extra = compare(column, op, row, table, rng, bare=0)
            else:
                extra, _ = match(column, EQ, [column.cells[row]], table, rng)
            conditions, connector = [condition, extra], AND
            before = extra.before if extra.before.endswith("的") else extra.before + "的"
            told = rng.random() < 0.5
            subject = say("row_said" if told else "row_both", rng, v=mention, C=extra.clause, D=before, **slots)
        else:
            subject = say("row_name", rng, v=mention, **slots)
    return Draft(table, conditions, connector, slots | {"S": subject}, several, True, told)


def ask_for_value(column, rng):
    """A question for one column without its name: 卖了多少钱."""
    return rng.choice(column.asks) if column.asks and rng.random() < 0.9 else None


def what(column, rng):
    kind = "number" if column.type == "real" and column.spec.kind != "year" else column.spec.kind
    return say("what_" + kind, rng)


def list_of(columns, rng):
    """收盘价、市值和行业"""
    names = [column.noun(rng) for column in columns]
    said = names[0]
    for i, name in enumerate(names[1:], 2):
        said += (say("list", rng) if i == len(names) else "、") + name
    return said


def what_all(columns, rng):
    kinds = distinct([column.spec.kind for column in columns])
    return {"number": "是多少", "who": "是谁"}.get(kinds[0], "是什么") if len(kinds) == 1 else "是什么"


def choose(columns, rng):
    """One column in most questions, two in some, three in a few."""
    return rng.sample(columns, min(len(columns), rng.choices([1, 2, 3], [82, 15, 3])[0]))


def ask_columns(draft, rng):
    """The question or noun phrase for one or more columns of the rows, and the columns."""
    used = [condition.column for condition in draft.conditions]
    free = [column for column in draft.table.columns if column not in used and not column.spec.key]
    if not free:
        return None
    columns, slots = choose(free, rng), draft.slots
    first = columns[0]
    if len(columns) == 1:
        verb = ask_for_value(first, rng) if rng.random() < ASKED else None
        if verb:
            return say("{S}{q}", rng, q=verb, **slots), False, columns
        if rng.random() < 0.45 and not draft.told:
            return say("value_np", rng, n=first.noun(rng), **slots), True, columns
        rule = rng.choice([text for text in PHRASES["value"] if not (draft.told and "，" in text)])
        return say(rule, rng, n=first.noun(rng), w=what(first, rng), **slots), False, columns
    if len(columns) == 2 and rng.random() < 0.4:
        verbs = [ask_for_value(column, rng) for column in columns]
        rules = [text for text in PHRASES["values_one_by_one"] if ("{q}" not in text or verbs[0]) and (
            "{q2}" not in text or verbs[1])]
        return say(rng.choice(rules), rng, q=verbs[0], q2=verbs[1], n=first.noun(rng), n2=columns[1].noun(rng),
                   w=what(first, rng), w2=what(columns[1], rng), **slots), False, columns
    if rng.random() < 0.45 and not draft.told:
        return say("values_np", rng, l=list_of(columns, rng), **slots), True, columns
    rule = rng.choice([text for text in PHRASES["values"] if not (draft.told and "，" in text)])
    return say(rule, rng, l=list_of(columns, rng), w=what_all(columns, rng), **slots), False, columns


def ask_names(draft, rng):
    """Which rows, alone or with other columns."""
    used = [condition.column for condition in draft.conditions]
    free = [column for column in draft.table.columns if column not in used and not column.spec.key]
    key, slots = draft.table.key, draft.slots
    if not free or rng.random() < 0.72:
        if rng.random() < 0.35:
            return say("find_np", rng, **slots), True, [key]
        return say("find", rng, **slots), False, [key]
    columns = choose(free, rng)[:2]
    names = list_of(columns, rng)
    if rng.random() < 0.35:
        return say("find_values_np", rng, l=names, **slots), True, [key, *columns]
    rows = say("find", rng, **slots)
    return say("find_values", rng, T=rows, l=names, w=what_all(columns, rng), **slots), False, [key, *columns]


def ask_count(draft, rng):
    if not draft.conditions:
        return say("count_all", rng, **draft.slots), False
    if rng.random() < 0.25:
        return say("count_np", rng, **draft.slots), True
    return say("count", rng, **draft.slots), False


AGGREGATES = {AVG: "avg", MAX: "max", MIN: "min", SUM: "sum"}


def ask_aggregate(draft, rng):
    """Average, largest, smallest, sum of a number column, sometimes of two columns at once."""
    used = [condition.column for condition in draft.conditions]
    free = [column for column in draft.table.columns
            if column.spec.kind == "number" and column not in used and column.spec.unit != "名"]
    if not free:
        return None
    columns = rng.sample(free, min(len(free), 2 if rng.random() < 0.1 else 1))
    aggregates = [rng.choices(list(AGGREGATES), [25, 25, 25, 40 * column.spec.summable])[0]
                  for column in columns]
    nouns = [column.noun(rng) for column in columns]
    # 平均气温 of several months has no 平均平均气温
    plains = ["_plain" if re.search("平均|均|最|总|合计|累计", noun) else "" for noun in nouns]
    parts = [say(AGGREGATES[a] + "_np" + p, rng, n=n, **column.slots())
             for a, p, n, column in zip(aggregates, plains, nouns, columns)]
    if len(columns) == 2:
        said = draft.slots["S"] + "的" + parts[0] + say("list", rng) + parts[1]
        asked = rng.random() < 0.6
        return said + ("分别是多少" if asked else ""), not asked, columns, aggregates
    verb = ask_for_value(columns[0], rng)
    rule = AGGREGATES[aggregates[0]] + plains[0]
    counts = verb and re.search("多|几", verb) and not re.search("最|均|总|共|每|一", verb)    # 平均卖了多少, not 平均贵不贵
    if counts and aggregates[0] in (AVG, SUM) and rng.random() < ASKED:
        return say(AGGREGATES[aggregates[0]] + "_ask", rng, q=verb, **draft.slots), False, columns, aggregates
    if rng.random() < 0.3:
        return draft.slots["S"] + "的" + parts[0], True, columns, aggregates
    return say(rule, rng, n=nouns[0], **draft.slots, **columns[0].slots()), False, columns, aggregates


def wrap(core, is_noun, number, frame, rng):
    """请问, 谢谢, 你知道…吗 and what else stands around a question."""
    if is_noun:
        said = say("frame_np_number" if number else "frame_np", rng, N=core)
    else:
        said = say(frame, rng, Q=core)
    said = re.sub("(呢|来着|吗)[吗么嘛啊呀呢哦]$", r"\1", said)
    if rng.random() < CHAT:
        said = say("chat", rng) + said
    end = rng.choice(["？", "？", "", "", "", "?"]) if not re.search("谢|急|啦|了$", said[-3:]) else rng.choice(["", "。"])
    if rng.random() < 0.02:
        end = (end or "，") + say("close", rng)
    return said + end


def make_question(table, rng):
    """A record in TableQA's format, or None where the dice fell so that there is nothing to ask."""
    draft = draft_by_name(table, rng) if rng.random() < (0.7 if table.schema.cross else 0.4) else draft_by_rows(table, rng)
    if draft is None or not (rows := draft.rows()):
        return None
    chance = rng.random()
    if draft.named:
        asked = ask_aggregate(draft, rng) if draft.several and len(rows) > 1 and chance < 0.3 else ask_columns(draft, rng)
    elif chance < (0.14 if draft.conditions else 0.3) and not table.schema.cross:
        asked = *ask_count(draft, rng), [table.key], [COUNT]
    elif chance < 0.38 or not draft.conditions:
        asked = ask_aggregate(draft, rng) if len(rows) > 1 else None
    elif chance < 0.72:
        asked = ask_names(draft, rng)
    else:
        asked = ask_columns(draft, rng)
    if asked is None or len(rows) == table.size and draft.conditions and rng.random() < 0.7:
        return None
    text, is_noun, columns, *aggregates = asked
    aggregates = aggregates[0] if aggregates else [NONE] * len(columns)
    number = is_noun and all(column.spec.kind == "number" or a == COUNT for column, a in zip(columns, aggregates))
    whole = re.search("，.*的$|呢|如果|有没有", text)                # 票房是多少，大海的: not to be put inside 你知道…吗
    question = wrap(text, is_noun, number, "frame_told" if draft.told else "frame_plain" if whole else "frame_q", rng)
    return {"question": question, "table_id": table.id,
            "sql": {"sel": [column.number for column in columns], "agg": aggregates, "cond_conn_op": draft.connector,
                    "conds": [condition.record() for condition in draft.conditions]}}


def tables_of(split, seed):
    rng = random.Random(f"tables {split} {seed}")
    return [make_table(schema, rng) for schema in read_schemas() if schema.split == split for _ in range(TABLES[split])]


def corpus(seed=0, sizes=None):
    """Questions to tables in TableQA's format.

    Args:
        seed: another one gives other tables and questions to the same schemas.
        sizes: number of questions by split, SIZES by default.

    Returns:
        {"train": (records, tables), "valid": ..., "test": ...}, lists of dicts. No question occurs twice.
    """
    result, seen = {}, {""}
    for split, size in (sizes or SIZES).items():
        tables, records = tables_of(split, seed), []
        rng = random.Random(f"questions {split} {seed}")
        while len(records) < size:
            record = make_question(tables[len(records) % len(tables)], rng)
            if record and record["question"] not in seen and len(record["question"]) <= 100:
                seen.add(record["question"])
                records.append(record)
        rng.shuffle(records)
        result[split] = records, [table.record() for table in tables]
    return result


def write(folder, seed=0):
    """The six files of TableQA, one JSON object a line.

    Raises:
        OSError: one of them is there, which may be TableQA's own, or it cannot be written.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if taken := [path for name in FILES.values() for path in folder.glob(f"{name}*.json")]:
        raise FileExistsError(f"{taken[0]} exists, and is not written over")
    for split, parts in corpus(seed).items():
        for suffix, lines in zip(["json", "tables.json"], parts):
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            (folder / f"{FILES[split]}.{suffix}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for the six files")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        write(arguments.out, arguments.seed)
    except OSError as error:
        parser.error(f"--out expects a folder for new files: {error}")
    print(f"wrote {', '.join(f'{size:,} {split}' for split, size in SIZES.items())} questions to {arguments.out}")
