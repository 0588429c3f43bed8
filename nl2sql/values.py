"""Condition values: from words in a question to what stands in the table.

    find_numbers("销售额超过1.5万的")            1.5万 is 15,000, at positions 5 to 9
    Matcher(table).resolve(2, 0, "1.5万")       15000.0, or 1.5 where the column counts in 万
    Matcher(table).resolve(0, 2, "呼和浩待")    呼和浩特, the cell most like it
    Matcher(table).best_column(1, 2, "广州")    0: the value stands in another column than the model says

No Keras in here. The article compares strings by edit distance; its script takes 100万 and 1000000 for different values.
"""

import functools
import math
import re
import unicodedata
from dataclasses import dataclass

from rapidfuzz import fuzz, process

DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
SAME, ALIKE = 95, 60        # scores of 100: the same but for form; alike enough to be meant
SEPARATORS = "、，,和与及或跟以及还有者是 "
NUMBER = re.compile(r"""(?P<percent>百分之)?(?P<below>零下)?
    (?:(?P<arabic>(?<![\d.])[-+]?\d+(?:,\d{3})+(?:\.\d+)? | (?<!\d)[-+]?\d+(?:\.\d+)? | \.\d+)
          (?:[多余来]?(?:个(?=[万亿]))?(?P<unit>[十百千万亿]+|[kw](?![a-z])))?
      |[过上破超](?P<alone>[万亿])(?=[的元人股吨册份次，,。？?]|$)
      |(?P<chinese>负?[零〇一二两三四五六七八九十百千万亿]+(?:个[万亿]+)?(?:点[零〇一二两三四五六七八九]+(?:[百千万亿]+)?)?))
    (?:(?P<sign>%|个?百分点)|(?P<tenths>成)(?![交立本为功员都]))?(?P<year>年)?""", re.VERBOSE)
DATE = re.compile(r"""(?:(?P<year>[\d零〇一二三四五六七八九]{2,4})年)?
    (?P<month>[\d一二三四五六七八九十]{1,3})月份?(?:(?P<day>[\d一二三四五六七八九十]{1,3})[日号])?
    | (?P<y>\d{4})[-/.](?P<m>\d{1,2})(?:[-/.](?P<d>\d{1,2}))?""", re.VERBOSE)
TIME = re.compile(r"""(?P<hour>\d{1,2}|[零一二两三四五六七八九十]{1,3})
    (?:[:：](?P<minute>\d{2})(?!\d)
      |[点时](?:(?P<half>半)|(?P<quarters>[一三])刻|(?P<spoken>\d{1,2}|[零一二三四五六七八九十]{1,3})分?|整|钟)?)
    """, re.VERBOSE)
CELL = re.compile(r"""[¥$]?([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:e[-+]\d+)? | [-+]?\.\d+)
    \s*(百万|千万|万亿|[千万亿])?(元)?(%)?""", re.VERBOSE)
HEADER_UNIT = re.compile(r"(百万|千万|十亿|百亿|万亿|[百千万亿])(?!克|米|瓦|卡|伏|赫|分)")


@functools.lru_cache(2**16)      # cells and questions come again and again
def fold(text):
    """Text in which full and half width, upper and lower case look alike, character by character: positions stay."""
    return "".join(folded if len(folded := unicodedata.normalize("NFKC", c).lower()) == 1 else c for c in text)


# ------------------------------------------------------------------------------------------------------------ numbers

@dataclass(frozen=True)
class Number:
    """A number as it is written: mantissa × factor, where it stands, and what follows."""

    mantissa: float
    factor: float = 1.0
    percent: bool = False
    year: bool = False
    start: int = 0
    end: int = 0

    @property
    def value(self):
        return self.mantissa * self.factor * (0.01 if self.percent else 1)


