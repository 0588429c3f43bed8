"""What makes --resume continue after a kill at any moment: the state of a training, written after each epoch.

CheckpointMethods are the methods of a callback: common/harness/training.py gives them to Keras 3, and
nl2sql/training.py to tf_keras.

No Keras in here.
"""

import io
import json
import math
import time

import numpy as np

from common.harness.archives import read_arrays
from common.harness.folder import new_state
from common.harness.language import in_users_language
from common.harness.reading import InputError
from common.harness.writing import shown, write_whole

GROWN = 10_000               # times the first loss: such a training is lost
INFINITE = "is no longer a finite number", "不再是有限的数"


def read_checkpoint(path):
    """(state of the run, values of the variables) of a checkpoint.npz, all of it read: damage is told before
    training."""
    try:
        arrays = read_arrays(path, model=True)
        state = json.loads(str(arrays.pop("state")))
        values = [arrays[f"v{i}"] for i in range(len(arrays))]
        wrong = wrong_in(state)
        if wrong:
            raise ValueError(f"what it says of the run makes no sense: {wrong}")
        return state, values
    except InputError:
        raise
    except Exception as error:     # zipfile, json and NumPy raise a dozen kinds for a file that is not theirs
        raise InputError(in_users_language(
            f"{path} is damaged ({error}); model.keras beside it holds the best epoch.",
            f"{path} 已损坏（{error}）；旁边的 model.keras 是最好一轮的模型。")) from error


def wrong_in(state):
    """What is wrong with the state of a run, or None."""
    if not isinstance(state, dict) or set(state) != set(new_state()):
        return f"expected {', '.join(new_state())}"
    log = state["log"]
    if not isinstance(log, list) or state["epoch"] != len(log):
        return "a row of the log for each epoch is missing"
    for number, row in enumerate(log, 1):
        if not isinstance(row, dict) or row.get("epoch") != number or "seconds" not in row:
            return f"row {number} of the log is not that of epoch {number}"
        if not all(map(_is_number, row.values())):
            return f"row {number} of the log holds more than finite numbers"
    if not _is_number(state["seconds"]) or state["seconds"] < 0:
        return "seconds is no time"
    if state["best"] is not None and not _is_number(state["best"]):
        return "best is no number"
    return None


def _kind_of(array):
    """Shape and type of a variable's value; integers are of other types on another backend."""
    return array.shape, "integer" if array.dtype.kind in "iu" else array.dtype.name


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def restore_state(run):
    """Gives a reopened run the state that its checkpoint holds, if there is one.

    Raises:
        InputError: a damaged checkpoint, or one of more epochs than the run has.
    """
    path = run.path("checkpoint.npz")
    if not path.exists():
        return
    state, _ = read_checkpoint(path)
    if state["epoch"] > run.config.epochs:
        raise InputError(f"{path} belongs to another run than config.json beside it, which has "
                         f"{run.config.epochs} epochs. Received: {state['epoch']} finished epochs")
    run.state = state


class CheckpointMethods:
    """After each epoch: the state from which --resume continues, log.csv, and the model when it got better.

    Keras' BackupAndRestore writes in place and forgets seed generators and best values; this writes weights,
    optimizer, random state, best value and log into one file that appears whole, checkpoint.npz. A loss that
    is no longer finite, or an epoch's mean 10,000 times what training began with, stops the run with an
    InputError that says where, and leaves the last good files.

    Args:
        run: the run; its state is restored into the model when training begins.
        save: function without arguments that writes the model, which is better than all before it.
        monitor: the logged value that decides what is better; where an epoch has no such value, the last
            epoch is kept.
        best: min or max, which values of it are better.
    """

    def __init__(self, run, save, monitor="val_loss", best=min):
        super().__init__()
        self.run, self.save, self.monitor, self.best = run, save, monitor, best

    def _variables(self):
        # seed generators included, metrics not
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        # with several devices it is, and loss scaling would build it twice
        if not getattr(optimizer, "built", False):
            optimizer.build(self.model.trainable_variables)
        if self.run.epoch:
            self._restore()
        self.clock, self.first = time.monotonic(), None

    def _restore(self):
        path = self.run.path("checkpoint.npz")
        _, saved = read_checkpoint(path)
        variables = self._variables()
        if [_kind_of(value) for value in saved] != [_kind_of(self.as_array(v)) for v in variables]:
            raise InputError(f"{path} belongs to another model than config.json beside it.")
        for variable, value in zip(variables, saved):
            variable.assign(value)
        self.run.write_log()             # a kill may have come between the two files

    def on_train_batch_end(self, batch, logs=None):
        loss, epoch = float(logs["loss"]), self.run.epoch + 1
        where = f"in epoch {epoch}", f"第 {epoch} 轮"
        if not np.isfinite(loss):
            self._stop_at(*INFINITE, *where)
        self.first = self.first or max(1.0, abs(loss))
        if loss > GROWN * self.first:
            self._stop_at(f"has grown to {loss:.3g}", f"涨到了 {loss:.3g}", *where)

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in logs.items()}
        if not all(np.isfinite(value) for value in values.values()):
            self._stop_at(*INFINITE, f"in the validation after epoch {epoch + 1}",
                          f"第 {epoch + 1} 轮之后的验证")
        self._log(epoch + 1, values)
        if self._is_best(values.get(self.monitor)):
            self.run.state["best"] = values.get(self.monitor)
            self.save()
        self._write()
        self.run.write_log()

    def _log(self, epoch, values):
        state, now = self.run.state, time.monotonic()
        state["seconds"] += now - self.clock
        self.clock = now
        state["epoch"] = epoch
        state["log"].append({"epoch": epoch, **values, "seconds": round(state["seconds"], 2)})

    def _is_best(self, value):
        before = self.run.state["best"]
        if value is None or before is None:
            return True
        return value != before and self.best(value, before) == value

    def _write(self):
        arrays = {f"v{i}": self.as_array(variable) for i, variable in enumerate(self._variables())}
        buffer = io.BytesIO()
        np.savez(buffer, state=np.array(json.dumps(self.run.state)), **arrays)
        write_whole(self.run.path("checkpoint.npz"), buffer.getvalue())

    def as_array(self, variable):
        """The value of a variable."""
        return np.asarray(variable)

    def _stop_at(self, what, chinese_what, where, chinese_where):
        kept = in_users_language("no epoch was finished, so there is no model",
                                 "还没有完成一轮，所以没有模型")
        if self.run.epoch:
            epoch, folder = self.run.epoch, shown(self.run.folder)
            kept = in_users_language(f"the model of epoch {epoch} or better is kept in {folder}",
                                     f"第 {epoch} 轮或更好的模型留在 {folder}")
        rate = float(self.as_array(self.model.optimizer.learning_rate))
        step = int(self.model.optimizer.iterations)
        raise InputError(in_users_language(
            f"the loss {what} at step {step:,}, {where}; {kept}. Try a smaller --learning-rate. "
            f"Received: a learning rate of {rate:g}",
            f"{chinese_where}，第 {step:,} 步，损失{chinese_what}；{kept}。请减小 --learning-rate。"
            f"收到：学习率 {rate:g}"))
