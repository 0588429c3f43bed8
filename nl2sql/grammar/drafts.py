"""A question in the making: of which rows it is, and how they are spoken of."""

import re
from dataclasses import dataclass

from nl2sql.grammar.conditions import Condition, attributive, both, compare, equate, join, within
from nl2sql.grammar.mentions import write_cell
from nl2sql.grammar.sample_tables import SampleTable, distinct
from nl2sql.grammar.spoken_numbers import DIGITS, write_year
from nl2sql.grammar.texts import say
from nl2sql.sql import AND, EQ, GT, LT, NE, OR


@dataclass
class Draft:
    """A question in the making.

    Its slots: C, A and D are the conditions as a predicate, as an attribute, and as one with 的. E is what a
    row is called, m its measure word, p its pronoun. k is the name column's name, and S the subject.
    """

    table: SampleTable
    conditions: list
    connector: int
    slots: dict
    several: bool = True
    named: bool = False              # the rows are told by name: there is no {A}{E}
    told: bool = False               # what is known is a sentence of its own: 它票房超过5亿，它的导演是谁

    def rows(self):
        """The rows of which the conditions are true."""
        if not self.conditions:
            return list(range(self.table.size))
        found = [self.is_met_by(row) for row in range(self.table.size)]
        return [row for row, met in enumerate(found) if met]

    def is_met_by(self, row):
        """Whether the conditions are true of a row."""
        holds = [condition.holds(row) for condition in self.conditions]
        return any(holds) if self.connector == OR else all(holds)

    def free_columns(self):
        """The columns to ask for: neither the rows' names nor in a condition."""
        used = [condition.column for condition in self.conditions]
        return [column for column in self.table.columns if column not in used and not column.spec.key]


def words_for(table, entity, rng):
    """The slots of measure word, the name column's name (but not 剧目 of a 剧目), and pronoun."""
    names = [name for name in table.key.nouns if name not in entity]
    pronoun = "他" if table.key.spec.kind == "who" else "它"
    return {"E": entity, "m": table.schema.measure, "k": rng.choice(names or ["名称"]), "p": pronoun}


# ---------------------------------------------------------------------------------- rows that meet conditions

def draft_by_rows(table, rng):
    """票房超过5亿的电影: a Draft with conditions on other columns than the name, or None."""
    conditions, connector = draw_conditions(table, rng)
    if conditions is None or len(conditions) == 1 and connector:
        return None
    clause, before = join(conditions, connector, rng)
    entity = rng.choice(table.schema.rows[:1] + table.schema.rows)
    slots = {"C": clause, "A": before, "D": attributive(before) if before else ""}
    slots |= words_for(table, entity, rng)
    slots["S"] = say("rows" if conditions else "everything", rng, **slots)
    return Draft(table, conditions, connector, slots)


def draw_conditions(table, rng):
    """(conditions, connector); the conditions are None where the dice fell so that there are none."""
    others = [column for column in table.columns if not column.spec.key]
    numbers = [column for column in others if column.type == "real" and column.spec.unit != "名"]
    texts = [column for column in others if column.type == "text" and not column.is_moment]
    style = rng.random()
    if style < 0.04 and not table.schema.cross:
        return [], 0
    if style < 0.38:
        return pick_conditions(table, rng, 1, 0, others), 0
    if style < 0.87:
        connector = AND if rng.random() < 0.7 else OR
        count = 3 if rng.random() < 0.15 else 2
        return pick_conditions(table, rng, count, connector, others), connector
    if style < 0.91 and numbers:
        column, row = rng.choice(numbers), rng.randrange(table.size)
        return within(column, row, table, rng), AND
    if style < 0.93 and len(numbers) > 1:
        return same_bound(numbers, table, rng), AND
    if texts:
        return one_or_other(rng.choice(texts), table, rng), OR
    return None, 0


def pick_conditions(table, rng, count, connector, columns):
    """So many conditions on different columns: true of one row (and), or each of a row of its own (or)."""
    row, conditions = rng.randrange(table.size), []
    for column in rng.sample(columns, min(count, len(columns))):
        if connector == OR:
            row = rng.randrange(table.size)
        pick = pick_number if column.type == "real" else pick_text
        conditions.append(pick(column, row, table, rng))
    return conditions


def pick_number(column, row, table, rng):
    """A condition on a column of numbers; ranks, and most years, are asked for as they are."""
    if column.spec.unit == "名" or column.spec.kind == "year" and rng.random() < 0.6:
        operator = EQ
    else:
        operator = rng.choices([GT, LT, EQ, NE], [58, 30, 9, 3])[0]
    return compare(column, operator, row, table, rng)


