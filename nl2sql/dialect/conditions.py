"""Numbers, days and times → conditions: what stands before and behind a value says how it is compared.

    read_values(sentence)      adds groups of conditions as WideQuery.where has them

No Keras in here.
"""

import re
from dataclasses import replace

from nl2sql.dialect.periods import BARE_YEAR, Period, bounds, year_as_written
from nl2sql.dialect.value_columns import UNIT, columns_of, conversion, use_unit
from nl2sql.dialect.words import (
    AFTER,
    DIRECTIONS,
    GREATEST,
    LEAST,
    UNTIL,
    WORDS_BEFORE,
    WORDS_BEHIND,
    any_of,
)
from nl2sql.sql import EQ, GE, GT, LE, LT, NE
from nl2sql.wide import BETWEEN, Column

BEFORE = f"({any_of(WORDS_BEFORE)})(?:了|在|到|于|有|过)*"
BEHIND = re.compile(f"({any_of(WORDS_BEHIND)})")
PERIOD_BEHIND = re.compile(f"(?:的)?({any_of([*AFTER, *UNTIL])})")
RANGE, CLOSED = re.compile("[到至~—–-]+"), "(?:之间|中间|之内|范围|以内|区间)"
HIGHER = any_of(word for word, (direction, _) in DIRECTIONS.items() if direction == GREATEST)
LOWER = any_of(word for word, (direction, _) in DIRECTIONS.items() if direction == LEAST)


def read_values(sentence):
    """Adds the conditions of columns against columns, of numbers, days and times of day."""
    columns_against_columns(sentence)
    read_passed(sentence)
    values = sentence.of("number", "period", "time")
    skip = None
    for value, following in zip(values, [*values[1:], None]):
        if value is skip or value.used:
            continue
        pair = following and as_range(sentence, value, following)
        if pair:
            skip = following
            add_range(sentence, *pair, following)
        else:
            add_value(sentence, value)


# ----------------------------------------------------------------------------------------- column and column

def columns_against_columns(sentence):
    """现有量低于安全量, 语文比数学高, 号源等于已挂."""
    columns = sentence.columns("number", "year", "date", "time")
    for left, right in zip(columns, columns[1:]):
        operator = operator_between(sentence, left, right)
        if left.used or operator is None:
            continue
        second = sentence.pick(right, "number", "year", "date", "time")
        kind = sentence.facts.kinds[second]
        same = [column for column in left.value if sentence.facts.kinds[column] == kind and column != second]
        if same:
            first = sentence.choice(left.start, left.end, same)
            sentence.add(left.start, right.end, (first, operator, Column(second)))
            sentence.use(left, right)


def operator_between(sentence, left, right):
    """The operator that stands between the names of two columns, and behind them in 语文比数学高."""
    between = sentence.between(left, right)
    plain = re.fullmatch(f"(?:的|还|都|也|已经|却|又|要|量|数|额|值)*(?:{BEFORE})", between)
    higher = sentence.behind(f"的?(?:还|要|更|都)*(?:(?:{HIGHER})|(?P<low>{LOWER}))", right.end)
    equal = sentence.behind("(?:相同|相等|一样|一致)(?:多|高|大)?", right.end)
    equals = plain and plain[1] in ("等于", "=", "正好", "刚好")
    if plain and plain[1] != "比" and (equals or WORDS_BEFORE[plain[1]] != EQ):
        sentence.spans.append((left.end, right.start))
        return WORDS_BEFORE[plain[1]]
    if re.fullmatch("(?:都|还|也|要)*比", between) and higher:
        sentence.spans.append((left.end, higher.end()))
        return LT if higher["low"] else GT
    if re.fullmatch("[和跟与]", between) and equal:
        sentence.spans.append((left.end, equal.end()))
        return EQ
    return None


def read_passed(sentence):
    """及格 and 不及格 of a column of marks that is named before it."""
    for match in re.finditer("(不)?及格(?!率|线)", sentence.text):
        named = [token for token in sentence.columns("number") if token.end <= match.start()]
        if named:
            named[-1].used = True
            column = sentence.pick(named[-1], "number")
            sentence.use_match(match)
            sentence.add(*match.span(), (column, LT if match[1] else GE, 60.0))


# --------------------------------------------------------------------------------------------------- ranges

def as_range(sentence, low, high):
    """The two ends of a range as tokens of one kind, or None: 20到30, 2020-2022年, 5月到7月, 介于3和5之间."""
    between = sentence.between(low, high)
    if not re.fullmatch(f"{UNIT.pattern}(?:{RANGE.pattern}|和|与)", between):
        return None
    closed = sentence.behind(f"{UNIT.pattern}{CLOSED}", high.end)
    if not RANGE.search(between) and not closed:
        return None
    if low.kind == "number" and high.kind == "period" and BARE_YEAR.fullmatch(sentence.words(low)):
        low.kind, low.value = "period", Period(int(sentence.words(low)))
    if low.kind != high.kind:
        return None
    if low.kind == "period" and high.value.year is None and low.value.year and high.value.months:
        high.value = Period(low.value.year, high.value.months, high.value.day)
    if low.kind == "number":
        unit = high.value
        if (low.value.factor == 1 and unit.factor != 1) or (unit.percent and not low.value.percent):
            low.value = replace(low.value, factor=unit.factor, percent=unit.percent)
    return low, high


