"""Numbers in a table as people write them, where a column is one of numbers on the whole. No Keras in here.

    loose_number("约700")                           700.0
    loose_number("(1,200)")                         -1200.0: accountants write what is owed so
    read_loosely(["900", "约700", "见附注", ...])   ({"约700": 700.0}, ["约700"])
"""

import collections
import re

from nl2sql.cells import are_codes, clean, is_empty
from nl2sql.characters import normalise
from nl2sql.numerals import cell_number

SHARE = 2 / 3                 # of the cells that say something, how many must be numbers
ABOUT = re.compile("^(?:大约|约为|约合|约|近|接近|将近|超过?|逾|不到|不足|至少|最多|≈|~|～|>=?|<=?|≥|≤)|"
                   "(?:左右|上下|余|多|以上|以下|\\+|起)$")
FALLEN = re.compile("^(?:下?跌|下降|降|减少?|亏损?|负|▼|↓)|(?:▼|↓)$")
RISEN = re.compile("^(?:上?涨|上升|升|增加?|盈利?|正|▲|↑|\\+)|(?:▲|↑)$")
OWED = re.compile(r"\((.+)\)|(\d[\d,.]*)-")
DIGIT = re.compile(r"\d")
GROUPED = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
MEASURES = set("人 元 个 台 件 名 家 本 册 份 箱 瓶 公斤 千克 kg 斤 吨 t 克 g 米 m 公里 km cm 平米 平方米 "
               "m2 亩 公顷 岁 天 小时 分钟 gb tb mb "
               "核 股 手 ℃ 度 万元 亿元 美元".split())
UNIT = re.compile(r"[^\d]*[\d.,]+\)?\s*([^\W\d_]{1,3}2?)[^\w]*")


def loose_number(text):
    """The float that a cell means, or None."""
    text = GROUPED.sub("", normalise(clean(text)))
    owed = OWED.fullmatch(text)
    if owed:
        text = owed[1] or owed[2]
    bare = ABOUT.sub("", text).strip()
    fallen, risen = FALLEN.search(bare), RISEN.search(bare)
    if fallen or risen:
        bare = (FALLEN if fallen else RISEN).sub("", bare).strip()
    number = cell_number(bare)
    if number is None or (owed and number.mantissa < 0):
        return None
    value = number.mantissa * number.factor if number.percent else number.value
    return -value if owed or fallen else value


def read_loosely(cells):
    """({text: number, or a text of per cent}, texts that are no plain numbers) of a column of numbers.

    Both are empty for any other column, and where all are plain numbers already.
    """
    texts = list(dict.fromkeys(cell for cell in cells if isinstance(cell, str)))
    if sum(DIGIT.search(text) is None for text in texts) > len(cells) * (1 - SHARE):
        return {}, []                                        # seen at a glance
    texts = [text for text in texts if not is_empty(text)]
    plain = [text for text in texts if cell_number(clean(text)) is not None]
    said = [cell for cell in cells if not is_empty(cell)]
    if len(plain) == len(texts) or are_codes(said):
        return {}, []
    unit = common_unit(texts)
    found = {}
    for text in texts:
        number = loose_number(clean(text).removesuffix(unit))
        if number is not None:
            found[text] = f"{number:.12g}%" if "%" in normalise(text) else number
    percent = [text for text in found if "%" in normalise(text)]
    numbers = sum(not isinstance(cell, str) or cell in found for cell in said)
    if numbers < max(SHARE * len(said), 3) or len(percent) not in (0, len(found)):
        return {}, []
    return found, [text for text in found if text not in plain]


def common_unit(texts):
    """What most cells have behind their number, as 人 in 12人 and 约8人; else nothing."""
    found = [match[1] for match in map(UNIT.fullmatch, map(clean, texts)) if match]
    units = [unit for unit in found if unit.lower() in MEASURES]
    if not units:
        return ""
    unit, count = collections.Counter(units).most_common(1)[0]
    return unit if 2 * count > len(texts) else ""
