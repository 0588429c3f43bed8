"""The scripts under test, one line each, and what all parts ask of them.

A script is started by forking a process that has imported it, see warm.py: nl2sql, whose Keras is another one, needs no
more than its line here.
"""

import importlib
import pathlib
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Script:
    """An article's train.py: options with which it trains in seconds, the function that loads a run folder's model, and
    the file of its weights where the model is no .keras file."""

    article: str
    options: str
    loader: str
    weights: str = ""

    @property
    def path(self):
        return str(ROOT / self.article / "train.py")

    def load(self, folder):
        """What the article's own predict.py or generate.py has of a run folder."""
        module, _, name = self.loader.partition(":")
        function = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
        return function(folder)


SCRIPTS = {script.article: script for script in [
    Script("vae", "--data digits --epochs 4 --iw-images 0", "vae.evaluate:load"),
    Script("flow_nice", "--data digits --epochs 3 --width 64 --hidden 2", "flow_nice.generate:load"),
    Script("crf", "--data sample --epochs 3 --model fast", "crf.predict:Segmenter.load"),
    Script("couplet", "--data sample --epochs 3 --width 16 --blocks 2", "couplet.evaluate:load"),
    Script("poetry_vae", "--data sample --epochs 3 --width 16 --iw-couplets 0", "poetry_vae.evaluate:load"),
    Script("dgcnn", "--data sample --epochs 3 --width 16 --max-length 64", "dgcnn.reading:Reader.load"),
    Script("gan", "--data digits --epochs 3 --width 4 --samples 100", "gan.evaluate:load"),
    Script("capsule", "--data digits --epochs 2 --routing none", "capsule.evaluate:load"),
    # Without dropout, whose state tf_keras does not restore.
    Script("nl2sql", "--smoke --bert none --width 16 --depth 1 --dropout 0", "nl2sql.predict:Parser.load", "weights.npz"),
]}
