"""The scripts under test, as their cases.py describe them, and what all parts ask of them.

A script is started by forking a process that has imported it, see warm.py: nl2sql, whose Keras is another
one, needs nothing special.
"""

from dataclasses import dataclass

from tests.articles import ARTICLES, CASES, ROOT, load


@dataclass(frozen=True)
class Script:
    """An article's train.py."""

    article: str

    @property
    def path(self):
        return str(ROOT / self.article / "train.py")

    @property
    def options(self):
        """Options with which it trains in seconds."""
        return CASES[self.article].TINY

    @property
    def weights(self):
        """The file of the model in a run folder."""
        return CASES[self.article].WEIGHTS

    def load(self, folder):
        """What the article's own predict.py or generate.py has of a run folder."""
        return load(CASES[self.article].LOAD)(folder)


SCRIPTS = {article: Script(article) for article in ARTICLES}
