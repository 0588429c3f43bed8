"""The queries of the article as SQL, and a database that answers them and nothing else.

    query = Query(select=((2, 0),), conditions=((0, 2, "广州"), (1, 0, 100.0)), connector=1)
    with Database(table) as database:
        database.text(query)   # to read: SELECT "城市" FROM "sales" WHERE "省会" = '广州' AND "销售额" > 100
        database.rows(query)   # runs the same statement with the values bound, never written into it

No Keras in here. A query can only be built from the numbers of columns, operators and aggregates, so a
question has no way to say anything else; and the database that runs it allows no statement but SELECT on this
one table.
"""

import contextlib
import math
import sqlite3
import time
from dataclasses import dataclass

from common.harness.reading import InputError
from nl2sql.cells import cell_text

AGGREGATES = ("", "AVG", "MAX", "MIN", "COUNT", "SUM")     # TableQA's numbers, as those below
OPERATORS = (">", "<", "==", "!=")
CONNECTORS = ("", "and", "or")
NONE, AVG, MAX, MIN, COUNT, SUM = range(6)                 # places in AGGREGATES
GT, LT, EQ, NE = range(4)                                  # places in OPERATORS
GE, LE = 4, 5                                              # of wide.py; TableQA has none
AND, OR = 1, 2                                             # places in CONNECTORS
SQL_OPERATORS = (">", "<", "=", "<>")
SECONDS = 5.0         # a query over one table in memory that takes longer is given up
ROWS = 10_000         # more rows than anyone reads are not fetched
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
FUNCTIONS = {"avg", "max", "min", "count", "sum"}


@dataclass(frozen=True)
class Query:
    """What the article's model predicts: SELECT agg(column), ... WHERE column operator value connector ...

    Args:
        select: (column, aggregate) pairs, both as numbers.
        conditions: (column, operator, value) triples; a value is a string, or a number for a column of
            numbers.
        connector: 0 none, 1 and, 2 or.
    """

    select: tuple = ()
    conditions: tuple = ()
    connector: int = 0

    @classmethod
    def from_json(cls, sql):
        """The Query of TableQA's {"sel", "agg", "cond_conn_op", "conds"}, whose values are all strings.

        Raises:
            KeyError, TypeError, ValueError: not of that form.
        """
        columns, aggregates = map(int, sql["sel"]), map(int, sql["agg"])
        select = tuple(zip(columns, aggregates, strict=True))
        conditions = [(int(column), int(operator), str(value)) for column, operator, value in sql["conds"]]
        query = cls(select, tuple(conditions), int(sql["cond_conn_op"]))
        query.check()
        return query

    def bound(self):
        """(column, value) of the values that a statement binds."""
        return [(column, value) for column, _, value in self.conditions]

    def sql(self, columns, table, marks):
        """The statement with these marks in the values' places.

        Args:
            columns: names of all columns of the table.
            table: its name.
            marks: a text for each value of bound().
        """
        names, chosen, conditions = [quoted(name) for name in columns], [], []
        for column, aggregate in self.select:
            chosen.append(f"{AGGREGATES[aggregate]}({names[column]})" if aggregate else names[column])
        for (column, operator, _), mark in zip(self.conditions, marks):
            conditions.append(f"{names[column]} {SQL_OPERATORS[operator]} {mark}")
        statement = f"SELECT {', '.join(chosen)} FROM {quoted(table)}"
        if conditions:
            statement += " WHERE " + f" {CONNECTORS[self.connector].upper()} ".join(conditions)
        return statement

    def to_json(self):
        """TableQA's form of it."""
        columns = [column for column, _ in self.select]
        aggregates = [aggregate for _, aggregate in self.select]
        conditions = [[column, operator, cell_text(value)] for column, operator, value in self.conditions]
        return {"sel": columns, "agg": aggregates, "cond_conn_op": self.connector, "conds": conditions}

    def check(self, columns=math.inf):
        """Raises ValueError for a number that names no column, aggregate, operator or connector."""
        if not self.select:
            raise ValueError("a query expects at least one selected column. Received: none")
        for column in [column for column, *_ in (*self.select, *self.conditions)]:
            if not 0 <= column < columns:
                raise ValueError(f"expected columns 0 to {columns - 1}. Received: {column}")
        if not all(0 <= aggregate < len(AGGREGATES) for _, aggregate in self.select):
            raise ValueError(f"expected aggregates 0 to 5. Received: {self.select}")
        if not all(0 <= operator < len(OPERATORS) for _, operator, _ in self.conditions):
            raise ValueError(f"expected operators 0 to 3. Received: {self.conditions}")
        if self.connector not in (0, AND, OR) or (self.connector == 0 and len(self.conditions) > 1):
            raise ValueError(f"expected connector 1 or 2 between conditions, else 0. "
                             f"Received: {self.connector}")


