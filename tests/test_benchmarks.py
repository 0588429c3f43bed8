"""What can be said of the benchmarks without measuring: each task names contenders that are there, and what
they import of ours exists."""

import ast
import importlib
import json

import pytest

from benchmarks import run
from tests.articles import ROOT

FOLDERS = sorted(path.parent.name for path in ROOT.glob("benchmarks/*/tasks.py"))
CONTENDERS = sorted(path for folder in FOLDERS for path in (ROOT / "benchmarks" / folder).glob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_task_names_contenders_that_are_there(folder):
    tasks = importlib.import_module(f"benchmarks.{folder}.tasks").TASKS
    named = {run.parts_of(contender)[1] for _, contenders in tasks.values() for contender in contenders}
    files = {path.stem for path in (ROOT / "benchmarks" / folder).glob("*.py")} - {"tasks", "data"}
    assert named == files


def names_in(path):
    """What can be imported from a Python file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return found


@pytest.mark.parametrize("path", CONTENDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_contenders_import_of_ours_exists(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (ROOT / node.module.split(".")[0]).is_dir():
            continue
        place = ROOT / node.module.replace(".", "/")
        for alias in node.names:
            if place.is_dir():
                assert (place / f"{alias.name}.py").is_file(), f"{node.module}.{alias.name}"
            else:
                assert alias.name in names_in(place.with_suffix(".py")), f"{node.module}.{alias.name}"


ONCE = run.Config(rounds=2, threads=(1,))


def test_what_is_not_installed_is_named_once(monkeypatch, capsys):
    outcomes = {"ours": ([2.0], 100), "jax": f"{run.ABSENT} 'jax'", "torch": "failed"}
    monkeypatch.setattr(run, "measure", lambda article, contender, threads: outcomes[contender])
    names = {"ours": "ours", "jax": "Keras on JAX", "torch": "PyTorch"}
    absent = set()
    for task in ("training", "answers"):
        rows = run.rows_of("crf", task, ("samples/s", names), ONCE, absent)
        assert [row["contender"] for row in rows] == ["ours"]
    out = capsys.readouterr().out
    assert out.count("not installed: 'jax'") == 1 and out.count("failed") == 2


def test_each_contender_has_its_better_number_of_cores_and_the_ratios_of_rounds(monkeypatch):
    speeds = {("ours", 1): iter([[8.0, 10.0, 12.0], [20.0]]), ("ours", 2): iter([[9.0], [9.0]]),
              ("torch", 1): iter([[1.0], [1.0]]), ("torch", 2): iter([[5.0], [4.0]])}

    def measure(article, contender, threads):
        return next(speeds[contender, threads]), 100 * threads

    monkeypatch.setattr(run, "measure", measure)
    config = run.Config(rounds=2, threads=(1, 2))
    names = {"ours": "us", "torch": "them"}
    ours, torch = run.rows_of("vae", "training", ("samples/s", names), config, set())
    assert (ours["threads"], ours["median"], ours["min"], ours["max"]) == (1, 11.0, 8.0, 20.0)
    assert (torch["threads"], torch["median"], torch["peak_mb"]) == (2, 4.5, 200)
    assert (torch["least"], torch["ours_is_times_as_fast"], torch["most"]) == (2.0, 3.5, 5.0)


def test_a_contender_names_its_environment_its_file_and_its_arguments():
    assert run.parts_of("KERAS_BACKEND=jax ours answers 1") == (
        {"KERAS_BACKEND": "jax"}, "ours", ["answers", "1"])
    assert run.parts_of("torch") == ({}, "torch", [])


def test_contenders_are_chosen_by_words_and_run_beside_the_first():
    names = {"ours answers": "a", "torch answers": "b", "KERAS_BACKEND=jax ours answers": "c"}
    assert list(run.chosen_of(names, ())) == list(names)
    assert list(run.chosen_of(names, ("torch",))) == ["ours answers", "torch answers"]
    assert list(run.chosen_of(names, ("KERAS_BACKEND=jax",))) == ["ours answers", list(names)[2]]
    assert run.chosen_of(names, ("keras2",)) == {}


def test_rows_of_contenders_that_are_not_measured_this_time_stay(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.json")
    ours, torch, *_ = run.tasks_of("vae")["training"][1].values()
    row = {"article": "vae", "task": "training", "contender": ours, "median": 1}
    other = row | {"contender": torch}
    run.keep([row, other, row | {"contender": "one that is no longer there"}])
    run.keep([row | {"median": 2}])
    assert json.loads(run.RESULTS.read_text())["rows"] == [row | {"median": 2}, other]