def chinese_number(text):
    """三百二十 → 320, 一万五 → 15000, 二〇一八 → 2018, 三点五亿 → 350000000; None for what is no number."""
    if text.startswith("负"):
        rest = chinese_number(text[1:])
        return None if rest is None else -rest
    if "点" in text:
        whole, _, part = text.partition("点")
        digits, units = re.fullmatch(r"([^十百千万亿]*)([十百千万亿]*)", part).groups() if part else ("", "")
        if not digits or any(c not in DIGITS for c in digits) or chinese_number(whole) is None:
            return None
        return (chinese_number(whole) + float("0." + "".join(str(DIGITS[c]) for c in digits))) * factor_of(units)
    if not text or any(c not in DIGITS and c not in UNITS for c in text) or text[0] in "百千万亿":
        return None
    if all(c in DIGITS for c in text):
        return float("".join(str(DIGITS[c]) for c in text))
    total = section = number = 0.0                       # floats: a row of forty 亿 is infinite, and no error
    unit = None
    for i, c in enumerate(text):
        if c in DIGITS:
            number, zero = DIGITS[c], i and text[i - 1] in "零〇"
            if i + 1 == len(text) and unit and unit >= 100 and not zero and text[i - 1] in UNITS:
                number *= unit // 10                     # 一万五 is 15,000, 一百零五 is 105
            continue
        unit = UNITS[c]
        if unit == 10**8:
            total, section = (total + section + number) * unit, 0
        elif unit == 10**4:
            section = (section + number) * unit
        else:
            section += (number or (1 if unit == 10 else 0)) * unit
        number = 0
    return float(total + section + number)


def factor_of(unit):
    """万 → 10,000, 百万 → 1,000,000, k → 1,000; nothing → 1."""
    return math.prod((float({"k": 1000, "w": 10**4}.get(c) or UNITS[c]) for c in unit or ""), start=1.0)


def find_numbers(text):
    """All Numbers in a text, in their order: 3.5万, 5%, 百分之五, 1,200, 三百二十, 10个亿, 零下五度, 18年."""
    found = []
    for match in NUMBER.finditer(fold(text)):
        if match["arabic"]:
            start = match.start()
            mantissa, factor = float(match["arabic"].replace(",", "")), factor_of(match["unit"])
            if match["arabic"][0] in "-+" and re.match("[0-9A-Za-z年月]", text[start - 1:start]):
                mantissa, start = abs(mantissa), start + 1           # in 2018-2019 the - is no sign
        elif match["alone"]:
            start, mantissa, factor = match.start(), 1.0, factor_of(match["alone"])          # 过亿
        else:
            start, words = match.start(), match["chinese"].replace("个", "")
            mantissa, factor = chinese_number(words), 1.0
            if mantissa is None:
                continue
            measure = words.endswith("千") and text[match.end():match.end() + 1] in ("", "克", "米", "瓦", "卡")
            unit = re.fullmatch("([^万亿]+)([万亿]+)", words) or measure and re.fullmatch("(.+)(千)", words)
            if unit and (rest := chinese_number(unit[1])) is not None:
                mantissa, factor = rest, factor_of(unit[2])    # 两万 may be 2 in 万, and 两千米 2000 米 or 2 千米
        percent = bool(match["percent"] or match["sign"] or match["tenths"])
        mantissa *= (10 if match["tenths"] else 1) * (-1 if match["below"] else 1)      # 七成 is 70 %, 零下五度 is -5
        found.append(Number(mantissa, factor, percent, bool(match["year"]), start, match.end()))
    return found


def find_dates(text):
    """(start, end, (year, month, day)) of the dates in a text; what is not said is None: 3月5号, 18年三月, 2018-03-05."""
    found = []
    for match in DATE.finditer(fold(text)):
        parts = [match["year"] or match["y"], match["month"] or match["m"], match["day"] or match["d"]]
        parts = [None if part is None else int(part) if part.isdigit() and part.isascii() else chinese_number(part)
                 for part in parts]
        if parts[0] is not None and parts[0] < 100:
            parts[0] += 2000 if parts[0] < 50 else 1900
        if sum(part is not None for part in parts) >= 2 and parts[1] is not None and 1 <= parts[1] <= 12:
            found.append((*match.span(), tuple(parts)))
    return found


