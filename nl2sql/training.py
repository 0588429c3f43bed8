"""The training loop of nl2sql's scripts, on tf_keras; common/harness/training.py is the same for Keras 3."""

import dataclasses
import sys
from typing import Annotated, ClassVar, Literal

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import keras
import tensorflow as tf

from common.harness import cli, folder
from common.harness.checkpoint import CheckpointMethods, restore_state
from common.harness.memory import keep_freed_memory, lift_limit, limit_weights
from common.harness.order import EpochBatches
from common.harness.reading import InputError


@dataclasses.dataclass
class BaseConfig(cli.BaseConfig):
    builtin: ClassVar[str] = "sample"
    precision: Literal["float32"] = "float32"
    """bert4keras computes in float32."""
    devices: Annotated[int, cli.Between(1, 1)] = 1
    """bert4keras trains on one device."""


class Run(folder.RunFolder):
    """A run folder, and what model.fit needs of the run in it."""

    packages = ("tf_keras", "bert4keras", "numpy", "tensorflow")

    def fit_options(self, *callbacks, save, monitor="val_loss", best=min):
        """What model.fit is given beside the data; see common/harness/training.py.

        Args:
            callbacks: the script's own, which come before the Checkpoint.
            save, monitor, best: see CheckpointMethods.
        """
        return {
            "epochs": self.config.epochs, "initial_epoch": self.epoch, "shuffle": False,
            "verbose": 1 if sys.stdout.isatty() else 2,
            "callbacks": [*callbacks, Checkpoint(self, save, monitor, best)],
        }


def start(config, name):
    """A new run folder below config.out, or the one named by config.resume, as a Run; seeds everything.

    Raises:
        InputError: see folder.open_run.
    """
    run = folder.open_run(Run, config, "nl2sql", name)
    restore_state(run)
    keep_freed_memory()
    if not tf.config.list_physical_devices("GPU"):
        limit_weights(keras.layers.Layer)
    keras.utils.set_random_seed(config.seed)
    folder.print_start(run, "tf_keras on tensorflow")
    return run


class Checkpoint(CheckpointMethods, keras.callbacks.Callback):
    """See CheckpointMethods; the model is kept in the format of bert.py, which takes finite numbers alone."""

    def __init__(self, run, save, monitor="val_loss", best=min):
        super().__init__(run, self._save_model, monitor, best)
        self.write = save

    def _save_model(self):
        try:
            self.write()
        except InputError as error:
            raise InputError(f"{error} Received: step {int(self.model.optimizer.iterations):,}") from error

    def on_train_end(self, logs=None):
        lift_limit()


class ShuffledBatches(EpochBatches, keras.utils.Sequence):
    """See EpochBatches; tf_keras says when an epoch ends, and so when the next one has to be planned."""

    def on_epoch_end(self):
        self.on_epoch_begin()


def cosine_rate(peak, steps):
    """The learning rate of our own recipes, as in common/harness/training.py."""
    warmup = max(1, steps // 25)
    rest = max(1, steps - warmup)
    return keras.optimizers.schedules.CosineDecay(0.0, rest, warmup_target=peak, warmup_steps=warmup)
