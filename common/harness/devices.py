"""Devices that share each batch: several GPUs of a machine, or several processes on one machine or on many.

Each device holds the whole model and takes an equal part of every batch; one optimizer step follows from all
of it.

JAX (keras.distribution.DataParallel): one program is compiled for all devices, so dropout, normalisation and
losses see the whole batch: the numbers are those of a single device but for rounding. Processes are started
by common/harness/launch.py. TensorFlow (tf.distribute.MirroredStrategy, one machine): each device takes the
loss of its own part, and the step the mean of the devices: the same for a mean over samples, not for a mean
over characters or for batch normalisation.

cli.py calls join; training.py calls distribute, distribute_fit_only and on_one_device; batches.py calls
divisible for the size of a batch and shard for this process's rows.
"""

import atexit
import contextlib
import dataclasses
import os
import pathlib
import shutil
import sys
import tempfile
import traceback

import keras

from common.harness import launch
from common.harness.language import in_users_language
from common.harness.launch import COORDINATOR, LOCAL, PROCESS, PROCESSES, SCHEDULER
from common.harness.reading import InputError

_strategy = None              # of TensorFlow, from distribute to on_one_device
MISSING, SILENCE = 300, 30    # seconds until a process that never came, or fell silent, counts as lost


# -------------------------------------------------------------------------------------------- for the scripts

def join(devices=1):
    """Before anything computes: joins the processes that common/harness/launch.py started, or prepares
    devices of a CPU.

    Args:
        devices: --devices. A machine without GPU divides its CPU into so many, which helps to try things, not
            to be fast.
    """
    if COORDINATOR in os.environ:
        _join_processes()
    elif devices > 1:
        with contextlib.suppress(RuntimeError):      # too late where something was computed: see distribute
            _divide_cpu(devices)


def _join_processes():
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(**_place_among_processes(), initialization_timeout=MISSING,
                                   heartbeat_timeout_seconds=SILENCE)
    except (RuntimeError, ValueError) as error:
        raise InputError("this process could not join the other processes: "
                         f"{str(error).splitlines()[0]:.300}") from error
    sys.excepthook = _end_with_traceback
    if process_index():
        sys.stdout = open(os.devnull, "w")               # the first one speaks for all; errors are everyone's


def _place_among_processes():
    """What launch.py left in the environment, as jax.distributed.initialize takes it. In a job of a scheduler
    JAX finds these numbers by itself."""
    if os.environ[COORDINATOR] == SCHEDULER:
        return {}
    return {"coordinator_address": os.environ[COORDINATOR], "num_processes": int(os.environ[PROCESSES]),
            "process_id": int(os.environ[PROCESS]),
            "local_device_ids": [int(os.environ[LOCAL])] if LOCAL in os.environ else None}


def _divide_cpu(devices):
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_num_cpu_devices", devices)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)


def distribute(config):
    """Models that are made from here on live on all devices that config.devices asks for, or on those of all
    processes.

    Raises:
        InputError: more devices than there are, or a batch that they cannot share equally.
    """
    on_one_device()
    if config.devices == 1 and process_count() == 1:
        return
    if keras.backend.backend() == "torch":
        raise InputError(in_users_language(
            "--devices expects 1 on the PyTorch backend; KERAS_BACKEND=tensorflow and KERAS_BACKEND=jax "
            f"share batches. Received: {config.devices}",
            "PyTorch 后端上 --devices 只能是 1；KERAS_BACKEND=tensorflow 或 jax 才能多设备分批。"
            f"收到：{config.devices}"))
    found = _devices()
    wanted = len(found) if process_count() > 1 or config.devices == 0 else config.devices
    if not 0 < wanted <= len(found):
        raise InputError(in_users_language(
            f"--devices expects 0 to {len(found)}, the number that {keras.backend.backend()} finds; 0 takes "
            f"all. Received: {config.devices}",
            f"--devices 应在 0 到 {len(found)} 之间：{keras.backend.backend()} 找到 {len(found)} 个设备，"
            f"0 是全部。收到：{config.devices}"))
    if wanted == 1:
        return
    if config.batch_size % wanted:
        raise InputError(in_users_language(
            f"--batch-size expects a multiple of {wanted}, the devices that share a batch. "
            f"Received: {config.batch_size}",
            f"--batch-size 应是 {wanted} 的倍数，即分担每批的设备数。收到：{config.batch_size}"))
    _distribute(found[:wanted])
    among = ("", "")
    if process_count() > 1:
        among = (f" of {process_count()} processes", f"（{process_count()} 个进程）")
    print(in_users_language(f"each batch is shared by {wanted} devices{among[0]}",
                            f"每批由 {wanted} 个设备分担{among[1]}"), flush=True)


