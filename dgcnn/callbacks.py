"""The end of an epoch: averaged weights take the model's place, and the validation questions are answered.
Its beginning: a second stage may begin from the best epoch."""

import keras
import numpy as np
from keras import ops

from common.harness.models import load_model
from dgcnn import report
from dgcnn.reader import Reader


class Averages(keras.callbacks.SwapEMAWeights):
    """At an epoch's end the averaged weights come into the model; the others wait for the next epoch."""

    def __init__(self, run):
        super().__init__(swap_on_epoch=True)
        self.run = run

    def on_train_begin(self, logs=None):
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        if self.run.epoch:                        # Checkpoint, after this, restores weights that were swapped
            super().on_epoch_end(0)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if keras.backend.backend() == "jax":
            # the last epoch's weights and averages are one array there, which the next prediction would give
            # back to JAX
            for variable in self.model.optimizer.variables:
                variable.assign(ops.copy(variable.value))

    def on_predict_begin(self, logs=None):            # the base class would swap once more
        pass

    on_predict_end = on_test_begin = on_test_end = on_predict_begin


class Validation(keras.callbacks.Callback):
    """Answers the validation questions after every epoch, and shows a few: one sees the model learn."""

    def __init__(self, questions, encode, size, longest):
        super().__init__()
        self.questions, self.encode, self.size, self.longest = questions, encode, size, longest

    def on_train_begin(self, logs=None):      # once: it compiles the model
        self.reader = Reader(self.model, self.encode, self.size, self.longest)

    def on_epoch_end(self, epoch, logs=None):
        rows = report.answer_all(self.reader, self.questions)
        for name, value in report.mean_scores(rows).items():
            logs[f"val_{name}"] = value
        for row in rows[:4]:
            right = "/".join(row["right"]) or "none"
            print(f"    {row['question']} → {row['answer'] or '(none)'}   [{right}]", flush=True)


class SecondStage(keras.callbacks.Callback):
    """Once, when an epoch begins: the best weights come back, the learning rate falls to a tenth, and the
    optimizer's moments and the averages of the weights begin anew. It comes after Averages.

    Args:
        run: the run, whose log says when.
        last, patience: see second_stage.
    """

    def __init__(self, run, last, patience=0):
        super().__init__()
        self.run, self.last, self.patience = run, last, patience

    def on_epoch_begin(self, epoch, logs=None):
        scores = [row["val_score"] for row in self.run.state["log"]]
        if epoch == 0 or epoch != second_stage(scores, self.last, self.patience):
            return
        self.model.set_weights(load_model(self.run.folder).get_weights())
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        rate = float(optimizer.learning_rate)
        for variable in optimizer.variables:          # at step 0 the averages take the weights as they are
            variable.assign(ops.zeros_like(variable))
        optimizer.learning_rate = rate / 10
        print(f"continuing from the best epoch, at a learning rate of {rate / 10:g}", flush=True)


def second_stage(scores, last, patience=0):
    """The epoch, from 0, that a second stage begins with; None where that is not known yet.

    Args:
        scores: of validation after each epoch up to now.
        last: the epoch with which it begins at the latest.
        patience: epochs without gain after which it begins earlier, as in the author's release: from the 17th
            on, and then too where a score is below 0.5. 0: it does not.
    """
    for epoch in range(1, len(scores) + 1):
        seen = scores[:epoch]
        if epoch == last:
            return epoch
        if patience and epoch > 16 and (seen[-1] < 0.5 or np.argmax(seen) < epoch - patience):
            return epoch
    return None
