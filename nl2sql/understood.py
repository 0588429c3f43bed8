"""A query in Chinese words, so that who cannot read SQL sees what was understood. No Keras in here.

    understood(query, table)      取“借出次数”最大的 3 行，列出“书名”
"""

from nl2sql.cells import cell_text
from nl2sql.sql import AVG, COUNT, EQ, GE, GT, LE, LT, MAX, MIN, NE, SUM
from nl2sql.wide import BETWEEN, DISTINCT, Column, as_wide

SIGNS = {GT: "大于", LT: "小于", EQ: "是", NE: "不是", GE: "不小于", LE: "不大于"}
AGGREGATED = {0: "“{}”", AVG: "“{}”的平均值", MAX: "“{}”的最大值", MIN: "“{}”的最小值", SUM: "“{}”的总和",
              COUNT: "“{}”的行数", DISTINCT: "不同的“{}”有几个"}


def understood(query, table):
    """The parts of a Query or WideQuery in the order in which they take effect."""
    query = query if hasattr(query, "where") else as_wide(query)
    names, parts = table.columns, []
    if query.where:
        parts.append(f"满足 {'，且 '.join(group_in_words(group, names) for group in query.where)}")
    if query.group is not None:
        parts.append(f"按“{names[query.group]}”分组")
    if query.order:
        parts.append(order_in_words(query, names))
    chosen = "、".join(AGGREGATED[aggregate].format(names[column]) for column, aggregate in query.select)
    counted = [aggregate for _, aggregate in query.select if aggregate]
    parts.append(f"{'求' if counted else '列出'}{chosen}")
    return "，".join(parts)


def order_in_words(query, names):
    column, aggregate, descending = query.order
    key = AGGREGATED[aggregate].format(names[column])
    if query.limit is None:
        return f"按{key}从{'大到小' if descending else '小到大'}排列"
    unit = "行" if query.group is None else "组"
    return f"取{key}最{'大' if descending else '小'}的 {query.limit} {unit}"


def group_in_words(group, names):
    return " 或 ".join(condition_in_words(condition, names) for condition in group)


def condition_in_words(condition, names):
    column, operator, value = condition
    name = f"“{names[column]}”"
    if value is None:
        return f"{name}{'为空' if operator == EQ else '不为空'}"
    if operator == BETWEEN:
        return f"{name}在 {cell_text(value[0])} 到 {cell_text(value[1])} 之间"
    if isinstance(value, Column):
        return f"{name}{SIGNS[operator]}“{names[value.number]}”"
    return f"{name}{SIGNS[operator]} {cell_text(value)}"
