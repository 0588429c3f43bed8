"""The training loop of every script on Keras 3: how a run starts, what model.fit is given, its learning
rates.

    run = start(config, "vae", config.model)
    model.fit(batches, **run.fit_options(SampleSheet(run)))
    run.finish(images.describe(), metrics)
"""

import sys

import keras

from common.harness import devices, folder, tuning
from common.harness.checkpoint import CheckpointMethods, restore_state
from common.harness.memory import keep_freed_memory, lift_limit, limit_weights
from common.harness.models import save_model


class Run(folder.RunFolder):
    """A run folder, and what model.fit needs of the run in it."""

    packages = ("keras", "numpy", keras.backend.backend())

    def fit_options(self, *callbacks, monitor="val_loss", best=min):
        """What model.fit is given beside the data: where to begin and end, how to report, and the callbacks.

        shuffle is off since the batches are shuffled already, in an order that --resume can continue: by
        default fit shuffles the items of a PyDataset once more, by a random state that no checkpoint holds.

        Args:
            callbacks: the script's own. They come before the Checkpoint, so what they add to the logs is in
                log.csv.
            monitor, best: see Checkpoint.
        """
        return {
            "epochs": self.config.epochs, "initial_epoch": self.epoch, "shuffle": False,
            "verbose": 1 if sys.stdout.isatty() else 2,
            "callbacks": [*callbacks, Checkpoint(self, monitor, best)],
        }


def start(config, article, name):
    """A new run folder below config.out, or the one named by config.resume, as a Run; seeds everything.

    Raises:
        InputError: the folder cannot be written, what config.resume names cannot be continued, another
            process is at it, or the devices cannot share the batches.
    """
    devices.distribute(config)
    run = folder.open_run(Run, devices.with_private_folders(config), article, name)
    restore_state(run)
    keep_freed_memory()
    if not devices.accelerated():                    # a GPU has memory of its own, and says when that is full
        limit_weights(keras.layers.Layer, devices.count() // devices.process_count())
    tuning.disable_autotune()
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)     # until the training ends, see Checkpoint.on_train_end
    folder.print_start(run, f"keras on {keras.backend.backend()}")
    return run


class Checkpoint(CheckpointMethods, keras.callbacks.Callback):
    """See CheckpointMethods; model.keras is the model that monitor finds best."""

    def __init__(self, run, monitor="val_loss", best=min):
        super().__init__(run, self._save_model, monitor, best)

    def _save_model(self):
        save_model(self.model, self.run.path("model.keras"))

    def as_array(self, variable):
        return keras.ops.convert_to_numpy(variable)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        devices.distribute_fit_only(self.model)

    def on_train_batch_begin(self, batch, logs=None):
        devices.mark_step(True)

    def on_train_batch_end(self, batch, logs=None):
        devices.mark_step(False)
        super().on_train_batch_end(batch, logs)

    def on_train_end(self, logs=None):
        # What comes after the training measures: in float32, as losses are, and on one device.
        keras.config.set_dtype_policy("float32")
        devices.on_one_device()
        lift_limit()


def cosine_rate(peak, steps):
    """The learning rate of all our own recipes: up to the peak in the first 4 % of the steps, then down to 0
    as a cosine."""
    warmup = max(1, steps // 25)
    decay = max(1, steps - warmup)
    return keras.optimizers.schedules.CosineDecay(0.0, decay, warmup_target=peak, warmup_steps=warmup)


def learning_rate(config, steps, cosine, article):
    """The learning rate of --recipe: cosine_rate, or the article's constant one; each with a default of its
    own."""
    if config.recipe == "article":
        return config.learning_rate or article
    return cosine_rate(config.learning_rate or cosine, steps)
