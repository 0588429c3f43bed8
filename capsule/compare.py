"""Tests several trained models on the same images, one beside the other: the article's table and its two-digit pictures.

    python capsule/compare.py                                        the models in capsule/weights
    python capsule/compare.py runs/capsule/dynamic-* runs/capsule/none-*
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from capsule import evaluate
from common import datasets, runs

WEIGHTS = runs.ROOT / "capsule/weights"


@dataclass
class Config:
    models: Annotated[tuple[pathlib.Path, ...], tyro.conf.Positional] = ()
    """Run folders of capsule/train.py or .keras files; by default those in capsule/weights."""
    data: str = ""
    """The data whose test part is used, as in capsule/train.py."""
    out: pathlib.Path = runs.ROOT / "runs/capsule/compared"
    """Folder for table.json and the pictures; files of the same name there are replaced."""


def compare(config):
    paths = config.models or sorted(WEIGHTS.glob("*.keras"))
    if not paths:
        raise runs.InputError(f"expected run folders or .keras files; {runs.shown(WEIGHTS)} holds no model. Received: none")
    models = {path: evaluate.load(path) for path in paths}
    images = datasets.load_images(config.data)
    if images.y_test is None:
        raise runs.InputError(f"capsule/compare.py needs labels. Received: {config.data} without labels")
    table, kinds = {}, {}
    for path, model in models.items():
        table[str(path)] = {key: float(value) for key, value in
                            evaluate.metrics(model, images.x_test, images.y_test).items()}
        kinds.setdefault(model.name.removeprefix("capsule_"), []).append(str(path))
    for kind, group in kinds.items():
        print(f"{kind}, {len(group)} models")
        for key in table[group[0]]:
            values = [100 * table[path][key] for path in group]
            print(f"{key:>44} {np.mean(values):.2f} ± {np.std(values):.2f} %")
    out = pathlib.Path(config.out)
    runs.write_json(out / "table.json", {"data": images.describe(), "machine": runs.machine(), "models": table})
    firsts = {kind: next(model for path, model in models.items() if str(path) == group[0]) for kind, group in kinds.items()}
    evaluate.pictures(firsts, images.x_test, images.y_test, out)
    print(f"table.json and the pictures are in {runs.shown(out)}")


if __name__ == "__main__":
    runs.main(compare, Config, __doc__)