class Database:
    """One table in an SQLite database in memory, in which nothing but SELECT on it is allowed.

    Args:
        table: a tables.Table.
        seconds: time limit of a query.

    Raises:
        InputError: SQLite cannot hold the table.
    """

    def __init__(self, table, seconds=SECONDS):
        self.table, self.seconds = table, seconds
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in zip(table.columns, table.types))
        marks = ", ".join("?" for _ in table.columns)
        try:
            self.connection.execute(f"CREATE TABLE {quoted(table.name)} ({columns})")
            self.connection.executemany(f"INSERT INTO {quoted(table.name)} VALUES ({marks})", table.rows)
        except (sqlite3.Error, OverflowError) as error:
            self.connection.close()
            raise InputError(f"the table {table.name} cannot be held by SQLite: {error}") from error
        self.connection.execute("PRAGMA query_only = ON")
        self.connection.execute("PRAGMA trusted_schema = OFF")
        self.connection.set_authorizer(self._allowed)      # from here on this database can only be read

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def statement(self, query):
        """The statement with a ? for each value, and the values."""
        values = [self._value(column, value) for column, value in query.bound()]
        return query.sql(self.table.columns, self.table.name, ["?"] * len(values)), values

    def text(self, query):
        """The statement with its values written out, for people: what runs has them bound."""
        values = [literal(self._value(column, value)) for column, value in query.bound()]
        return query.sql(self.table.columns, self.table.name, values)

    def rows(self, query):
        """The rows that a query returns, as tuples; at most ROWS of them.

        Raises:
            InputError: it took longer than the time limit.
            ValueError: the query names a column that the table does not have.
        """
        query.check(len(self.table.columns))
        return self.execute(*self.statement(query))

    def execute(self, statement, values=()):
        """Runs one statement, if it only reads the table."""
        end = time.monotonic() + self.seconds
        self.connection.set_progress_handler(lambda: time.monotonic() > end, 1000)
        try:
            with contextlib.closing(self.connection.cursor()) as cursor:
                return cursor.execute(statement, values).fetchmany(ROWS)
        except sqlite3.OperationalError as error:
            if "interrupt" in str(error):
                raise InputError(f"the query took longer than {self.seconds:g} seconds and was given up: "
                                 f"{statement}") from error
            raise InputError(f"SQLite refuses this query ({error}): {statement}") from error
        except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
            raise InputError(f"SQLite refuses this query ({error}): {statement}") from error
        finally:
            self.connection.set_progress_handler(None, 0)

    def _value(self, column, value):
        """A value as the column holds it: to SQLite 2018 and '2018' are different."""
        if self.table.types[column] == "real":
            with contextlib.suppress(ValueError, TypeError):
                number = float(value)
                return number if math.isfinite(number) else None
        return cell_text(value)

    def _allowed(self, action, first, second, database, trigger):
        if action not in READING or trigger is not None:
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_READ and (first, database) not in ((self.table.name, "main"), ("", None)):
            return sqlite3.SQLITE_DENY                     # SQLite's own tables tell of the schema
        if action == sqlite3.SQLITE_FUNCTION and second.lower() not in FUNCTIONS:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


def quoted(name):
    """A name as an SQL identifier, with any characters but NUL, at which SQLite would end the statement."""
    if "\0" in name:
        raise ValueError(f"an SQL name expects no NUL character. Received: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def literal(value):
    """A value as it would be written in SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, (int, float)):
        return cell_text(value)
    return "'" + value.replace("'", "''") + "'"
