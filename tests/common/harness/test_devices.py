"""Devices and processes that share batches: equal to one device, and what happens when a process is lost."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from common.harness import cli, devices, launch, training
from common.harness.batches import ArrayBatches
from common.harness.folder import RunFolder
from common.harness.models import load_model
from common.harness.reading import InputError

ROOT = pathlib.Path(__file__).resolve().parents[3]
VAE = ["vae/train.py", "--data", "digits", "--batch-size", "100", "--epochs", "2", "--iw-images", "0"]
CRF = ["crf/train.py", "--data", "sample", "--model", "article", "--batch-size", "16", "--epochs", "1"]
NICE = ["flow_nice/train.py", "--data", "digits", "--width", "16", "--epochs", "2", "--batch-size", "100"]


def start(arguments, out, backend="jax", **environment):
    """A script, or the launcher with one, as a process of its own."""
    command = [sys.executable, *map(str, arguments), "--out", str(out)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", **environment}
    environment.pop("KEXUE_DATA", None)
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finished(process, code=0):
    output, _ = process.communicate(timeout=600)
    assert process.returncode == code, output[-3000:]
    return output


def trained(out):
    """(rows of log.csv without the seconds, weights and optimizer's state of the last epoch) of the only run
    in a folder."""
    folder, = out.glob("*/*")
    rows = np.genfromtxt(folder / "log.csv", delimiter=",", skip_header=1, ndmin=2)[:, :-1]
    assert (folder / "results.json").exists()
    with np.load(folder / "checkpoint.npz") as file:
        return rows, [file[f"v{i}"] for i in range(len(file.files) - 1)]


def assert_equal_runs(one, other):
    (rows, weights), (other_rows, other_weights) = map(trained, (one, other))
    np.testing.assert_allclose(rows, other_rows, rtol=1e-5)
    assert len(weights) == len(other_weights) > 4
    for a, b in zip(weights, other_weights):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


# --------------------------------------------------------------------------------------------------- launcher

def test_what_each_process_is_told():
    two = launch.environments(2, None, None, {})
    assert [row[launch.PROCESS] for row in two] == ["0", "1"] == [row[launch.LOCAL] for row in two]
    assert len({row[launch.COORDINATOR] for row in two}) == 1 and {row[launch.PROCESSES] for row in two} == {
        "2"
    }
    assert launch.environments(4, 3, "node0:99", {}) == [
        {launch.COORDINATOR: "node0:99", launch.PROCESSES: "4", launch.PROCESS: "3"}]
    assert launch.environments(None, None, None, {"SLURM_JOB_ID": "7", "SLURM_PROCID": "1"}) == [
        {launch.COORDINATOR: launch.SCHEDULER}]


@pytest.mark.parametrize("arguments, message", [
    ([], "expected --processes"),
    (["--processes", "0"], "--processes expects 1 to 1,024"),
    (["--processes", "1000000000"], "--processes expects 1 to 1,024. Received: 1000000000"),
    (["--processes", "2", "--process-id", "2", "--coordinator", "a:1"], "--process-id expects 0 to 1"),
    (["--processes", "2", "--process-id", "0"], "--coordinator HOST:PORT"),
    (["--processes", "2", "--process-id", "0", "--coordinator", "node0"], "--coordinator HOST:PORT"),
])
def test_numbers_that_do_not_fit(arguments, message, capsys, monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_PROCID", "OMPI_MCA_orte_hnp_uri", "KERAS_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as error:
        launch.main([*arguments, str(ROOT / "vae/train.py")])
    assert error.value.code == 2 and message in capsys.readouterr().err


def test_scripts_and_backends_that_cannot_be_launched(capsys, monkeypatch):
    for backend, script, message in [
        ("jax", "nowhere.py", "expected a script"),
        ("tensorflow", "vae/train.py", "JAX"),
    ]:
        monkeypatch.setenv("KERAS_BACKEND", backend)
        with pytest.raises(SystemExit):
            launch.main(["--processes", "2", script])
        assert message in capsys.readouterr().err


def watched(script, total=2):
    settings = [{launch.PROCESS: str(i), launch.PROCESSES: str(total)} for i in range(total)]
    return launch.watch([sys.executable, "-c", script], settings)


def test_the_launcher_reports_the_process_that_failed_and_stops_the_others(capfd, monkeypatch):
    assert watched("pass") == 0
    monkeypatch.setattr(launch, "GRACE", 0.2)
    me = f"os.environ['{launch.PROCESS}'] == '1'"
    began = time.monotonic()
    assert watched(f"import os, sys, time; sys.exit(3) if {me} else time.sleep(60)") == 3
    assert "process 1 of 2 ended with code 3" in capfd.readouterr().err
    assert watched(f"import os, time; os.kill(os.getpid(), 9) if {me} else time.sleep(60)") == 1
    assert "process 1 of 2 was killed by SIGKILL" in (error := capfd.readouterr().err) and "--resume" in error
    assert time.monotonic() - began < 30


# ----------------------------------------------------------------------------------------------------- shares

def test_the_shares_of_all_processes_are_the_batch(monkeypatch):
    batch = (np.arange(24).reshape(12, 2), {"y": np.arange(12)})
    assert devices.shard(batch) is batch and devices.divisible(7) == 7
    monkeypatch.setattr(devices, "count", lambda: 6)
    monkeypatch.setattr(devices, "process_count", lambda: 3)
    parts = []
    for i in range(3):
        monkeypatch.setattr(devices, "process_index", lambda: i)
        parts.append(devices.shard(batch))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in parts]), batch[0])
    np.testing.assert_array_equal(np.concatenate([y["y"] for _, y in parts]), batch[1]["y"])
    assert devices.divisible(23) == 18

    run = RunFolder(None, cli.BaseConfig(batch_size=12))
    monkeypatch.setattr(devices, "process_index", lambda: 2)
    mine = ArrayBatches(run, np.arange(50), np.arange(50))[1][0]
    noisy = ArrayBatches(
        run, np.arange(50), np.arange(50), transform=lambda x, y, rng: (x + rng.random(len(x)), y)
    )[1][0]
    monkeypatch.setattr(devices, "process_count", lambda: 1)
    np.testing.assert_array_equal(mine, ArrayBatches(run, np.arange(50), np.arange(50))[1][0][8:])
    np.testing.assert_array_equal(noisy.astype(int), mine)
    with pytest.raises(InputError, match="at least 6 training samples"):
        ArrayBatches(run, np.arange(5), np.arange(5))


def test_devices_that_are_not_there_and_batches_that_do_not_divide(tmp_path):
    with pytest.raises(InputError, match="--devices expects 0 to"):
        training.start(cli.BaseConfig(devices=999, out=tmp_path), "test", "a")
    with pytest.raises(InputError, match="--devices expects 0 to"):
        training.start(cli.BaseConfig(devices=-1, out=tmp_path), "test", "a")
    output = finished(start([*VAE, "--devices", "3"], tmp_path / "out"), code=2)
    assert "--batch-size expects a multiple of 3" in output
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------- as one device would

@pytest.mark.jax
@pytest.mark.parametrize("command", [VAE, pytest.param(CRF, marks=pytest.mark.slow)], ids=["vae", "crf"])
def test_two_processes_train_what_one_trains(tmp_path, command):
    output = finished(start(["-m", "common.harness.launch", "--processes", "2", *command], tmp_path / "two"))
    assert "shared by 2 devices of 2 processes" in output and output.count("run: ") == 1
    finished(start(command, tmp_path / "one"))
    assert_equal_runs(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_processes_that_a_scheduler_numbers(tmp_path):
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    both = [
        start(
            ["-m", "common.harness.launch", *VAE],
            tmp_path / "two",
            **job,
            SLURM_PROCID=str(i),
            SLURM_LOCALID=str(i),
        )
        for i in range(2)
    ]
    assert ["run: " in finished(process) for process in both] == [True, False]
    finished(start(VAE, tmp_path / "one"))
    assert_equal_runs(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("backend, command", [("jax", VAE), ("tensorflow", NICE)])
def test_two_devices_train_what_one_trains(tmp_path, backend, command):
    output = finished(start([*command, "--devices", "2"], tmp_path / "two", backend))
    assert "shared by 2 devices" in output
    finished(start(command, tmp_path / "one", backend))
    assert_equal_runs(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("backend, article, precision", [
    ("tensorflow", "crf", "mixed_bfloat16"), ("tensorflow", "couplet", "float32"),
    ("jax", "crf", "mixed_float16"), ("jax", "dgcnn", "mixed_float16"),
])
def test_two_devices_run_whatever_the_script_does_besides(tmp_path, backend, article, precision):
    """An odd number of couplets to validate on, lengths of three sentences, lines answered one by one after
    each epoch, an optimizer that scales its loss, averaged weights."""
    command = [f"{article}/train.py", "--smoke", "--devices", "2", "--precision", precision]
    output = finished(start(command, tmp_path, backend))
    assert "shared by 2 devices" in output and list(tmp_path.glob("*/*/results.json"))


@pytest.mark.slow
def test_a_process_is_killed_and_the_run_continues(tmp_path):
    """Launchers of two machines, as it were: the one whose own process lives ends by itself, too."""
    port, command = launch.free_port(), [*VAE[:-3], "400", *VAE[-2:]]
    both = [
        start(
            [
                "-m",
                "common.harness.launch",
                "--processes",
                "2",
                "--process-id",
                str(i),
                "--coordinator",
                f"127.0.0.1:{port}",
                *command,
            ],
            tmp_path,
        )
        for i in range(2)
    ]
    for line in both[0].stdout:
        if line.startswith("Epoch 3/"):
            break
    children = subprocess.run(
        ["pgrep", "-P", str(both[1].pid)], capture_output=True, text=True
    ).stdout.split()
    os.kill(int(children[0]), signal.SIGKILL)
    killed, outputs = time.monotonic(), [process.communicate(timeout=120)[0] for process in both]
    assert time.monotonic() - killed < devices.SILENCE + launch.GRACE + 20
    assert all(process.returncode not in (0, None) for process in both)
    assert "process 1 of 2 was killed by SIGKILL" in outputs[1]
    assert re.search("error: process 0 of 2 .*another process was lost before it", outputs[0])

    folder, = tmp_path.glob("vae/*")
    done = len((folder / "log.csv").read_text().splitlines()) - 1
    config = json.loads((folder / "config.json").read_text()) | {"epochs": done + 2}     # 400 would take long
    (folder / "config.json").write_text(json.dumps(config))
    output = finished(
        start(
            ["-m", "common.harness.launch", "--processes", "2", "vae/train.py", "--resume", folder], tmp_path
        )
    )
    assert f"continuing after epoch {done}" in output
    rows, _ = trained(tmp_path)
    assert [int(row[0]) for row in rows] == list(range(1, done + 3))


# -------------------------------------------------------------------------------------------------- precision

@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_float32_weights_and_saves_a_float32_model(tmp_path, precision):
    run = training.start(cli.BaseConfig(precision=precision, out=tmp_path, epochs=2), "test", "mixed")
    x = np.random.default_rng(0).random((200, 6), "float32")
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(8, "relu")(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Dense(6)(hidden)))
    assert hidden.dtype == precision.removeprefix("mixed_")
    model.compile(keras.optimizers.Adam(0.01), "mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (precision == "mixed_float16")
    model.fit(ArrayBatches(run, x, x), **run.fit_options())
    assert keras.config.dtype_policy().name == "float32"            # for what measures afterwards
    saved = load_model(run.folder)
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    for a, b in zip(model.get_weights(), saved.get_weights()):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(saved.predict(x, verbose=0), model.predict(x, verbose=0), atol=0.05)
    with np.load(run.path("checkpoint.npz")) as file:              # bfloat16 would not survive NumPy's format
        assert {file[name].dtype.kind for name in file.files} <= set("fiuU")
