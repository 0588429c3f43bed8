"""What a question asks for, in which words, and what is said around it."""

import re
from dataclasses import dataclass, field

from nl2sql.grammar.drafts import draft_by_name, draft_by_rows
from nl2sql.grammar.sample_tables import distinct
from nl2sql.grammar.texts import phrases, say
from nl2sql.sql import AVG, COUNT, MAX, MIN, NONE, SUM

ASKED = 0.35                       # share of questions for a value that have a verb of their own: 卖了多少钱
CHAT = 0.12                        # share of questions with something irrelevant in front
RULES = {AVG: "avg", MAX: "max", MIN: "min", SUM: "sum"}


@dataclass
class Asked:
    """A question without what is said around it, and what it selects."""

    text: str
    is_noun: bool                    # a noun phrase, 腾讯的营收, and no sentence
    columns: list
    aggregates: list = field(default_factory=list)

    def __post_init__(self):
        self.aggregates = self.aggregates or [NONE for _ in self.columns]

    @property
    def is_number(self):
        """Whether the answer is a number, or several."""
        kinds = zip(self.columns, self.aggregates)
        return all(column.spec.kind == "number" or aggregate == COUNT for column, aggregate in kinds)


def make_question(table, rng):
    """A record in TableQA's format, or None where the dice fell so that there is nothing to ask."""
    share = 0.7 if table.schema.cross else 0.4
    draw = draft_by_name if rng.random() < share else draft_by_rows
    draft = draw(table, rng)
    if draft is None:
        return None
    rows = draft.rows()
    if not rows:
        return None
    ask = ask_of_name if draft.named else ask_of_rows
    asked = ask(draft, rows, rng)
    if asked is None or len(rows) == table.size and draft.conditions and rng.random() < 0.7:
        return None
    sql = {"sel": [column.number for column in asked.columns], "agg": asked.aggregates,
           "cond_conn_op": draft.connector, "conds": [condition.record() for condition in draft.conditions]}
    return {"question": wrap(asked, draft.told, rng), "table_id": table.id, "sql": sql}


def ask_of_name(draft, rows, rng):
    """What is asked of rows that are named: their values, or of several the average and so on."""
    chance = rng.random()
    if draft.several and len(rows) > 1 and chance < 0.3:
        return ask_aggregate(draft, rng)
    return ask_columns(draft, rng)


def ask_of_rows(draft, rows, rng):
    """What is asked of rows that meet conditions: how many, the average and so on, which, or their values."""
    chance = rng.random()
    share = 0.14 if draft.conditions else 0.3
    if chance < share and not draft.table.schema.cross:
        return ask_count(draft, rng)
    if chance < 0.38 or not draft.conditions:
        return ask_aggregate(draft, rng) if len(rows) > 1 else None
    if chance < 0.72:
        return ask_names(draft, rng)
    return ask_columns(draft, rng)


# ----------------------------------------------------------------------------------------------------- values

def choose_columns(columns, rng):
    """One column in most questions, two in some, three in a few."""
    count, = rng.choices([1, 2, 3], [82, 15, 3])
    return rng.sample(columns, min(len(columns), count))


def ask_columns(draft, rng):
    """For one or more columns of the rows; None where none is free."""
    free = draft.free_columns()
    if not free:
        return None
    columns = choose_columns(free, rng)
    if len(columns) == 1:
        return ask_value(columns[0], draft, rng)
    if len(columns) == 2 and rng.random() < 0.4:
        return ask_one_by_one(columns, draft, rng)
    if rng.random() < 0.45 and not draft.told:
        return Asked(say("values_np", rng, l=list_of(columns, rng), **draft.slots), True, columns)
    rule = draw_rule("values", draft, rng)
    listed, asked = list_of(columns, rng), what_all(columns)
    return Asked(say(rule, rng, l=listed, w=asked, **draft.slots), False, columns)


def ask_value(column, draft, rng):
    """For one column: 腾讯卖了多少钱, 腾讯的营收, 腾讯的营收是多少."""
    verb = ask_by_verb(column, rng) if rng.random() < ASKED else None
    if verb:
        return Asked(say("{S}{q}", rng, q=verb, **draft.slots), False, [column])
    if rng.random() < 0.45 and not draft.told:
        return Asked(say("value_np", rng, n=column.noun(rng), **draft.slots), True, [column])
    rule = draw_rule("value", draft, rng)
    noun, asked = column.noun(rng), what(column, rng)
    return Asked(say(rule, rng, n=noun, w=asked, **draft.slots), False, [column])


def ask_one_by_one(columns, draft, rng):
    """For two columns, each with a question of its own: 导演是谁，卖了多少钱."""
    first, second = columns
    verb, verb2 = ask_by_verb(first, rng), ask_by_verb(second, rng)
    rules = phrases()["values_one_by_one"]
    if not verb:
        rules = [rule for rule in rules if "{q}" not in rule]
    if not verb2:
        rules = [rule for rule in rules if "{q2}" not in rule]
    rule = rng.choice(rules)
    slots = {"q": verb, "q2": verb2, "n": first.noun(rng), "n2": second.noun(rng)}
    slots |= {"w": what(first, rng), "w2": what(second, rng)}
    return Asked(say(rule, rng, **slots, **draft.slots), False, columns)


def draw_rule(name, draft, rng):
    """A wording, without a comma where the subject has one already."""
    rules = phrases()[name]
    if draft.told:
        rules = [rule for rule in rules if "，" not in rule]
    return rng.choice(rules)


