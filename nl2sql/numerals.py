"""Numbers as people write them: in a question, in a cell, and the unit in a column's name. No Keras in here.

    find_numbers("销售额超过1.5万的")          1.5万 is 15,000, at positions 5 to 9
    cell_number("1,200")                       1200
    header_unit("销售额（万元）")              万
    readings(number, "万", cells)              what the number can mean in that column: 1.5万 is 1.5 there

The article's script takes 100万 and 1000000 for different values.
"""

import math
import re
from dataclasses import dataclass

from nl2sql.characters import normalise, plain

DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
FACTORS = UNITS | {"k": 1000, "w": 10**4}
MEASURES = ("", "克", "米", "瓦", "卡")              # before these 千 may belong to the measure
NUMBER = re.compile(r"""(?P<percent>百分之)?(?P<below>零下)?
    (?:(?P<arabic>(?<![\d.])[-+]?\d+(?:,\d{3})+(?:\.\d+)? | (?<!\d)[-+]?\d+(?:\.\d+)? | \.\d+)
          (?:[多余来]?(?:个(?=[万亿]))?(?P<unit>[十百千万亿]+|[kw](?![a-z])))?
      |[过上破超](?P<alone>[万亿])(?=[的元人股吨册份次，,。？?]|$)
      |(?P<chinese>负?[零〇一二两三四五六七八九十百千万亿]+(?:个[万亿]+)?
          (?:点[零〇一二两三四五六七八九]+(?:[百千万亿]+)?)?))
    (?:(?P<sign>%|个?百分点)|(?P<tenths>成)(?![交立本为功员都]))?(?P<year>年)?""", re.VERBOSE)
CELL = re.compile(r"""[¥$]?([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:e[-+]\d+)? | [-+]?\.\d+)
    \s*(百万|千万|万亿|[千万亿])?(元)?(%)?""", re.VERBOSE)
HEADER_UNIT = re.compile(r"(百万|千万|十亿|百亿|万亿|[百千万亿])(?!克|米|瓦|卡|伏|赫|分)")
HEADER_END = re.compile(r"(百万|千万|万亿|[万亿])(?:元|人|股|吨|册|份|次|美元|港元)$")


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


# ------------------------------------------------------------------------------------------- Chinese numerals

def chinese_number(text):
    """三百二十 → 320, 一万五 → 15000, 二〇一八 → 2018, 三点五亿 → 350000000; None for what is no number."""
    if text.startswith("负"):
        rest = None if text.startswith("负负") else chinese_number(text[1:])
        return None if rest is None else -rest
    if "点" in text:
        return _with_point(text)
    if not text or text[0] in "百千万亿" or any(c not in DIGITS and c not in UNITS for c in text):
        return None
    if all(c in DIGITS for c in text):
        return float(digits_of(text))
    return _with_units(text)


def digits_of(text):
    """二〇一八 → "2018"."""
    return "".join(str(DIGITS[c]) for c in text)


def _with_point(text):
    """三点五亿: the digits behind the point, and the units that hold for the whole."""
    before, _, behind = text.partition("点")
    whole = chinese_number(before)
    match = re.fullmatch("([零〇一二两三四五六七八九]+)([十百千万亿]*)", behind)
    if whole is None or match is None:
        return None
    return (whole + float(f"0.{digits_of(match[1])}")) * factor_of(match[2])


def _with_units(text):
    """三百二十: each digit counts the unit behind it, 万 counts all that stands before it, and so does 亿."""
    total = section = digit = 0.0                     # floats: a row of forty 亿 is infinite, and no error
    for c in text:
        if c in DIGITS:
            digit = DIGITS[c]
            continue
        unit = UNITS[c]
        if unit == 10**8:
            total, section = (total + section + digit) * unit, 0.0
        elif unit == 10**4:
            section = (section + digit) * unit
        elif unit == 10 and digit == 0:
            section += 10                             # 十 by itself
        else:
            section += digit * unit
        digit = 0
    last_unit = UNITS.get(text[-2], 0) if len(text) > 1 else 0
    if last_unit >= 100:
        digit *= last_unit // 10                      # 一万五 is 15,000, but 一百零五 is 105
    return total + section + digit


def factor_of(unit):
    """万 → 10,000, 百万 → 1,000,000, k → 1,000; nothing → 1."""
    return math.prod((float(FACTORS[c]) for c in unit or ""), start=1.0)


# -------------------------------------------------------------------------------------- numbers in a question

def find_numbers(text):
    """All Numbers in a text, in their order: 3.5万, 5%, 百分之五, 1,200, 三百二十, 10个亿, 零下五度, 18年."""
    found = [_number_of(match, text) for match in NUMBER.finditer(normalise(text))]
    return [number for number in found if number is not None]


