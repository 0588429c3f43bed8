"""Conditions that are true of a row drawn before, and the words for them."""

import re
from dataclasses import dataclass

from nl2sql.grammar.bounds import between, bound
from nl2sql.grammar.mentions import write_cell
from nl2sql.grammar.sample_tables import Column
from nl2sql.grammar.spoken_numbers import chinese, decimal, write_number, write_year
from nl2sql.grammar.texts import say
from nl2sql.sql import AND, EQ, GT, LT, NE, OR

OMITTED = 0.45            # share of conditions on a cell that do not name the column, where cell or verb does
NAMES = {GT: "gt", LT: "lt", EQ: "eq", NE: "ne"}


@dataclass
class Condition:
    """column operator value, and the ways to say it."""

    column: Column
    operator: int
    value: object
    clause: str = ""          # as a predicate: 票房超过5亿
    before: str = ""          # before a noun: 票房超过5亿的, 喜剧
    said: str = ""            # the value, where it may stand alone as an adverb

    def __post_init__(self):
        if self.clause and not self.before:
            self.before = self.clause + "的"

    def holds(self, row):
        """Whether the condition is true of a row."""
        cell = self.column.cells[row]
        if self.operator == GT:
            return cell > self.value
        if self.operator == LT:
            return cell < self.value
        return (cell == self.value) == (self.operator == EQ)

    def record(self):
        """The condition as TableQA has it."""
        value = self.value if isinstance(self.value, str) else decimal(self.value)
        return [self.column.number, self.operator, value]


# ----------------------------------------------------------------------------------------- columns of numbers

def compare(column, operator, row, table, rng, bare=0.12):
    """A Condition on a column of numbers that is true of this row.

    Args:
        bare: share of numbers that leave it to their unit to tell the column.
    """
    year, is_order = column.spec.kind == "year", operator in (GT, LT)
    if operator == EQ:
        value, clear = column.cells[row], True
    elif operator == NE:
        value, clear = column.cells[rng.randrange(table.size)], True
    else:
        value, clear = bound(column.cells, column.cells[row], operator, year, rng)
    verbs = [saying for saying in column.sayings if saying.strip("~!")]
    by_verb = rng.random() < OMITTED and verbs and operator != NE and value >= 0
    if year and by_verb:
        return condition_on_year(column, operator, value, verbs, rng)
    if year:
        mention = write_year(value, rng)
        name = NAMES[operator] + "_year" if is_order else NAMES[operator]
        clause = column.noun(rng) + say(name, rng, v=mention)
        return Condition(column, operator, value, clause, said=mention)
    loose = "_loose" if clear and is_order else ""                # 不低于 is as good as 超过
    if by_verb:
        clause = clause_by_verb(column, operator, value, verbs, loose, rng)
    else:
        clause = clause_by_name(column, operator, value, bare, loose, rng)
    return Condition(column, operator, value, clause)


def condition_on_year(column, operator, value, verbs, rng):
    """是2015年以后上映的: the year is said with a verb."""
    said = mention = write_year(value, rng)
    if operator != EQ:
        said = say("when_" + NAMES[operator], rng, v=mention)
    done = rng.choice(verbs).replace("~", said)
    return Condition(column, operator, value, f"是{done}的", f"{done}的", mention)


def clause_by_name(column, operator, value, bare, loose, rng):
    """票房超过5亿, or 超过5亿元 where the unit tells the column."""
    bare = operator in (GT, LT) and column.alone and rng.random() < bare
    mention = write_number(value, column.unit, rng, bare)
    noun = "" if bare else column.noun(rng)
    return apart(noun, say(NAMES[operator] + loose, rng, v=mention, **column.slots()))


def clause_by_verb(column, operator, value, verbs, loose, rng):
    """卖了5亿以上: the verb tells the column."""
    verb, mention = rng.choice(verbs), write_number(value, column.unit, rng, True)
    if not verb.endswith("*"):                              # 300名员工, not 300人员工
        measure = "" if "万" in mention else rng.choice("名个")
        mention = re.sub("(?<=[0-9一-龥])个?人$", measure, mention)
    return verb.replace("*", say(NAMES[operator] + "_object" + loose, rng, v=mention))


def apart(noun, said):
    """PM2.5在100以下: the figures of a name and of a value do not run together."""
    if re.search(r"\d$", noun) and re.match(r"-?\d", said):
        return noun + "在" + said
    return noun + said


def within(column, row, table, rng):
    """A range that this row is in, as two Conditions and one wording; None where a bound would be a cell."""
    year = column.spec.kind == "year"
    low, clear_low = bound(column.cells, column.cells[row], GT, year, rng)
    high, clear_high = bound(column.cells, column.cells[row], LT, year, rng)
    if not (year or clear_low and clear_high):
        return None
    unit, rule = column.unit.split("/")[0], "range"
    if year:
        v, w, rule = write_year(low, rng), write_year(high, rng), "range_year"
    elif rng.random() < 0.25 and chinese(low) and chinese(high) and not unit.startswith("%"):
        v, w = chinese(low), chinese(high) + unit
    else:                                                       # 5000到8000万元, 5000万元到8000万元
        v, w = decimal(low) + rng.choice(["", unit]), decimal(high) + unit
    noun = column.noun(rng)
    clause = apart(noun, say(rule, rng, v=v, w=w, **column.slots()))
    return [Condition(column, GT, low, clause), Condition(column, LT, high)]