def _distribute(found):
    global _strategy
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(SharedBatches(devices=found, auto_shard_dataset=False))
        return
    import tensorflow as tf

    # Unlike the default way to reduce, this one also adds up what embeddings and LSTMs give.
    _strategy = tf.distribute.MirroredStrategy(found, tf.distribute.HierarchicalCopyAllReduce())
    tf.distribute.experimental_set_strategy(_strategy)


def distribute_fit_only(model):
    """On TensorFlow, shares the steps of model.fit alone, as SharedBatches does on JAX: what validates and
    predicts besides need not divide by the number of devices. The strategy would hand empty parts to some,
    and Keras join parts wrongly."""
    if not _strategy:
        return
    import tensorflow as tf

    def undistributed(method):
        def call(*arguments, _use_cached_eval_dataset=False, **options):      # which fit has divided
            model._distribute_strategy = None
            try:
                return method(*arguments, **options)
            finally:
                model._distribute_strategy = _strategy

        return call

    tf.distribute.experimental_set_strategy(None)           # for models that callbacks make, an encoder alone
    for name in ("evaluate", "predict", "predict_on_batch"):
        setattr(model, name, undistributed(getattr(model, name)))


def on_one_device():
    """Models that are made from here on live on one device of this process: what measures after a
    training."""
    global _strategy
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(None)
    elif _strategy:
        import tensorflow as tf

        _strategy = tf.distribute.experimental_set_strategy(None)


def with_private_folders(config):
    """The configuration for a process other than the first: folders of its own, which vanish with it.

    All processes run the same code, and only the first one's files are kept. No process waits for another to
    have written something, and no folder needs to be shared, but to resume from."""
    if not process_index():
        return config
    folder = pathlib.Path(tempfile.mkdtemp(prefix="process-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    resume = shutil.copytree(config.resume, folder / "resumed") if config.resume else None
    return dataclasses.replace(config, out=folder, resume=resume)


# -------------------------------------------------------------------------------------------- for the batches

def count():
    """Devices that share a batch."""
    if keras.backend.backend() == "tensorflow":
        return _strategy.num_replicas_in_sync if _strategy else 1
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else 1


def accelerated():
    """Whether models live on a GPU or another accelerator."""
    return "cpu" not in str(_devices()[0]).lower()


def divisible(size):
    """The largest number of samples, at most `size`, that the devices can share equally."""
    return size - size % count()


def shard(batch):
    """This process's rows of a batch: an array, or nested arrays, whose first axis counts samples."""
    total, mine = process_count(), process_index()
    if total == 1 or count() == 1:
        return batch

    def rows_of(array):
        return array[len(array) * mine // total:len(array) * (mine + 1) // total]

    return keras.tree.map_structure(rows_of, batch)


class SharedBatches(keras.distribution.DataParallel):
    """Data parallelism for what model.fit trains on; what validates and predicts goes to every device whole.

    Validation data have any length, which need not divide by the number of devices, and callbacks predict
    what they like: each device then computes the same. training.Checkpoint says when a training step begins
    and ends.
    """

    training = False

    def get_data_layout(self, data_shape):
        if self.training:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


def mark_step(begins):
    """Says that a training step begins, or ends."""
    if keras.backend.backend() != "jax":
        return
    distribution = keras.distribution.distribution()
    if isinstance(distribution, SharedBatches):
        distribution.training = begins


# -------------------------------------------------------------------------------------------------- processes

def process_count():
    """How many processes train together."""
    if COORDINATOR not in os.environ:
        return 1
    import jax

    return jax.process_count()


def process_index():
    """The number of this process among them, from 0."""
    if COORDINATOR not in os.environ:
        return 0
    import jax

    return jax.process_index()


def _devices():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return [device.name for device in found]
    if keras.backend.backend() == "torch":                  # on which Keras shares nothing
        import torch

        return ["cuda:0" if torch.cuda.is_available() else "cpu"]
    return keras.distribution.list_devices()


def _end_with_traceback(kind, error, trace):
    traceback.print_exception(kind, error, trace)
    launch.end(1)
