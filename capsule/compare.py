"""Tests several trained models on the same images, one beside the other: the article's table and its two-digit pictures.

Runs that differ in their seed alone make one row, mean ± standard deviation.

    python capsule/compare.py                                        the models in capsule/weights
    python capsule/compare.py runs/capsule/dynamic-* runs/capsule/none-*
"""

import json
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


def settings_of(path):
    """What runs that differ in their seed alone have in common; a file stands for itself."""
    if not (path / "config.json").exists():
        return str(path)
    try:
        return json.dumps({**json.loads((path / "config.json").read_text("utf-8")), "seed": None}, sort_keys=True)
    except (ValueError, TypeError) as error:
        raise runs.InputError(f"{path / 'config.json'} should hold a run's settings, but cannot be read: {error}") from error


def compare(config):
    paths = config.models or sorted(WEIGHTS.glob("*.keras"))
    if not paths:
        raise runs.InputError(f"expected run folders or .keras files; {runs.shown(WEIGHTS)} holds no model. Received: none")
    models = {path: evaluate.load(path) for path in paths}
    images = datasets.load_images(config.data)
    if images.y_test is None:
        raise runs.InputError(f"capsule/compare.py needs labels. Received: {config.data} without labels")
    table, groups = {}, {}
    for path, model in models.items():
        table[path] = {key: float(value) for key, value in evaluate.metrics(model, images.x_test, images.y_test).items()}
        groups.setdefault(settings_of(path), []).append(path)
    for group in groups.values():
        print(", ".join(str(runs.shown(path)) for path in group))
        for key in table[group[0]]:
            values = [100 * table[path][key] for path in group]
            spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
            print(f"{key:>44} {np.mean(values):.2f}{spread} %")
    out = pathlib.Path(config.out)
    runs.write_json(out / "table.json", {"data": images.describe(), "machine": runs.machine(),
                                         "models": {str(path): row for path, row in table.items()}})
    firsts = {}
    for group in groups.values():
        name = models[group[0]].name.removeprefix("capsule_")
        same = sum(other.split("-")[0] == name for other in firsts)
        firsts[f"{name}-{same + 1}" if same else name] = models[group[0]]
    evaluate.pictures(firsts, images.x_test, images.y_test, out)
    print(f"table.json and the pictures are in {runs.shown(out)}")


if __name__ == "__main__":
    runs.main(compare, Config, __doc__)