def find_times(text):
    """(start, end, "19:30") of the times of day in a text: 19:30, 19点半, 二十一点零五分."""
    found = []
    for match in TIME.finditer(fold(text)):
        hour, minute = (part and (int(part) if part.isdecimal() else chinese_number(part))
                        for part in (match["hour"], match["minute"] or match["spoken"]))
        minute = 30 if match["half"] else {"一": 15, "三": 45}[match["quarters"]] if match["quarters"] else minute or 0
        if hour is not None and hour < 25 and minute < 60:
            found.append((*match.span(), f"{hour:02.0f}:{minute:02.0f}"))
    return found


def same_date(date, cell):
    """Whether a cell is the day, or the month, that (year, month, day) means; None matches anything."""
    found = find_dates(cell) if isinstance(cell, str) else []
    return bool(found) and all(part in (None, other) for part, other in zip(date, found[0][2]))


def cell_number(cell):
    """The Number that a whole cell is, 1,200 or 5% or 3.5万 or ￥20, or None."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, (int, float)):
        try:
            return Number(float(cell)) if math.isfinite(cell) else None
        except OverflowError:                            # an integer of JSON may have a thousand digits
            return None
    match = CELL.fullmatch(fold(str(cell)).strip().replace("\N{MINUS SIGN}", "-"))
    return match and Number(float(match[1].replace(",", "")), factor_of(match[2]), bool(match[4]))


def header_unit(header):
    """What a column counts in by its name: 销售额（万元） → 万, 涨幅(%) → %, else nothing."""
    name = fold(header)
    if "%" in name:
        return "%"
    groups = re.findall(r"[(\[【]([^)\]】]*)", name)
    for group in groups or re.findall(r"[/:]([^/:]+)$", name):           # 元/千字 in brackets counts in 元
        if match := HEADER_UNIT.match(group.removeprefix("单位").lstrip(": ")):
            return match[1]
    match = re.search(r"(百万|千万|万亿|[万亿])(?:元|人|股|吨|册|份|次|美元|港元)$", name)
    return match[1] if match else ""


def readings(number, unit, cells):
    """The values that a Number can have in a column, the likeliest first.

    100万 in a column that counts in 万 is 100. In one without a unit it is a million where a cell reaches 10,000, and else
    what lies between the cells, 100 or a million. 18年 is 2018 where the cells are years; 5% is 5 or 0.05 by the size of
    the cells.
    """
    low, high = (min(cells), max(cells)) if cells else (-math.inf, math.inf)
    m, f, largest = number.mantissa, number.factor, max(abs(low), abs(high))
    if number.percent:
        values = [m, m / 100] if unit == "%" or largest > 1.5 else [m / 100, m]
    elif unit in ("", "%"):
        values = [m * f, m] if f != 1 else [m]
    else:
        values = [m * f / factor_of(unit), m] if f != 1 else [m, m / factor_of(unit)]
    if f == 1 and not number.percent and 0 <= m < 100 and m == int(m) and 1900 <= low and high <= 2100:
        return sorted([2000 + m, 1900 + m], key=lambda year: (year not in cells, max(low - year, year - high, 0)))
    values = [float(f"{value:.12g}") for value in values]              # 0.07 × 100 is 7
    clear = largest > 1.5 if number.percent else f != 1 and (unit not in ("", "%") or largest >= f)
    spread = 10 * max(largest, 1) if cells and not unit else math.inf                  # without a unit sizes must tell
    return sorted(dict.fromkeys(values), key=lambda v: (v not in cells, not (clear or low <= v <= high), abs(v) > spread))


# ------------------------------------------------------------------------------------------------------------ matching

def plain(text):
    """A text by its letters, digits and characters alone: 《明史演义》 and 明史演义 are the same."""
    return "".join(c for c in fold(text) if c.isalnum() or c in "+-.%/:")


def variants(text):
    """Ways to write the same: years in full, Chinese numerals as digits, dates as 2019-03-01."""
    text = fold(text)
    yield text
    if match := re.fullmatch(r"(\d{2}|\d{4})年(?:(\d{1,2})月(?:(\d{1,2})[日号])?)?", text):
        year = match[1] if len(match[1]) == 4 else f"{20 if int(match[1]) < 50 else 19}{match[1]}"
        month, day = match[2], match[3]
        yield f"{year}年" + (f"{month}月" if month else "") + (f"{day}日" if day else "")
        for mark in "-/.":
            yield mark.join([year, *[f"{int(part):02}" for part in (month, day) if part]])
        yield year
    yield from (time for start, end, time in find_times(text) if end - start == len(text))
    digits = re.sub("[零〇一二两三四五六七八九十百千]+", as_digits, text)
    if digits != text:
        yield from variants(digits)


def as_digits(match):
    """A match of Chinese numerals as digits: 二十 → 20, 零七 → 07."""
    if len(match[0]) > 1 and all(c in DIGITS for c in match[0]):
        return "".join(str(DIGITS[c]) for c in match[0])
    number = chinese_number(match[0])
    return match[0] if number is None else f"{number:.0f}"


def form(text):
    """How a text with numbers is written: years are ####, other numbers #."""
    return re.sub(r"\d+", lambda digits: "#" if len(digits[0]) < 3 else "####", fold(text))


