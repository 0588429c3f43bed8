"""Every script through its command line, as a user starts it: smoke runs, --help from any folder, and bad
input.

What is special about an article stands in its cases.py; what its other scripts do is tested in its own
folder.
"""

import ast
import contextlib
import dataclasses
import importlib
import json
import math
import pathlib
import re
import typing
from typing import Literal

import numpy as np
import pytest

from common.harness import cli, memory
from common.harness.reading import InputError
from tests.articles import ARTICLES, CASES, ROOT, forked, last_line, run, started

# nl2sql's Keras needs a process of its own
KERAS_3 = [article for article in ARTICLES if CASES[article].KERAS == 3]
NAMES = ("SMOKE", "MORE", "OTHERS", "TINY", "LEAST", "LOAD", "WEIGHTS", "READ", "KERAS", "BACKENDS", "BAD",
         "READERS")


def scripts_of(article):
    """The files of an article that are started, not imported."""
    return {path.name for path in (ROOT / article).glob("*.py") if "__main__" in path.read_text()}


@pytest.mark.parametrize("article", ARTICLES)
def test_cases_name_every_script_and_nothing_is_missing(article):
    cases = CASES[article]
    assert not [name for name in NAMES if not hasattr(cases, name)]
    assert scripts_of(article) == {script for script, _ in cases.SMOKE} | set(cases.OTHERS)


@pytest.mark.parametrize("article", ARTICLES)
def test_files_have_their_roles(article):
    """Every article is trained, evaluated and used by scripts of fixed names, and no library file imports a
    script."""
    scripts = scripts_of(article)
    assert {"train.py", "evaluate.py"} <= scripts and scripts & {"predict.py", "generate.py"}
    for path in (ROOT / article).glob("*.py"):
        if path.name not in scripts:
            assert not imported_by(path, article) & {name.removesuffix(".py") for name in scripts}


def imported_by(path, article):
    """The modules of the article that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == article:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{article}."):
            found.add(node.module.split(".")[1])
    return found


@pytest.mark.parametrize("article", ARTICLES)
def test_scripts_find_the_repository_from_any_folder(article):
    """The line that makes common importable stands before the first import of ours: python FOLDER/x.py
    works."""
    line = "sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))"
    for name in scripts_of(article):
        text = (ROOT / article / name).read_text()
        ours = re.search(rf"^from ({'|'.join(['common', *ARTICLES])})\b", text, re.MULTILINE)
        assert -1 < text.find(line) < ours.start(), name


def commands(kind):
    return [
        (f"{article}/{script}", options)
        for article in ARTICLES
        for script, options in getattr(CASES[article], kind)
    ]


@pytest.mark.parametrize("script, options", commands("SMOKE") + [
    pytest.param(*command, marks=pytest.mark.slow) for command in commands("MORE")])
def test_smoke_run(script, options, tmp_path):
    out = tmp_path / "out"
    plain = script.endswith("train.py") or script.startswith("nl2sql")
    start = started if plain else forked
    result = start(script, [*options.split(), "--smoke", "--out", str(out)], cwd=tmp_path)
    assert result.returncode == 0 and "SMOKE RUN" in result.stdout, result.stderr[-3000:]
    folder, = out.glob("*/smoke-*")
    results = json.loads((folder / "results.json").read_text())
    assert results["smoke"] is True and results["data"]["builtin"] is True
    assert results["metrics"] and all(np.isfinite(value) for value in results["metrics"].values())
    weights = CASES[script.split("/")[0]].WEIGHTS
    assert {"config.json", "log.csv", weights} <= {path.name for path in folder.iterdir()}
    assert list(folder.glob("*.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]    # nothing is written anywhere else


@pytest.mark.slow
@pytest.mark.parametrize(
    "script", [f"{article}/{name}" for article in ARTICLES for name in sorted(scripts_of(article))]
)
def test_help(script, tmp_path):
    """From a folder that is not the repository's; --help imports all that the script imports."""
    assert "usage:" in started(script, ["--help"], cwd=tmp_path).stdout


@pytest.mark.parametrize("article", ARTICLES)
def test_bad_input_ends_in_one_line_and_code_2(tmp_path, article):
    error = last_line(run(f"{article}/train.py", "--data", "/nowhere", code=2, cwd=tmp_path))
    assert error.startswith("error: --data expects") and "Received: /nowhere" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("article, options, message", [
    (article, *bad) for article in KERAS_3 for bad in CASES[article].BAD])
