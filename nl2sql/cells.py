"""What a cell of a table means: as one line of text, as a number, or as nothing. No Keras in here.

    clean("广州\\n市 ")                  广州 市
    kind_of(["1", "2,000", "-"])        real, and kind_of(["000001", "600000"]) is text
    numbers_of(["5%", "12.5%"])         ([5.0, 12.5], "%")
"""

import functools
import itertools
import math
import re

from nl2sql.numerals import cell_number

EMPTY = {"", "-", "--", "—", "——", "/", "\\", "n/a", "na", "nan", "null", "none", "#n/a",
         "无", "暂无", "未知"}
LONGEST_EMPTY = max(map(len, EMPTY))
BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")      # control characters and ends of lines
INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]")     # of no width
EXACT = 2 ** 53                       # floats hold whole numbers up to here


def cell_text(value):
    """A cell or a value as text: 2018.0 is 2018, and nothing is nothing."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.12g}"


def clean(value):
    """A cell or a name as one line of text without NUL and surrounding blanks."""
    return clean_text(value if isinstance(value, str) else cell_text(value))


@functools.lru_cache(maxsize=1 << 10)                        # a text often stands in many cells
def clean_text(text):
    if not text.isprintable():
        text = BREAKS.sub(" ", INVISIBLE.sub("", text))
        text = text.encode("utf-8", "replace").decode("utf-8")       # half a pair becomes ?
    return " ".join(text.split())


def is_empty(cell):
    """Whether a cell says nothing: it is blank, or holds one of the usual signs for that."""
    if cell is None:
        return True
    text = clean(cell)
    return len(text) <= LONGEST_EMPTY and text.lower() in EMPTY


def kind_of(cells):
    """The type of a column, "real" or "text".

    A column is real where nine of ten cells that are not empty are numbers, and none is a code.
    """
    found = [cell for cell in cells if not is_empty(cell)]
    if not found or are_codes(found):
        return "text"
    others = (cell for cell in found if cell_number(cell) is None)
    too_many = len(found) // 10 + 1                          # behind these the rest need not be looked at
    return "text" if len(list(itertools.islice(others, too_many))) == too_many else "real"


def are_codes(cells):
    """Whether cells that look like numbers are codes, with which nobody reckons: 000001, 13800000000.

    Codes begin with 0, or are long and all of one length, or are whole numbers that a float cannot hold.
    """
    texts = [clean(cell) for cell in cells if isinstance(cell, str)]
    if any(text[:1] == "0" and len(text) > 1 and text.isdecimal() for text in texts):
        return True
    if any(isinstance(cell, int) and abs(cell) > EXACT for cell in cells):
        return True
    lengths = {len(text) for text in texts if len(text) > 10 and text.isdecimal()}
    return len(lengths) == 1 and len(texts) == len(cells)


def numbers_of(cells):
    """A column's cells as floats, None for what is no number, and its unit.

    The unit is "%" if all numbers are per cent, as 5 for 5 %, else "".
    """
    found = [None if is_empty(cell) else cell_number(cell) for cell in cells]
    numbers = [number for number in found if number is not None]
    if numbers and all(number.percent for number in numbers):
        return [number and finite(number.mantissa) for number in found], "%"
    return [number and finite(number.value) for number in found], ""


def finite(value):
    return value if math.isfinite(value) else None


def unique_names(header):
    """Names that SQL can tell apart: an empty one gets its number, and 甲 after another 甲 is 甲_2.

    SQL takes names that differ in case alone for the same.
    """
    names, taken, counts = [], set(), {}
    for i, name in enumerate(header, 1):
        base = name or f"列{i}"
        candidate, count = base, counts.get(base.lower(), 1)
        while candidate.lower() in taken:
            count += 1
            candidate = f"{base}_{count}"
        counts[base.lower()] = count                     # the next one of this name goes on from here
        taken.add(candidate.lower())
        names.append(candidate)
    return names
