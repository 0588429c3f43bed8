"""The rows of a table or view of an SQLite database, which is opened for reading only. No Keras in here.

    rows, name, notes = rows_in_database("shop.db", choose)         the header is the first row

A column may compute a gigabyte from nothing, and a view may never end. So SQLite is told how long a text may
be, and what takes it too long is given up.
"""

import contextlib
import itertools
import pathlib
import sqlite3
import time

from common.harness.reading import InputError
from nl2sql.sql import quoted
from nl2sql.tables import COLUMNS, checked_rows

ENDINGS = (".db", ".sqlite", ".sqlite3")
SECONDS = 2                                        # what takes a database longer is given up
LENGTH = 1 << 18                                   # bytes of a text
# What SQLite takes for a row, or for a text: functions search no longer ones
LIMITS = {sqlite3.SQLITE_LIMIT_LENGTH: LENGTH, sqlite3.SQLITE_LIMIT_COLUMN: COLUMNS,
          sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50, sqlite3.SQLITE_LIMIT_ATTACHED: 0}
TABLES = r"""SELECT name, type FROM sqlite_master
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'"""
BYTES = b""                                        # stands for a picture or a file, which is not fetched
READING = "CASE typeof({0}) WHEN 'blob' THEN x'' ELSE {0} END"


def rows_in_database(path, choose):
    """(rows, of which the first is the header, name, notes) of a table or view.

    Args:
        choose: the names of all → the one that is wanted.
    """
    path = path.resolve()                              # the log lies beside the file, not beside a link to it
    address = path.as_uri() + "?mode=ro"
    if has_closed_log(path):
        address += "&immutable=1"                          # else SQLite would add two files
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=2)) as connection:
            return select_all(connection, choose, path)
    except sqlite3.OperationalError as error:
        if "interrupt" in str(error):
            raise InputError(f"{path} should hold a table that is read in {SECONDS} seconds. "
                             "Received: one that computes longer, and was given up") from error
        if "locked" in str(error) or "busy" in str(error):
            raise InputError(f"{path} is locked by another program. Close it, or give a copy.") from error
        raise InputError(f"{path} cannot be read as an SQLite database: {error}. "
                         f"Nothing was changed.") from error
    except (sqlite3.Error, ValueError) as error:          # text_factory is not asked for names of columns
        if "too big" in str(error):
            raise InputError(f"{path} should hold texts of at most {LENGTH:,} bytes. "
                             "Received: a longer one") from error
        raise InputError(f"{path} is no SQLite database or damaged: {error}. Nothing was changed.") from error


def has_closed_log(path):
    """Whether a database has a write-ahead log, in which nothing waits."""
    with open(path, "rb") as file:
        return file.read(20)[18:19] == b"\2" and not pathlib.Path(f"{path}-wal").exists()


def select_all(connection, choose, path):
    """(rows with the header first, name, notes) of a table or view of an open database."""
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    for limit, most in LIMITS.items():
        connection.setlimit(limit, most)
    end = time.monotonic() + SECONDS                       # a column of a table can compute as a view does
    connection.set_progress_handler(lambda: time.monotonic() > end, 1_000)
    connection.execute("PRAGMA trusted_schema = OFF")
    name = choose(dict(connection.execute(TABLES)))
    header = [column[0] for column in connection.execute(f"SELECT * FROM {quoted(name)} LIMIT 0").description]
    columns = ", ".join(READING.format(quoted(column)) for column in header)
    cursor = connection.execute(f"SELECT {columns} FROM {quoted(name)}")
    rows = checked_rows(itertools.chain([header], map(list, cursor)), path)
    return rows, name, without_bytes(rows)


def without_bytes(rows):
    """Empties the cells that hold bytes, and says in notes which columns have such."""
    header, *others = rows
    columns = {}
    for row in others:
        for column in [i for i, cell in enumerate(row) if cell == BYTES]:
            row[column] = None
            columns[header[column]] = columns.get(header[column], 0) + 1
    return [f"cells of {column} that hold bytes, as of a picture, count as empty: {count:,}"
            for column, count in columns.items()]