def test_bad_options_are_named_before_anything_is_written(tmp_path, article, options, message):
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("")
    script = importlib.import_module(f"{article}.train")
    paths = {name: tmp_path / value for name, value in options.items() if value in ("EMPTY", "FILE")}
    config = script.Config(**{"out": tmp_path / "out", **options, **paths})
    with pytest.raises(InputError, match=message):
        script.train(cli.settle(config))
    assert not (tmp_path / "out").exists() and not list((tmp_path / "EMPTY").iterdir())


# options that are paths, beside those of type Path
PATHS = {"data", "vectors", "extra", "bert", "test"}


@pytest.mark.parametrize("script", [f"{article}.train" for article in KERAS_3])
def test_paths_that_cannot_be_used_are_named(script, tmp_path):
    train = importlib.import_module(script)
    for field in dataclasses.fields(train.Config):
        if field.name not in PATHS and "Path" not in str(field.type):
            continue
        for text in ("x" * 300, "~nosuchuser/x", "/dev/zero", "/proc/self/maps"):
            value = pathlib.Path(text) if "Path" in str(field.type) else text
            options = {"out": tmp_path / "out", "data": train.Config.builtin, field.name: value}
            if text.startswith("~") and isinstance(value, pathlib.Path):
                continue                                   # a folder of that name may be made
            with pytest.raises(InputError, match=f"--{field.name} expects.*Received: "):
                train.train(cli.settle(train.Config(**options)))
                pytest.fail(f"{field.name}={value}")
    assert not (tmp_path / "out").exists()


# ----------------------------------------------------------------------------------- options at their limits

MODULES = [f"{article}.{name[:-3]}" for article in KERAS_3 for name in sorted(scripts_of(article))]


def kinds_in(hint):
    """The types that an annotation is made of: int and None of `int | None`."""
    if typing.get_origin(hint) is Literal:
        return set()
    return {hint}.union(*map(kinds_in, typing.get_args(hint)))


@pytest.mark.parametrize("script", MODULES)
def test_every_number_has_a_least_and_a_greatest_value(script):
    config_class = importlib.import_module(script).Config
    limits = dict(cli.limits_of(config_class))
    assert len(limits) == len(cli.limits_of(config_class))                        # each has one pair
    for name, hint in typing.get_type_hints(config_class).items():
        if kinds_in(hint) & {int, float}:
            assert name in limits, f"{name} has no limits"
            assert (limits[name].least, limits[name].above) != (None, None), f"{name} has no least value"
            assert (limits[name].most, limits[name].below) != (None, None), f"{name} has no greatest value"


def beyond(config_class, name, end, direction):
    """The next value of an option after one of its ends, towards −1 or 1."""
    whole = int in kinds_in(typing.get_type_hints(config_class)[name])
    return end + direction if whole else math.nextafter(end, direction * math.inf)


def with_option(config_class, name, value):
    """A configuration with one option set; those without a default are paths."""
    needed = [field.name for field in dataclasses.fields(config_class)
              if field.default is field.default_factory is dataclasses.MISSING]
    if typing.get_origin(typing.get_type_hints(config_class)[name]) is tuple:
        value = (value,)
    return config_class(**{path: pathlib.Path("x") for path in needed}, **{name: value})


@pytest.mark.parametrize("script", MODULES)
def test_options_at_both_ends_and_one_step_outside(script):
    config_class = importlib.import_module(script).Config
    for name, limits in cli.limits_of(config_class):
        inside, outside = [], []
        for end, direction in [(limits.least, -1), (limits.most, 1)]:
            if end is not None:
                inside.append(end)
                outside.append(beyond(config_class, name, end, direction))
        outside += [end for end in (limits.above, limits.below, math.nan, math.inf) if end is not None]
        for value in inside:
            cli.check(with_option(config_class, name, value))
        for value in outside:
            with pytest.raises(InputError, match=f"{cli.option(name)} expects .*Received: "):
                cli.check(with_option(config_class, name, value))


# Training scripts with options that choose what is built; numbers among them are replaced below.
BUILT = [(article, *command) for article in KERAS_3 for command in CASES[article].SMOKE] + [
    pytest.param(article, *command, marks=pytest.mark.slow)
    for article in KERAS_3 for command in CASES[article].MORE]
ROOM = 300_000_000                                   # bytes of the small machine that the greatest sizes meet


class Stopped(Exception):
    """Where a test ends a training: after so many steps of a model."""

    def __init__(self, model, losses):
        super().__init__()
        self.model, self.losses = model, losses


@contextlib.contextmanager
def stopped_after(steps):
    """Within it model.fit takes so many steps, and ends the script with Stopped. In a process of nl2sql
    Keras is tf_keras."""
    import keras

    fit = keras.Model.fit

    def some_steps(model, batches, **options):
        found = fit(model, batches, epochs=1, steps_per_epoch=steps, verbose=0).history if steps else {}
        raise Stopped(model, found)

    keras.Model.fit = some_steps
    try:
        yield
    finally:
        keras.Model.fit = fit
        memory.lift_limit()