def likeness(left, right, **_):
    """0 to 100 between two plain texts: edit distance, and what is part of the other counts little less than the same."""
    if not left or not right:
        return 0.0
    part = fuzz.partial_ratio(left, right) if min(len(left), len(right)) > 1 else 0.0
    return max(fuzz.ratio(left, right), 0.9 * part - 10 * (part < 100))


class Matcher:
    """Finds the cells, and the columns, that words of a question mean in one table.

    Args:
        table: a data.Table.
    """

    def __init__(self, table):
        self.table = table
        self._plain = functools.cache(lambda column: [plain(cell) for cell in table.cells(column)])
        self._numbers = functools.cache(lambda column: tuple(table.cells(column)))

    def resolve(self, column, operator, words):
        """(value, score): what the words mean in a column, and how sure that is, 0 to 100.

        In a column of numbers the value is a float, and words without a number score 0. In a column of texts it is the cell
        most like the words; words that no cell resembles stay as they are.
        """
        if self.table.types[column] == "real":
            numbers = find_numbers(words)
            if not numbers:
                return words, 0.0
            number = max(numbers, key=lambda number: number.end - number.start)
            value = readings(number, self.table.units[column], self._numbers(column))[0]
            known = operator < 2 or value in self._numbers(column)
            whole = len(plain(words)) - len(plain(words[number.start:number.end])) <= 2
            return value, (100.0 if known else 70.0) if whole else 40.0
        cells = self.table.cells(column)
        if days := self.days(column, words):             # after a month is after its last day in the table
            return days[-1 if operator == 0 else 0], 100.0
        if operator < 2 and find_numbers(words):         # a bound need not be a cell, but is written as the cells are
            forms = {form(cell) for cell in cells}
            bound = next((variant for variant in variants(words) if form(variant) in forms), None)
            return (words, 0.0) if bound is None else (bound, 100.0)
        best, score = None, 0.0
        for variant in dict.fromkeys(plain(variant) for variant in variants(words)):
            found = process.extractOne(variant, self._plain(column), scorer=likeness) if variant and cells else None
            if found and found[1] > score:
                best, score = cells[found[2]], found[1]
        return (best, score) if score >= ALIKE else (words, 0.0)

    def days(self, column, words):
        """The cells of the day, or of the month, that words name, the earliest first."""
        dates = find_dates(words)
        found = [cell for cell in self.table.cells(column) if same_date(dates[0][2], cell)] if dates else []
        return sorted(found, key=lambda cell: [part or 0 for part in find_dates(cell)[0][2]])

    def best_column(self, column, operator, words, probabilities=None):
        """The column that the words belong to: the given one, unless its cells do not have them and another's do.

        Args:
            column: the model's choice.
            operator: the model's operator; an order is asked of a column of numbers first.
            words: the span.
            probabilities: (columns,) of the model, which decide between columns that have the words as well.
        """
        value, score = self.resolve(column, operator, words)
        real = self.table.types[column] == "real"
        if score >= SAME or (real and score >= 70):
            return column
        scores = []
        for other, kind in enumerate(self.table.types):
            found = self.resolve(other, operator, words)[1]
            compared = kind == "text" or (operator < 2 and not real and score < ALIKE)    # a number fits any such column
            scores.append(found if found >= SAME and compared else 0.0)
        if max(scores) == 0:
            return column
        weight = probabilities if probabilities is not None else [0.0] * len(scores)
        return max(range(len(scores)), key=lambda i: (scores[i] > 0, weight[i] if scores[i] else 0, scores[i]))

    def split(self, column, words):
        """Words that are several cells side by side, 北京上海 or 北京和上海, as (start, end) of each; else the whole."""
        if self.table.types[column] == "real" or self.resolve(column, 2, words)[1] >= SAME:
            return [(0, len(words))]
        text, names = fold(words), sorted((fold(cell) for cell in self.table.cells(column)), key=len, reverse=True)
        pieces, at = [], 0
        while at < len(text):
            if text[at] in SEPARATORS:
                at += 1
            elif name := next((name for name in names if text.startswith(name, at)), None):
                pieces.append((at, at + len(name)))
                at += len(name)
            else:
                return [(0, len(words))]
        return pieces if len(pieces) > 1 else [(0, len(words))]

    def mentions(self, question):
        """(start, end, column) of each cell that the question names: whole, or by its first half at least."""
        text, found = fold(question), []
        numbers, dates = find_numbers(question), find_dates(question)
        for column, kind in enumerate(self.table.types):
            cells = self.table.cells(column)
            if kind == "real":
                known = set(cells)
                found += [(n.start, n.end, column) for n in numbers
                          if readings(n, self.table.units[column], self._numbers(column))[0] in known]
                continue
            found += [(a, b, column) for a, b, date in dates if any(same_date(date, cell) for cell in cells)]
            for cell in map(fold, cells):
                least = max(2, -(-len(cell) // 2)) if len(cell) > 1 else 1
                if least <= len(cell) and (at := text.find(cell[:least])) >= 0:
                    end = at + least
                    while end - at < len(cell) and end < len(text) and text[end] == cell[end - at]:
                        end += 1
                    found.append((at, end, column))
        return found

    def snap(self, question, start, end, column):
        """A span widened to the whole cell or number of which the model marked a part, 中石 in 中石化."""
        if self.table.types[column] == "real":
            around = [(n.start, n.end) for n in find_numbers(question) if n.start < end and start < n.end]
        else:
            text = fold(question)
            around = [(a, b) for a, b, _ in find_dates(question)
                      if a < end and start < b and self.resolve(column, 2, question[a:b])[1] >= SAME]
            for cell in map(fold, self.table.cells(column)):
                at = text.find(cell)
                while at >= 0:
                    if at < end and start < at + len(cell) and at <= start and end <= at + len(cell):
                        around.append((at, at + len(cell)))
                    at = text.find(cell, at + 1)
        return max(around, key=lambda span: span[1] - span[0], default=(start, end))


def same_value(left, right):
    """Whether two values of conditions are the same: as numbers, or as texts without case, width and quotes."""
    numbers = cell_number(left), cell_number(right)
    if None not in numbers:
        return math.isclose(numbers[0].value, numbers[1].value, rel_tol=1e-9, abs_tol=1e-12)
    return plain(str(left)) == plain(str(right))
