"""The page's side of table_process.py: starts it, asks it, and starts another one where it died or hangs.

No Keras in here.
"""

import html
import json
import os
import pathlib
import selectors
import subprocess
import sys
import threading
import time

from common.harness.reading import InputError, check_text
from common.harness.writing import ROOT
from demo import drawn

SECONDS, FIRST = 20, 90           # until an answer is given up, and until the first one of a process
ROWS = 50                         # rows that are shown
EXAMPLE = ROOT / "demo/samples/books.csv"
AGAIN = ("the process that answers questions to tables {}, and a new one was started: ask again, or give "
         "a smaller table")


class Asker:
    """A process that answers questions to tables, one at a time.

    Args:
        command: what is started; see table_process.py for what it has to say.
        seconds, first: until an answer is given up, and until the first one, which takes longer.
    """

    def __init__(self, command=(sys.executable, "-m", "demo.table_process"), seconds=SECONDS, first=FIRST):
        self.command, self.seconds, self.first = list(command), seconds, first
        self.lock, self.process, self.answered, self.starts = threading.Lock(), None, 0, 0

    def ask(self, path, sheet, question):
        """The answer as a dict, see nl2sql.parser.ask, with the table's notes as "table".

        Raises:
            InputError: what the process says cannot be answered, or that it had to be started anew.
        """
        with self.lock:
            died = self.process is not None and self.process.poll() is not None
            if self.process is None or died:
                self._start()
            try:
                found = self._answer({"path": str(path), "sheet": sheet, "question": question})
            except (BrokenPipeError, EOFError):
                self._start()
                raise InputError(AGAIN.format("died")) from None
            except TimeoutError:
                self._start()
                raise InputError(AGAIN.format(f"took more than {self.seconds} seconds")) from None
        if "error" in found:
            raise InputError(found["error"])
        return found

    def warm_up(self):
        """Starts the process, and asks it once: the first answer takes seconds."""
        self.ask(EXAMPLE, "", "哪些书")

    def start(self):
        """Starts the process, where none is there."""
        with self.lock:
            if self.process is None:
                self._start()

    def close(self):
        """Ends the process."""
        with self.lock:
            self._end()

    def _start(self):
        self._end()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.answered, self.starts = 0, self.starts + 1

    def _end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    def _answer(self, request):
        """Writes a request and reads the line that answers it; EOFError, TimeoutError."""
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        end = time.monotonic() + (self.seconds if self.answered else self.first)
        line, output = b"", self.process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0, end - time.monotonic())):
                    raise TimeoutError
                piece = os.read(output, 1 << 16)
                if not piece:
                    raise EOFError
                line += piece
        self.answered += 1
        return json.loads(line)


ASKER = Asker()


def ask(path, sheet, question, asker=ASKER):
    """(SQL, how it was understood, rows as HTML, notes as HTML) for a visitor's table and question."""
    path = pathlib.Path(path) if path else EXAMPLE
    check_text(question or "", "the question")
    found = asker.ask(path, (sheet or "").strip(), question or "")
    notes = drawn.paragraphs([*found["table"], *found["notes"]])
    if not found["sql"]:
        return "", "", "", notes
    rows = found["rows"]
    shown = drawn.rows_table(found["columns"], rows[:ROWS])
    if len(rows) > ROWS:
        shown += f"<p>{ROWS} / {len(rows):,}</p>"
    sql = f'<pre class="sql">{html.escape(found["sql"])}</pre>'
    return sql, found["understood"], shown, notes
