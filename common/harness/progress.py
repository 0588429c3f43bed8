"""Progress of long work, on standard error: a bar on a terminal, a line a minute in a log.

No Keras in here. The bar of model.predict is models.PredictionBar.
"""

import sys

from tqdm import tqdm

from common.harness.language import in_users_language

SOON, MINUTE = 2, 60          # seconds after which a bar, and a line of a log, is of use


class _Lines(tqdm):
    """Whole lines instead of a bar that is drawn again and again, for a file."""

    def display(self, msg=None, pos=None):
        print(self if msg is None else msg, file=self.fp, flush=True)
        return True

    def close(self):
        self.delay = float("inf")                 # tqdm removes no bar that it has not drawn yet
        super().close()


def bar(iterable=None, total=None, unit=(" steps", " 步"), **options):
    """A tqdm bar over the iterable, or one of so many units to update().

    Work of less than two seconds shows nothing on a terminal, work of less than a minute nothing in a log.

    Args:
        unit: what is counted, in English and Chinese.
        **options: of tqdm.
    """
    options = {"unit": in_users_language(*unit), "file": sys.stderr, "leave": False} | options
    if sys.stderr is None:
        options["disable"] = True
    if sys.stderr is not None and sys.stderr.isatty():
        return tqdm(iterable, total=total, delay=SOON, **options)
    return _Lines(iterable, total=total, delay=MINUTE, mininterval=MINUTE, maxinterval=MINUTE, **options)