def add_range(sentence, low, high, last):
    columns = columns_of(sentence, high, low.start)
    use_unit(sentence, low)
    use_unit(sentence, high)
    column = columns[0] if columns else None
    closing = sentence.behind(f"(?:的)?{CLOSED}(?:的|内)?", sentence.spans[-1][1])
    if closing:
        sentence.use_match(closing)
    opening = sentence.before("介于|处于|处在|在|从|位于", low.start)
    if opening:
        sentence.use_match(opening)
    if column is None:
        return
    sentence.use(low, high)
    sentence.spans.append((low.end, high.start))
    first, final = limits(sentence, low, column)[0], limits(sentence, high, column)[1]
    negated = sentence.negation(low.start)
    if negated:
        sentence.use_match(negated)
        sentence.add(low.start, last.end, (column, LT, first), (column, GT, final))
    else:
        sentence.add(low.start, last.end, (column, BETWEEN, (first, final)))


# --------------------------------------------------------------------------------------------------- values

def add_value(sentence, value):
    if value.kind == "number" and is_of_tens(sentence, value):
        return
    operator = operator_of(sentence, value)
    columns = columns_of(sentence, value, value.start)
    if not columns:
        return
    value.used = True
    for column in columns:
        sentence.add(value.start, value.end, *comparison(sentence, value, column, operator))


def comparison(sentence, value, column, operator):
    """The conditions that a value means with an operator: a range for a month, behind it what is later."""
    least, greatest = limits(sentence, value, column)
    if operator in (EQ, NE) and least != greatest:
        if operator == EQ:
            return ((column, BETWEEN, (least, greatest)),)
        return ((column, LT, least), (column, GT, greatest))
    if operator == GT and value.kind == "period" and not has_after(sentence, column, greatest):
        operator = GE                                    # nothing is later: the year itself is meant, too
    # after a year is after its last day, up to it is up to its last day
    return ((column, operator, greatest if operator in (GT, LE) else least),)


def has_after(sentence, column, greatest):
    return any(cell > greatest for cell in sentence.facts.table.cells(column))


def limits(sentence, value, column):
    """(least, greatest) of what a value means in a column."""
    if value.kind == "period":
        return bounds(value.value, column, sentence.facts)
    if value.kind == "time":
        return value.value, value.value
    if sentence.facts.table.types[column] != "real":     # years as texts
        return year_as_written(int(value.value.value), sentence.facts.table.cells(column))
    found = sentence.facts.table.matcher.reading(value.value, column)
    times = conversion(sentence, value, column)
    if times != 1:
        found = float(f"{value.value.value * times:.12g}")
    return found, found


def is_of_tens(sentence, value):
    """三十多岁 and 30几: from 30 to below 40."""
    more = sentence.behind("[多几来](?=岁|个|万|元|块|人)", value.end)
    if not more or value.value.mantissa % 10 or sentence.words(value)[-1] in "百千万亿":
        return False
    columns = columns_of(sentence, value, value.start)
    if columns:
        least = limits(sentence, value, columns[0])[0]
        sentence.add(value.start, more.end(), (columns[0], GE, least))
        sentence.add(value.start, more.end(), (columns[0], LT, least + 10 * value.value.factor))
        sentence.use(value)
        sentence.spans.append((value.start, UNIT.match(sentence.text, more.end()).end()))
    return bool(columns)


def is_a_verb(sentence, behind, value):
    """Whether 开始 is what the rows did in 2023年开始的项目, and no 从2023年开始."""
    return behind[1] == "开始" and not sentence.before("[从自打由]", value.start)


def operator_of(sentence, value):
    """What the words before and behind a value say."""
    if value.kind == "number" and sentence.words(value)[0] in "过上破超":
        use_unit(sentence, value)
        return GE if sentence.words(value)[0] == "上" else GT          # 上万, 过亿
    text = sentence.text
    before = sentence.before(BEFORE, value.start)
    unit = use_unit(sentence, value)
    if value.kind != "number":
        behind = PERIOD_BEHIND.match(text, value.end)
        if behind and not is_a_verb(sentence, behind, value):
            sentence.use_match(behind)
            day = value.kind == "period" and value.value.day is not None
            operator = (AFTER | UNTIL)[behind[1]]
            return GT if operator == GE and day and behind[1] == "以后" else operator
    behind = BEHIND.match(text, unit) or BEHIND.match(text, value.end)
    if value.kind == "number" and behind is None:
        late = PERIOD_BEHIND.match(text, unit)
        is_year = BARE_YEAR.fullmatch(sentence.words(value))
        if late and is_year and not is_a_verb(sentence, late, value):
            sentence.use_match(late)
            return (AFTER | UNTIL)[late[1]]
    negated = sentence.negation(before.start() if before else value.start)
    if before and WORDS_BEFORE[before[1]] not in (EQ,):
        if negated and not behind:
            sentence.use_match(negated)
            sentence.use_match(before)
            return {GT: LE, LT: GE, GE: LT, LE: GT, NE: EQ}[WORDS_BEFORE[before[1]]]
        if not behind:
            sentence.use_match(before)
            return WORDS_BEFORE[before[1]]
    if behind:
        sentence.use_match(behind)
        return WORDS_BEHIND[behind[1]]
    if before:
        sentence.use_match(before)
        negated = sentence.negation(before.start()) if before[1] != "为" else negated
    if negated:
        sentence.use_match(negated)
    return NE if negated else EQ
