"""The short version of `make stress`, part by part: what these few find, the full run finds thousands of
times."""

import dataclasses
import importlib
import json
import os
import re
import shutil
import signal
import time

import keras
import numpy as np
import pytest

from common.harness import cli, training
from common.harness.batches import ArrayBatches
from common.harness.folder import LOCKS
from common.harness.reading import InputError
from tests.articles import ROOT
from tests.stress import bombs, downloads, ends, layers, limits, models, processes, readers, run
from tests.stress.guided import guided
from tests.stress.scripts import SCRIPTS
from tests.stress.warm import Warm

TENSORFLOW = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the scripts are forked with TensorFlow"
)


@pytest.fixture(scope="module")
def vae():
    with Warm("vae.train") as warm:
        yield SCRIPTS["vae"], warm


@TENSORFLOW
def test_a_run_that_is_killed_thrice_ends_as_the_undisturbed_one(vae):
    with processes.scratch_folder() as place:
        found = processes.kill(*vae, place, 3)
    assert found["faults"] == [] and found["kills"] == 3 and found["bit for bit"] == found["runs"]


@TENSORFLOW
@pytest.mark.slow
def test_options_at_their_ends(vae):
    """A run that ends, one that is refused, one that trains until it is stopped, and a fault that is seen."""
    options = [("--epochs", "1"), ("--latent-dim", "0"), ("--epochs", "1000000"), ("--data", "/nowhere")]
    with processes.scratch_folder() as place:
        found = ends.ends(*vae, place, 10, options)
    assert found == {"runs": 4, "ended": 1, "refused": 2, "stopped": 1, "faults": []}


@pytest.mark.parametrize("code, text, begun, expected", [
    (0, "", True, "ended"),
    (None, "Epoch 7/1000000", True, "stopped"),
    (None, "", False, "it hung"),
    (2, "error: --width expects 1 to 65,536. Received: 0", False, "refused"),
    (2, "error: this needs more memory than there is: try", True, "refused"),
    (2, "Traceback\nerror: --width expects 1 to 65,536. Received: 0", False, "code 2: Traceback"),
    (1, "Traceback\nValueError: no", True, "code 1"),
    (-9, "", True, "code -9"),
])
def test_what_counts_as_a_fault_at_an_end(code, text, begun, expected):
    assert ends.judged(code, text, begun).startswith(expected)


def test_both_ends_of_every_number_are_tried():
    found = ends.options_of("vae")
    assert {("--epochs", "1"), ("--epochs", "1000000"), ("--latent-dim", "65536")} <= set(found)
    assert {("--seed", "0"), ("--learning-rate", "1000000")} <= set(found)


@pytest.mark.slow
@TENSORFLOW
@pytest.mark.parametrize("article", SCRIPTS)
def test_processes_of_every_script(article):
    script = SCRIPTS[article]
    with Warm(f"{article}.train") as warm, processes.scratch_folder() as place:
        for found in (processes.kill(script, warm, place, 4), processes.surroundings(script, warm, place),
                      processes.diverge(script, warm, place), processes.twice(script, warm, place)):
            assert found["faults"] == []
        folder, _ = processes.uninterrupted(script, warm, place / "whole")
        (place / "models").mkdir()
        found = warm.call(
            "tests.stress.models:attack", article, folder, [], 10, place / "models", folder=place
        )
        assert found["faults"] == []


def test_two_processes_and_one_run_folder(tmp_path):
    """The second one is refused while the first lives; what a killed one left half written goes."""
    config = cli.BaseConfig(out=tmp_path)
    first = training.start(config, "test", "a")
    half = first.folder / ".12345.model.keras"
    half.write_bytes(b"half")
    held = dict(LOCKS)
    LOCKS.clear()                                        # as another process sees it: it holds nothing
    resumed = dataclasses.replace(config, resume=first.folder)
    with pytest.raises(InputError, match="another process is training in"):
        training.start(resumed, "test", "a")
    assert half.exists()
    LOCKS.update(held)
    training.start(resumed, "test", "a").finish({}, {})
    assert not half.exists() and LOCKS.keys() < held.keys()


def test_a_run_folder_that_is_gone(tmp_path):
    found = training.start(cli.BaseConfig(out=tmp_path), "test", "a")
    shutil.rmtree(found.folder)
    with pytest.raises(InputError, match="the folder of this run, is gone"):
        found.path("model.keras")


def test_files_that_exhaust_a_reader_are_found(tmp_path, monkeypatch):
    """The oracle of `limits`: readers that take too much memory or time, raise, crash or take a bomb."""
    def taking(megabytes=0, seconds=0.0):
        def read(path):
            held, end = bytearray(10**6 * megabytes), time.process_time() + seconds
            while time.process_time() < end:
                held[:1] = b"1"

        return limits.in_child(limits.measured, read, tmp_path)

    def crash(path):
        os.kill(os.getpid(), signal.SIGKILL)

    def refuse(path):
        raise InputError("two\nlines")

    for name in ("SQLite with a view of 800 MB", "GIF of 25,000,000 pixels"):
        found = limits.of_file(*(bombs.BOMBS | bombs.LARGEST)[name], tmp_path)
        assert limits.fault_of(found, name in bombs.BOMBS) is None
    monkeypatch.setattr(limits, "MEGABYTES", 60)
    monkeypatch.setattr(limits, "SECONDS", 1.0)             # far from both: the machine may be busy
    assert limits.fault_of(taking(50, 0.1), to_refuse=False) is None
    assert "taken with 8" in limits.fault_of(taking(80), to_refuse=False)
    assert "taken with" in limits.fault_of(taking(seconds=1.3), to_refuse=False)
    assert limits.fault_of(taking(), to_refuse=True) == "taken"
    for reader, fault in ((crash, "killed by signal 9"), (refuse, "more than a line"), (int, "TypeError")):
        assert fault in limits.fault_of(limits.in_child(limits.measured, reader, tmp_path), to_refuse=True)