def ask_by_verb(column, rng):
    """A question for one column without its name, 卖了多少钱, or None."""
    return rng.choice(column.asks) if column.asks and rng.random() < 0.9 else None


def what(column, rng):
    """是多少, 是谁, 是什么."""
    kind = column.spec.kind
    if column.type == "real" and kind != "year":
        kind = "number"
    return say("what_" + kind, rng)


def what_all(columns):
    """是多少 or 是谁 where it fits all columns, else 是什么."""
    kinds = distinct([column.spec.kind for column in columns])
    if len(kinds) > 1:
        return "是什么"
    return {"number": "是多少", "who": "是谁"}.get(kinds[0], "是什么")


def list_of(columns, rng):
    """收盘价、市值和行业"""
    *names, last = [column.noun(rng) for column in columns]
    if not names:
        return last
    return "、".join(names) + say("list", rng) + last


# -------------------------------------------------------------------------------- names, numbers of, averages

def ask_names(draft, rng):
    """Which rows, alone or with other columns."""
    free, key = draft.free_columns(), draft.table.key
    if not free or rng.random() < 0.72:
        if rng.random() < 0.35:
            return Asked(say("find_np", rng, **draft.slots), True, [key])
        return Asked(say("find", rng, **draft.slots), False, [key])
    columns = choose_columns(free, rng)[:2]
    names = list_of(columns, rng)
    if rng.random() < 0.35:
        return Asked(say("find_values_np", rng, l=names, **draft.slots), True, [key, *columns])
    rows = say("find", rng, **draft.slots)
    said = say("find_values", rng, T=rows, l=names, w=what_all(columns), **draft.slots)
    return Asked(said, False, [key, *columns])


def ask_count(draft, rng):
    """How many rows."""
    key = draft.table.key
    if not draft.conditions:
        return Asked(say("count_all", rng, **draft.slots), False, [key], [COUNT])
    if rng.random() < 0.25:
        return Asked(say("count_np", rng, **draft.slots), True, [key], [COUNT])
    return Asked(say("count", rng, **draft.slots), False, [key], [COUNT])


def ask_aggregate(draft, rng):
    """Average, largest, smallest, sum of a column of numbers, sometimes of two at once; or None."""
    free = [column for column in draft.free_columns() if column.spec.kind == "number"]
    free = [column for column in free if column.spec.unit != "名"]              # no average of ranks
    if not free:
        return None
    count = 2 if rng.random() < 0.1 else 1
    columns = rng.sample(free, min(len(free), count))
    aggregates = [draw_aggregate(column, rng) for column in columns]
    nouns = [column.noun(rng) for column in columns]
    parts = [aggregate_of(*part, rng) for part in zip(nouns, aggregates, columns)]
    if len(columns) == 2:
        said = draft.slots["S"] + "的" + parts[0] + say("list", rng) + parts[1]
        if rng.random() < 0.6:
            return Asked(said + "分别是多少", False, columns, aggregates)
        return Asked(said, True, columns, aggregates)
    column, aggregate, noun = columns[0], aggregates[0], nouns[0]
    verb = ask_by_verb(column, rng)
    if can_be_averaged(verb) and aggregate in (AVG, SUM) and rng.random() < ASKED:
        return Asked(say(RULES[aggregate] + "_ask", rng, q=verb, **draft.slots), False, columns, aggregates)
    if rng.random() < 0.3:
        return Asked(draft.slots["S"] + "的" + parts[0], True, columns, aggregates)
    said = say(RULES[aggregate] + plain_of(noun), rng, n=noun, **draft.slots, **column.slots())
    return Asked(said, False, columns, aggregates)


def draw_aggregate(column, rng):
    """AVG, MAX, MIN, and SUM where a sum makes sense."""
    return rng.choices(list(RULES), [25, 25, 25, 40 if column.spec.summable else 0])[0]


def aggregate_of(noun, aggregate, column, rng):
    """平均票房, 票房总和."""
    return say(RULES[aggregate] + "_np" + plain_of(noun), rng, n=noun, **column.slots())


def plain_of(noun):
    """The ending of the wordings for nouns that say an aggregate themselves: 平均气温 has no 平均平均气温."""
    return "_plain" if re.search("平均|均|最|总|合计|累计", noun) else ""


def can_be_averaged(verb):
    """Whether 平均 can stand before a question's verb: 平均卖了多少, not 平均贵不贵."""
    return verb and re.search("多|几", verb) and not re.search("最|均|总|共|每|一", verb)


# ------------------------------------------------------------------------------------- what is said around it

def wrap(asked, told, rng):
    """The question with 请问, 谢谢, 你知道…吗 and what else is said around it."""
    said = say(frame_of(asked, told), rng, N=asked.text, Q=asked.text)
    said = re.sub("(呢|来着|吗)[吗么嘛啊呀呢哦]$", r"\1", said)
    if rng.random() < CHAT:
        said = say("chat", rng) + said
    marks = ["？", "？", "", "", "", "?"]
    if re.search("谢|急|啦|了$", said[-3:]):
        marks = ["", "。"]
    end = rng.choice(marks)
    if rng.random() < 0.02:
        end = (end or "，") + say("close", rng)
    return said + end


def frame_of(asked, told):
    """Which wordings stand around a question."""
    if asked.is_noun:
        return "frame_np_number" if asked.is_number else "frame_np"
    if told:
        return "frame_told"
    if re.search("，.*的$|呢|如果|有没有", asked.text):        # 票房是多少，大海的: not inside 你知道…吗
        return "frame_plain"
    return "frame_q"