def both(columns, row, operator, rng):
    """Two columns of one unit and the same bound, said once: 2018年和2019年都超过1元; or None."""
    values = [column.cells[row] for column in columns]
    low, high = min(values), max(values)
    number = between(low * 0.5, low, 1, rng) if operator == GT else between(high, high * 1.5, 1, rng)
    if number is None or any(number in column.cells for column in columns) or low <= 0:
        return None
    first, second = columns
    said = say(NAMES[operator], rng, v=write_number(number, first.unit, rng), **first.slots())
    clause = say("both", rng, n=first.noun(rng), x=second.noun(rng), c=said)
    return [Condition(first, operator, number, clause), Condition(second, operator, number)]


# ------------------------------------------------------------------------------------------- columns of texts

def equate(column, operator, values, table, rng):
    """(a Condition on a column of texts, how its values are written).

    Args:
        operator: EQ or NE.
        values: a cell, or two, of which the condition names one or the other: the second condition is the
            caller's.
    """
    mentions = [write_cell(value, column, table, rng) for value in values]
    mention = mentions[0]
    for other in mentions[1:]:
        mention += say("or_values", rng) + other
    if operator == NE:
        clause, before = say_unequal(column, mention, rng)
    else:
        clause, before = say_equal(column, mention, rng)
    return Condition(column, operator, values[0], clause, before, mention), mentions


def say_equal(column, mention, rng):
    """(predicate, attribute): 导演是王伟 or 是王伟导演的, and 王伟导演的.

    The attribute is empty where it is the predicate with 的.
    """
    verbs, bare = verbs_of(column)
    if rng.random() >= OMITTED or not (verbs or bare):
        return say(kind_of_name(column), rng, n=column.noun(rng), v=mention), ""
    if verbs:
        rule = "doing_who" if column.spec.kind == "who" else "doing"
        clause = say(rule, rng, d=put(mention, rng.choice(verbs)))
    else:
        clause = say(kind_of_name(column), rng, n=column.noun(rng), v=mention)
    saying = rng.choice(verbs + bare * 2)
    before = put(mention, saying)
    return clause, before if "+" in saying else before + "的"


def say_unequal(column, mention, rng):
    """(predicate, attribute): 不是王伟导演的; the attribute is empty where it is the predicate with 的."""
    verbs, _ = verbs_of(column)
    spoken = rng.random() < OMITTED
    if spoken and verbs:
        done = put(mention, rng.choice(verbs))
        return f"不是{done}的", f"不是{done}的"
    clause = say("is_not", rng, n=column.noun(rng), v=mention)
    if spoken and column.alone:
        return clause, say("except", rng, v=mention) + "的"
    return clause, ""


def verbs_of(column):
    """(sayings with a verb, sayings of the value alone that are no adverbs)."""
    verbs = [saying for saying in column.sayings if saying.strip("~+!")]
    bare = [saying for saying in column.sayings if not saying.strip("~+!") and "!" not in saying]
    return verbs, bare


def put(mention, saying):
    """~导演 with the value in its place."""
    return saying.strip("+!").replace("~", mention)


def kind_of_name(column):
    """Which wordings say that the column is something: 导演是, 类型为."""
    if column.spec.kind == "who":
        return "is_who"
    if re.search("(类型|类别|级别|等级|题材|行业)$", column.name):
        return "is_kind"
    return "is"


# ---------------------------------------------------------------------------------------------------- several

def join(conditions, connector, rng):
    """(predicate, attribute) for all conditions: one after the other, or each in front of the noun."""
    said = [condition for condition in conditions if condition.clause]
    times = [condition for condition in said if condition.column.spec.adverb and condition.operator == EQ]
    if connector == AND and times and len(said) > 1 and rng.random() < 0.8:           # 2018年营收超过5亿
        rest = [condition for condition in conditions if condition is not times[0]]
        clause, before = join(rest, connector, rng)
        return times[0].said + clause, times[0].said + before
    if not said:
        return "", ""
    clause, word = said[0].clause, "and" if connector == AND else "or"
    for condition in said[1:]:
        clause += say(word, rng) + condition.clause
    if len(said) == 1:
        return clause, said[0].before
    if rng.random() < 0.5:
        return clause, attributive(clause)
    return clause, join_attributes(said, connector, rng)


def join_attributes(conditions, connector, rng):
    """票房超过5亿的、王伟导演的喜剧: 喜剧 stands next to its noun."""
    *others, last = sorted(conditions, key=lambda condition: not condition.before.endswith("的"))
    said = ""
    for condition in others:
        said += attributive(condition.before)
        said += say("or_verbs", rng) if connector == OR else rng.choice(["", "、", "而且", "并且"])
    return said + last.before


def attributive(said):
    """With one 的 at its end."""
    return said if said.endswith("的") else said + "的"
