"""Queries beyond TableQA's: what SQL has and the article's four heads cannot say. No Keras in here.

    WideQuery(select=((0, 0),), order=(2, 0, True), limit=5)        the first five by column 2
    WideQuery(((1, 0), (0, COUNT)), group=1)                        how many of each
    WideQuery(((0, 0),), where=(((3, LT, Column(4)),),))            one column against another

Still a query is built from numbers of columns, operators and aggregates alone, and its values are bound.
"""

from dataclasses import dataclass

from nl2sql.cells import cell_text
from nl2sql.sql import AGGREGATES, AND, COUNT, EQ, OPERATORS, OR, Query, quoted

BETWEEN, DISTINCT = 6, 6                       # numbers behind sql's operators and aggregates
SIGNS = (">", "<", "=", "<>", ">=", "<=")


@dataclass(frozen=True)
class Column:
    """A column as the value of a condition: 现有量 < 安全量."""

    number: int


@dataclass(frozen=True)
class WideQuery:
    """SELECT ... WHERE (... OR ...) AND ... GROUP BY ... ORDER BY ... LIMIT ...

    Args:
        select: (column, aggregate) pairs; the aggregate DISTINCT is COUNT(DISTINCT column).
        where: groups of conditions (column, operator, value): in each group one must hold. A value is a text,
            a number, None, a Column, or for BETWEEN a pair.
        distinct: whether equal rows are one.
        group: the column of GROUP BY.
        order: (column, aggregate, whether the greatest comes first).
        limit: rows at most.
    """

    select: tuple
    where: tuple = ()
    distinct: bool = False
    group: int | None = None
    order: tuple | None = None
    limit: int | None = None

    def check(self, columns):
        """Raises ValueError for a number that names no column."""
        named = [column for column, _ in self.select]
        named += [column for group in self.where for column, *_ in group]
        named += [value.number for _, value in self.values() if isinstance(value, Column)]
        named += [column for column in (self.group, (self.order or (None,))[0]) if column is not None]
        if not self.select or not all(0 <= column < columns for column in named):
            raise ValueError(f"expected columns 0 to {columns - 1}. Received: {named}")

    def values(self):
        """(column, value) of each condition, two of a BETWEEN."""
        found = []
        for column, operator, value in (condition for group in self.where for condition in group):
            if operator == BETWEEN:
                found += [(column, part) for part in value]
            elif value is not None:
                found.append((column, value))
        return found

    def bound(self):
        """(column, value) of the values that a statement binds: columns and nothing are written in it."""
        return [pair for pair in self.values() if not isinstance(pair[1], Column)]

    def sql(self, columns, table, marks):
        """The statement with these marks in the values' places."""
        names, marks = [quoted(name) for name in columns], iter(marks)
        statement = "SELECT DISTINCT " if self.distinct else "SELECT "
        statement += ", ".join(aggregated(names[column], aggregate) for column, aggregate in self.select)
        statement += f" FROM {quoted(table)}"
        groups = [self._alternatives(group, names, marks) for group in self.where]
        if groups:
            statement += " WHERE " + " AND ".join(groups)
        if self.group is not None:
            statement += f" GROUP BY {names[self.group]}"
        if self.order:
            column, aggregate, descending = self.order
            key = aggregated(names[column], aggregate)
            empty = "" if aggregate in (COUNT, DISTINCT) else f"{key} IS NULL, "
            statement += f" ORDER BY {empty}{key}" + (" DESC" if descending else "")
        if self.limit is not None:
            statement += f" LIMIT {self.limit:d}"
        return statement

    def _alternatives(self, group, names, marks):
        written = [condition_text(condition, names, marks) for condition in group]
        if len(written) == 1 or len(self.where) == 1:
            return " OR ".join(written)
        return f"({' OR '.join(written)})"

    def simplest(self):
        """The same as TableQA's Query where that can say it, else itself."""
        conditions = [condition for group in self.where for condition in group]
        plain = all(operator < len(OPERATORS) and isinstance(value, (str, int, float))
                    for _, operator, value in conditions)
        known = all(aggregate < len(AGGREGATES) for _, aggregate in self.select)
        more = self.distinct or self.group is not None or self.order or self.limit is not None
        if more or not plain or not known or len(self.where) not in (1, len(conditions)):
            return self
        connector = OR if len(self.where) < len(conditions) else AND
        return Query(self.select, tuple(conditions), connector if len(conditions) > 1 else 0)

    def to_json(self):
        """Its parts; TableQA's form has no place for them."""
        where = [list(map(json_condition, group)) for group in self.where]
        return {"select": [list(pair) for pair in self.select], "where": where, "distinct": self.distinct,
                "group": self.group, "order": self.order and list(self.order), "limit": self.limit}


def aggregated(name, aggregate):
    """A column's name in its aggregate."""
    if aggregate == DISTINCT:
        return f"COUNT(DISTINCT {name})"
    return f"{AGGREGATES[aggregate]}({name})" if aggregate else name


def condition_text(condition, names, marks):
    """A condition as SQL; nothing equals NULL, so that has words of its own."""
    column, operator, value = condition
    if operator == BETWEEN:
        return f"{names[column]} BETWEEN {next(marks)} AND {next(marks)}"
    if value is None:
        return f"{names[column]} IS NULL" if operator == EQ else f"{names[column]} IS NOT NULL"
    other = names[value.number] if isinstance(value, Column) else next(marks)
    return f"{names[column]} {SIGNS[operator]} {other}"


def json_condition(condition):
    """A condition for JSON."""
    column, operator, value = condition
    return [column, (*OPERATORS, ">=", "<=", "between")[operator], json_value(value)]


def json_value(value):
    """A condition's value for JSON."""
    if isinstance(value, Column):
        return {"column": value.number}
    if isinstance(value, tuple):
        return [cell_text(part) for part in value]
    return None if value is None else cell_text(value)


def as_wide(query):
    """A Query of TableQA as a WideQuery."""
    if query.connector == OR:
        return WideQuery(query.select, (query.conditions,))
    return WideQuery(query.select, tuple((condition,) for condition in query.conditions))

