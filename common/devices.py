"""Devices that share each batch: several GPUs of a machine, or several processes on one machine or on many.

Each device holds the whole model and takes an equal part of every batch; one optimizer step follows from all of it.

JAX (keras.distribution.DataParallel): one program is compiled for all devices, so dropout, normalisation and losses see
the whole batch: the numbers are those of a single device but for rounding. Processes are started by common/launch.py.
TensorFlow (tf.distribute.MirroredStrategy, one machine): each device takes the loss of its own part, and the step the mean
of the devices: the same for a mean over samples, not for a mean over characters or for batch normalisation.

runs.py calls join, spread, train_only and alone; what delivers batches calls whole for their size and share for this
process's rows.
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

from common.datasets import InputError
from common.launch import COORDINATOR, LOCAL, PROCESS, PROCESSES, SCHEDULER

# nl2sql/ runs this file with tf_keras in Keras' place, which cannot share batches: it trains on one device.
DataParallel = keras.distribution.DataParallel if hasattr(keras, "distribution") else object
_strategy = None              # of TensorFlow, between spread and alone
MISSING, LOST = 300, 30       # seconds until a process that never came, or one that fell silent, counts as lost


# ---------------------------------------------------------------------------------------------------- for the scripts

def join(devices=1):
    """Before anything computes: joins the processes that common/launch.py started, or prepares devices of a CPU.

    Args:
        devices: --devices. A machine without GPU divides its CPU into so many, which helps to try things, not to be fast.
    """
    if COORDINATOR in os.environ:
        import jax

        options = {} if os.environ[COORDINATOR] == SCHEDULER else {
            "coordinator_address": os.environ[COORDINATOR], "num_processes": int(os.environ[PROCESSES]),
            "process_id": int(os.environ[PROCESS]),
            "local_device_ids": [int(os.environ[LOCAL])] if LOCAL in os.environ else None}
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        try:
            jax.distributed.initialize(**options, initialization_timeout=MISSING, heartbeat_timeout_seconds=LOST)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"this process could not join the others: {str(error).splitlines()[0]:.300}") from error
        sys.excepthook = _end_with_traceback
        if process():
            sys.stdout = open(os.devnull, "w")              # the first one speaks for all; errors are everyone's
    elif devices > 1 and keras.backend.backend() == "jax":
        import jax

        with contextlib.suppress(RuntimeError):             # too late in a process that has computed: spread() counts
            jax.config.update("jax_num_cpu_devices", devices)
    elif devices > 1 and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with contextlib.suppress(RuntimeError):
            tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0],
                                                       [tf.config.LogicalDeviceConfiguration()] * devices)


def spread(config):
    """Models that are made from here on live on all devices that config.devices asks for, or on those of all processes.

    Raises:
        InputError: more devices than there are, or a batch that they cannot share equally.
    """
    global _strategy
    alone()
    if config.devices == 1 and processes() == 1:
        return
    found = _devices()
    wanted = len(found) if processes() > 1 or config.devices == 0 else config.devices
    if not 0 < wanted <= len(found):
        raise InputError(f"--devices expects 0, for all, to {len(found)}, as many as {keras.backend.backend()} finds. "
                         f"Received: {config.devices}")
    if wanted == 1:
        return
    if config.batch_size % wanted:
        raise InputError(f"--batch-size expects a multiple of {wanted}, the devices that share a batch. "
                         f"Received: {config.batch_size}")
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(SharedBatches(devices=found[:wanted], auto_shard_dataset=False))
    else:
        import tensorflow as tf

        # Unlike the default way to reduce, this one also adds up what embeddings and LSTMs give.
        _strategy = tf.distribute.MirroredStrategy(found[:wanted], tf.distribute.HierarchicalCopyAllReduce())
        tf.distribute.experimental_set_strategy(_strategy)
    print(f"each batch is shared by {wanted} devices"
          + (f" of {processes()} processes" if processes() > 1 else ""), flush=True)


def train_only(model):
    """On TensorFlow, shares the steps of model.fit alone, as SharedBatches does on JAX: what validates and predicts besides
    need not divide by the number of devices. The strategy would hand empty parts to some, and Keras join parts wrongly."""
    if not _strategy:
        return
    import tensorflow as tf

    def alone(method):
        def call(*arguments, _use_cached_eval_dataset=False, **options):      # which fit has divided
            model._distribute_strategy = None
            try:
                return method(*arguments, **options)
            finally:
                model._distribute_strategy = _strategy

        return call

    tf.distribute.experimental_set_strategy(None)                       # for models that callbacks make, an encoder alone
    for name in ("evaluate", "predict", "predict_on_batch"):
        setattr(model, name, alone(getattr(model, name)))


def alone():
    """Models that are made from here on live on one device of this process: what measures after a training."""
    global _strategy
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(None)
    elif _strategy:
        import tensorflow as tf

        _strategy = tf.distribute.experimental_set_strategy(None)


def private(config):
    """The configuration for a process other than the first: folders of its own, which vanish with it.

    All processes run the same code, and only the first one's files are kept. No process waits for another to have written
    something, and no folder needs to be shared, but to resume from."""
    if not process():
        return config
    folder = pathlib.Path(tempfile.mkdtemp(prefix="process-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    resume = shutil.copytree(config.resume, folder / "resumed") if config.resume else None
    return dataclasses.replace(config, out=folder, resume=resume)


def end(code):
    """Ends the process; one of several without the farewell that would wait for the others, who may wait for it."""
    if processes() > 1:
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code) from None


# ---------------------------------------------------------------------------------------------------- for the batches

def count():
    """Devices that share a batch."""
    if keras.backend.backend() == "tensorflow":
        return _strategy.num_replicas_in_sync if _strategy else 1
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else 1


def whole(size):
    """The largest number of samples, at most `size`, that the devices can share equally."""
    return size - size % count()


def share(batch):
    """This process's rows of a batch: an array, or nested arrays, whose first axis counts samples."""
    total, mine = processes(), process()
    if total == 1 or count() == 1:
        return batch
    return keras.tree.map_structure(lambda rows: rows[len(rows) * mine // total:len(rows) * (mine + 1) // total], batch)


class SharedBatches(DataParallel):
    """Data parallelism for what model.fit trains on; what validates and predicts goes to every device whole.

    Validation data have any length, which need not divide by the number of devices, and callbacks predict what they like:
    each device then computes the same. runs.Checkpoint says when a training step begins and ends.
    """

    training = False

    def get_data_layout(self, data_shape):
        if self.training:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


def training(begins):
    """Says that a training step begins, or ends."""
    if keras.backend.backend() == "jax" and isinstance(found := keras.distribution.distribution(), SharedBatches):
        found.training = begins


# ----------------------------------------------------------------------------------------------------------- processes

def processes():
    """How many processes train together."""
    if COORDINATOR not in os.environ:
        return 1
    import jax

    return jax.process_count()


def process():
    """The number of this process among them, from 0."""
    if COORDINATOR not in os.environ:
        return 0
    import jax

    return jax.process_index()


def _devices():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return [d.name for d in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    return keras.distribution.list_devices()


def _end_with_traceback(kind, error, trace):
    traceback.print_exception(kind, error, trace)
    end(1)