def test_downloads_from_a_server_that_does_everything_wrong(tmp_path):
    found = downloads.downloads(tmp_path)
    assert found["faults"] == [] and found["accepted"] == len(downloads.GOOD) + 3
    assert found["accepted"] + found["refused"] == found["downloads"]


def test_model_files_that_are_damaged_or_attack(tmp_path):
    found = models.attack(
        "vae", ROOT / "vae/weights", [ROOT / "flow_nice/weights/nice-small.keras"], 20, tmp_path
    )
    assert found["faults"] == [] and found["refused"] >= 30


def test_a_flipped_bit_that_means_nothing_is_told_from_one_that_does():
    """The attack's own oracle: models with one weight changed in its last bit are not the same."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    assert models.same(model, model)
    kernel, bias = model.get_weights()
    kernel[0, 0] = np.nextafter(kernel[0, 0], np.float32(9))
    other.set_weights([kernel, bias])
    assert not models.same(model, other)


@pytest.mark.parametrize("name", readers.READERS)
def test_readers_take_a_file_or_say_what_is_wrong(name):
    found = readers.fuzz(name, 200)
    assert found["faults"] == [] and found["inputs"] >= 200 and found["refused"] > 0


def test_the_fuzzer_finds_what_a_reader_gets_wrong(monkeypatch):
    def read(folder):
        return int((folder / "x.txt").read_bytes()[0]) and 1 / (
            b"\xff" not in (folder / "x.txt").read_bytes()
        )

    monkeypatch.setitem(readers.READERS, "wrong", ("vae", lambda: ({"x.txt": b"1234"}, read)))
    [fault] = readers.fuzz("wrong", 2000)["faults"]
    assert "ZeroDivisionError" in fault or "IndexError" in fault


def test_coverage_leads_to_what_a_reader_gets_wrong(tmp_path):
    """Three bytes, one after the other: 16 million inputs at random, thousands where each right one is
    seen."""
    pytest.importorskip("atheris")
    assert guided("vocab", 300) == {"guided": 300, "faults": []}
    (tmp_path / "common_wrong.py").write_text(
        "def read(folder):\n    x = (folder / 'x.txt').read_bytes()\n"
        "    if x[:1] == b'K':\n        if x[1:2] == b'e':\n            if x[2:3] == b'r':\n                "
        "1 / 0\n")
    (tmp_path / "program.py").write_text(
        f"import sys\nsys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]\nfrom tests.stress import guided, "
        "readers\nreaders.READERS['wrong'] = ('vae', lambda: ({'x.txt': b'abc'}, "
        "__import__('common_wrong').read))\nguided.PACKAGES.append('common_wrong')\nguided.main(*sys.argv[1:])\n")
    found = guided("wrong", 100_000, 60, program=str(tmp_path / "program.py"))
    assert 0 < found["guided"] < 100_000 and "ZeroDivisionError" in found["faults"][0]


@pytest.mark.parametrize("name", ["GatedConv1D", "CRF", "Flow", "CrossAttention"])
def test_layers_give_the_same_numbers_in_whatever_way_they_are_used(name):
    trial = layers.Trial(name, 0)
    for promise in (layers.cloned, layers.shared_twice, layers.half_precision, layers.masks):
        promise(trial)


def test_every_layer_of_common_is_tried():
    for path in (ROOT / "common").glob("*.py"):
        importlib.import_module(f"common.{path.stem}")
    kinds = [kind for kind in keras.saving.get_custom_objects().values() if isinstance(kind, type)]
    ours = {kind.__name__ for kind in kinds
            if issubclass(kind, keras.layers.Layer) and kind.__module__.startswith("common.")}
    # those within Flow
    assert ours == {name.split()[0] for name in layers.CASES} | {"Reverse", "Permutation", "Scale"}


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="loads on JAX what TensorFlow saved")
def test_all_promises_of_all_layers():
    found = layers.promises(1)
    assert found["faults"] == []


def test_a_gradient_that_overflows_in_float16_is_scaled_and_survives_a_kill(tmp_path):
    """1e5 times the output has gradients beyond float16's 65,504: LossScaleOptimizer leaves steps out until
    they fit."""
    x = np.ones((40, 3), "float32")

    def fit(config, epochs):
        found = training.start(config, "test", "half")
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1, dtype="float32")]
        )
        model.compile(keras.optimizers.SGD(1e-9), lambda y, p: 1e5 * keras.ops.mean(p - y, axis=-1))
        model.fit(ArrayBatches(found, x, x[:, :1]), **found.fit_options() | {"epochs": epochs})
        return found, model

    config = cli.BaseConfig(epochs=2, batch_size=4, precision="mixed_float16", out=tmp_path)
    found, model = fit(config, 1)
    scale = float(model.optimizer.dynamic_scale)
    assert 0 < scale < 2.0 ** 15 and all(np.isfinite(w).all() for w in model.get_weights())
    resumed, model = fit(cli.settle(dataclasses.replace(config, resume=found.folder)), 2)
    assert resumed.epoch == 2 and float(model.optimizer.dynamic_scale) <= scale


def test_the_page_shows_the_figures_of_the_committed_run():
    figures = json.loads(run.RESULTS.read_text())
    text = run.PAGE.read_text(encoding="utf-8")
    assert run.BEGIN + run.table(figures) + run.END in text, "python tests/stress/run.py --page brings it up"
    for found in (found for part in figures.values() for found in part.values()):
        assert re.fullmatch("[0-9a-f]{12}(-modified)?", found["commit"])
