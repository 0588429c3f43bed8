"""Tests several trained models on the same images: the article's table and its two-digit pictures.

Runs that differ in their seed alone make one row, mean ± standard deviation.

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

from capsule import report
from capsule.classifier import Classifier
from common.harness import cli, datasets, provenance
from common.harness.folder import settings_of
from common.harness.reading import InputError
from common.harness.writing import ROOT, shown, write_json

WEIGHTS = ROOT / "capsule/weights"


@dataclass
class Config:
    models: Annotated[tuple[pathlib.Path, ...], tyro.conf.Positional] = ()
    """Run folders of capsule/train.py or .keras files; by default those in capsule/weights."""
    data: str = ""
    """The data whose test part is used, as in capsule/train.py."""
    out: pathlib.Path = ROOT / "runs/capsule/compared"
    """Folder for table.json and the pictures; files of the same name there are replaced."""


def compare(config):
    paths = config.models or sorted(WEIGHTS.glob("*.keras"))
    if not paths:
        raise InputError("expected run folders or .keras files. "
                         f"Received: none, and {shown(WEIGHTS)} holds no model")
    classifiers = {path: Classifier.load(path) for path in paths}
    images = datasets.load_images(config.data)
    if images.y_test is None:
        raise InputError(f"capsule/compare.py needs labels. Received: {config.data} without labels")
    rows, groups = {}, {}
    for path, classifier in classifiers.items():
        found = report.metrics(classifier, images.x_test, images.y_test)
        rows[path] = {name: float(value) for name, value in found.items()}
        groups.setdefault(settings_of(path), []).append(path)
    for group in groups.values():
        print_row(group, [rows[path] for path in group])
    out = pathlib.Path(config.out)
    table = {str(path): row for path, row in rows.items()}
    write_json(out / "table.json",
               {"data": images.describe(), "machine": provenance.machine(), "models": table})
    firsts = [classifiers[group[0]] for group in groups.values()]
    report.pictures(named(firsts), images.x_test, images.y_test, out)
    print(f"table.json and the pictures are in {shown(out)}")


def print_row(paths, rows):
    """The metrics of runs that differ in their seed alone, in percent."""
    print(", ".join(str(shown(path)) for path in paths))
    for name in rows[0]:
        values = [100 * row[name] for row in rows]
        spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
        print(f"{name:>44} {np.mean(values):.2f}{spread} %")


def named(classifiers):
    """The models by their routing, the second of a kind as dynamic-2."""
    found = {}
    for classifier in classifiers:
        same = sum(other.routing == classifier.routing for other in found.values())
        name = f"{classifier.routing}-{same + 1}" if same else classifier.routing
        found[name] = classifier
    return found


if __name__ == "__main__":
    cli.main(compare, Config, __doc__)