def pick_text(column, row, table, rng):
    """A condition on a column of texts: most often that it is this row's cell."""
    value = column.cells[row]
    operator = EQ
    if rng.random() < 0.12 and not column.is_moment:
        operator, value = NE, rng.choice(column.cells)
    condition, _ = equate(column, operator, [value], table, rng)
    return condition


def same_bound(numbers, table, rng):
    """2018年和2019年都超过1元: two columns of one unit; None where there are no two."""
    pairs = [(a, b) for a in numbers for b in numbers if a.number < b.number and are_comparable(a, b)]
    if not pairs:
        return None
    pair, row, operator = rng.choice(pairs), rng.randrange(table.size), rng.choice([GT, LT])
    return both(pair, row, operator, rng)


def are_comparable(a, b):
    return a.unit == b.unit and a.unit and "year" not in (a.spec.kind, b.spec.kind)


def one_or_other(column, table, rng):
    """行业是银行或者保险: two conditions on one column, said once; None where it has one cell only."""
    values = distinct(column.cells)
    if len(values) < 2:
        return None
    values = rng.sample(values, 2)
    condition, _ = equate(column, EQ, values, table, rng)
    return [condition, Condition(column, EQ, values[1])]


# ---------------------------------------------------------------------------------------- rows that are named

def draft_by_name(table, rng):
    """A Draft of rows told by name: 腾讯, 腾讯和百度, 2018年的腾讯, 腾讯营收超过5亿，它."""
    row = rng.randrange(table.size)
    entity = rng.choice([row for row in table.schema.rows if len(row) > 1])
    slots = words_for(table, entity, rng)
    style = rng.random()
    if style < 0.25 and len(distinct(table.key.cells)) > 1 and not table.times:
        return draft_of_names(table, slots, rng)
    condition, [mention] = equate(table.key, EQ, [table.key.cells[row]], table, rng)
    if table.times and rng.random() < 0.75:
        return draft_of_name_and_time(condition, mention, row, table, slots, rng)
    if style < 0.58 and not table.times:
        return draft_of_name_and_cell(condition, mention, row, table, slots, rng)
    slots["S"] = say("row_name", rng, v=mention, **slots)
    return Draft(table, [condition], 0, slots, several=bool(table.times), named=True)


def draft_of_names(table, slots, rng):
    """腾讯和百度: two or three names."""
    names = distinct(table.key.cells)
    count = 3 if rng.random() < 0.12 and len(names) > 2 else 2
    values = rng.sample(names, count)
    mentions = [write_cell(value, table.key, table, rng) for value in values]
    subject = mentions[0]
    for other in mentions[1:]:
        link = say("and_names", rng)
        if not link and re.search("[0-9A-Za-z]$", subject):
            link = "、"
        subject += link + other
    if rng.random() < 0.15:
        number = DIGITS[count].replace("二", "两")
        subject += f"这{number}{slots['m']}{slots['E']}"
    conditions = [Condition(table.key, EQ, value) for value in values]
    return Draft(table, conditions, OR, slots | {"S": subject}, named=True)


def draft_of_name_and_time(condition, mention, row, table, slots, rng):
    """2018年腾讯: one of the times at which there is a row of this name."""
    time = table.times[0]
    cell = time.cells[row]
    said = write_year(cell, rng) if time.spec.kind == "year" else cell
    subject = rng.choice([said + mention, said + "的" + mention, mention + said, mention + "在" + said,
                          mention + said, said + "，" + mention])
    conditions = [condition, Condition(time, EQ, cell)]
    return Draft(table, conditions, AND, slots | {"S": subject}, several=False, named=True)


def draft_of_name_and_cell(condition, mention, row, table, slots, rng):
    """王伟导演的最后的海岸: something else is known of the row."""
    column = rng.choice([column for column in table.columns if not column.spec.key])
    if column.type == "text":
        extra, _ = equate(column, EQ, [column.cells[row]], table, rng)
    else:
        operator = EQ
        if column.spec.unit != "名" and column.spec.kind != "year":
            operator = rng.choice([GT, GT, LT, EQ])
        extra = compare(column, operator, row, table, rng, bare=0)
    told = rng.random() < 0.5
    known = {"v": mention, "C": extra.clause, "D": attributive(extra.before)}
    slots["S"] = say("row_said" if told else "row_both", rng, **known, **slots)
    return Draft(table, [condition, extra], AND, slots, several=False, named=True, told=told)