def _number_of(match, text):
    """The Number of a match of NUMBER, or None where its numerals are none."""
    start, end = match.span()
    if match["arabic"]:
        mantissa, factor = float(match["arabic"].replace(",", "")), factor_of(match["unit"])
        if match["arabic"][0] in "-+" and re.match("[0-9A-Za-z年月]", text[start - 1:start]):
            mantissa, start = abs(mantissa), start + 1                 # in 2018-2019 the - is no sign
    elif match["alone"]:
        mantissa, factor = 1.0, factor_of(match["alone"])              # 过亿
    else:
        mantissa, factor = _mantissa_and_factor(match["chinese"].replace("个", ""), text[end:end + 1])
    if mantissa is None:
        return None
    if match["tenths"]:
        mantissa *= 10                                                 # 七成 is 70 %
    if match["below"]:
        mantissa *= -1                                                 # 零下五度 is -5
    percent = bool(match["percent"] or match["sign"] or match["tenths"])
    return Number(mantissa, factor, percent, bool(match["year"]), start, end)


def _mantissa_and_factor(words, following):
    """Of Chinese numerals: 两万 may be 2 in 万, 两千米 2000 米 or 2 千米; (None, 1.0) for no number."""
    whole = chinese_number(words)
    match = re.fullmatch("([^万亿]+)([万亿]+)", words)
    if match is None and following in MEASURES:
        match = re.fullmatch("(.+)(千)", words)
    if whole is None or match is None:
        return whole, 1.0
    mantissa = chinese_number(match[1])
    if mantissa is None:
        return whole, 1.0
    return mantissa, factor_of(match[2])


# ----------------------------------------------------------------------------------------- numbers in a table

def cell_number(cell):
    """The Number that a whole cell is, 1,200 or 5% or 3.5万 or ￥20, or None."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, (int, float)):
        try:
            return Number(float(cell)) if math.isfinite(cell) else None
        except OverflowError:                            # an integer of JSON may have a thousand digits
            return None
    text = str(cell)
    if text.isascii() and text.isdigit():                # most numbers are no more than digits
        return Number(float(text))
    match = CELL.fullmatch(normalise(text).strip().replace("\N{MINUS SIGN}", "-"))
    if match is None:
        return None
    return Number(float(match[1].replace(",", "")), factor_of(match[2]), bool(match[4]))


def header_unit(header):
    """What a column counts in by its name: 销售额（万元） → 万, 涨幅(%) → %, else nothing."""
    name = normalise(header)
    if "%" in name:
        return "%"
    places = re.findall(r"[(\[【]([^)\]】]*)", name) or re.findall(r"[/:]([^/:]+)$", name)
    for place in places:
        match = HEADER_UNIT.match(place.removeprefix("单位").lstrip(": "))       # not the 千 in 元/千字
        if match:
            return match[1]
    match = HEADER_END.search(name)
    return match[1] if match else ""


def readings(number, unit, cells):
    """The values that a Number can have in a column, the likeliest first.

    100万 in a column that counts in 万 is 100. In one without a unit it is a million where a cell reaches
    10,000, and else what lies between the cells, 100 or a million. 18年 is 2018 where the cells are years; 5%
    is 5 or 0.05 by the size of the cells.
    """
    low, high = min(cells, default=-math.inf), max(cells, default=math.inf)
    of_years = 1900 <= low and high <= 2100
    if of_years and number.factor == 1 and not number.percent and number.mantissa in range(100):
        years = [2000 + number.mantissa, 1900 + number.mantissa]
        return sorted(years, key=lambda year: (year not in cells, max(low - year, year - high, 0)))
    largest = max(abs(low), abs(high))
    if number.percent:
        clear = largest > 1.5
    else:
        clear = number.factor != 1 and (unit not in ("", "%") or largest >= number.factor)
    spread = math.inf
    if cells and not unit:                               # without a unit sizes must tell
        spread = 10 * max(largest, 1)

    def unlikelihood(value):
        return value not in cells, not (clear or low <= value <= high), abs(value) > spread

    values = [float(f"{value:.12g}") for value in _possible_values(number, unit, largest)]   # 0.07 × 100 is 7
    return sorted(dict.fromkeys(values), key=unlikelihood)


def _possible_values(number, unit, largest):
    """What a Number can mean in a column that counts in `unit` and goes up to `largest`, likelier first."""
    mantissa, factor = number.mantissa, number.factor
    if number.percent and (unit == "%" or largest > 1.5):
        return [mantissa, mantissa / 100]
    if number.percent:
        return [mantissa / 100, mantissa]
    if unit in ("", "%"):
        return [mantissa * factor, mantissa]
    if factor == 1:
        return [mantissa, mantissa / factor_of(unit)]
    return [mantissa * factor / factor_of(unit), mantissa]


def same_value(left, right):
    """Whether two values of conditions are the same, as numbers or as texts without case, width, quotes."""
    numbers = cell_number(left), cell_number(right)
    if None not in numbers:
        return math.isclose(numbers[0].value, numbers[1].value, rel_tol=1e-9, abs_tol=1e-12)
    return plain(str(left)) == plain(str(right))