def outcome(article, script, options, changes, out):
    """Stopped, or the InputError, of a training script with these options and changes of the
    configuration."""
    module = importlib.import_module(f"{article}.{script.removesuffix('.py')}")
    config = cli.parse(module.Config, arguments=options.split())
    config = dataclasses.replace(config, data=config.data or config.builtin, out=out, **changes)
    train = module.pretrain if script == "pretrain.py" else module.train
    try:
        train(cli.settle(config))
    except Stopped as stopped:
        return stopped
    except InputError as error:
        assert "\n" not in str(error), error
        return error
    raise AssertionError("the script ended without a training")


def outcome_of_all(article, script, options, changes, out):
    """The same for all changes together, but those that this choice of a model refuses by name."""
    found = outcome(article, script, options, changes, out)
    while isinstance(found, InputError):
        name = re.match("--([a-z-]+) ", str(found))[1].replace("-", "_")
        assert name in changes, found
        changes = {other: value for other, value in changes.items() if other != name}
        found = outcome(article, script, options, changes, out)
    return found


def ends_of(article, script):
    """({option: its least value}, {option: its greatest}) of all numbers; --devices has tests of its own."""
    config_class = importlib.import_module(f"{article}.{script.removesuffix('.py')}").Config
    least, greatest = {}, {}
    for name, limits in cli.limits_of(config_class):
        if name == "devices":
            continue
        kind = int if int in kinds_in(typing.get_type_hints(config_class)[name]) else float
        if limits.least is not None:
            least[name] = kind(limits.least)
        if limits.most is not None:
            greatest[name] = kind(limits.most)
    least |= {name: end for name, end in CASES[article].LEAST.items() if name in least}
    return least, greatest


@pytest.mark.parametrize("article, script, options", BUILT)
def test_a_model_of_the_least_sizes_takes_a_step(article, script, options, tmp_path):
    least, _ = ends_of(article, script)
    with stopped_after(1):
        losses = outcome_of_all(article, script, options, least, tmp_path).losses
    assert losses and all(np.isfinite(values).all() for values in losses.values())


@pytest.mark.parametrize("article, script, options", BUILT)
def test_a_model_of_the_greatest_sizes_is_built_if_it_fits(article, script, options, tmp_path, monkeypatch):
    """The sizes of its own one by one, and all else together."""
    monkeypatch.setattr(memory, "available", lambda: ROOM)
    if CASES[article].KERAS == 3:                    # which would compile the step
        monkeypatch.setattr("common.harness.tuning.fuse_steps", lambda model, x, y: 1)
    if script == "train.py":
        options = f"{CASES[article].TINY} {options}"
    _, greatest = ends_of(article, script)
    whole = {name: end for name, end in greatest.items() if isinstance(end, int)}
    sizes = {name: end for name, end in whole.items() if not hasattr(cli.BaseConfig, name)}
    rest = {name: end for name, end in greatest.items() if name not in sizes}
    with stopped_after(0):
        found = [outcome(article, script, options, {name: end}, tmp_path) for name, end in sizes.items()]
        found.append(outcome_of_all(article, script, options, rest, tmp_path))
    for stopped in found:
        if isinstance(stopped, Stopped):
            numbers = sum(math.prod(weight.shape) for weight in stopped.model.weights)
            assert 16 * numbers <= ROOM
    refused = " ".join(str(error) for error in found if isinstance(error, InputError))
    if "width" in sizes:
        assert "choose smaller sizes" in refused


DIGITS = "1234567890123456789012345678901"


@pytest.mark.parametrize("article", ARTICLES)
def test_numbers_without_measure_end_in_one_line_and_code_2(tmp_path, article):
    """Through the command line, before anything is allocated or written."""
    given = {"--epochs": DIGITS, "--learning-rate": "1e300", "--devices": "1000000000", "--seed": "-1"}
    if article == "nl2sql":                          # which starts slowly
        given = {"--learning-rate": "1e300"}
    if article in ("vae", "gan", "poetry_vae"):
        given["--latent-dim"] = "1000000000"
    for name, text in given.items():
        error = last_line(run(f"{article}/train.py", f"{name}={text}", code=2, cwd=tmp_path))
        assert re.fullmatch(f"error: {name} expects .*Received: .*", error)
    result = run(f"{article}/train.py", "--epochs", "1" * 5000, code=2, cwd=tmp_path)
    assert "Error parsing --epochs" in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())
