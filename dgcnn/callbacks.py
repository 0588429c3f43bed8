"""The end of an epoch: averaged weights take the model's place, and the validation questions are answered."""

import keras
from keras import ops

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

    def __init__(self, questions, encode, size):
        super().__init__()
        self.questions, self.encode, self.size = questions, encode, size

    def on_train_begin(self, logs=None):
        self.reader = Reader(self.model, self.encode, self.size)       # once: it compiles the model

    def on_epoch_end(self, epoch, logs=None):
        rows = report.answer_all(self.reader, self.questions)
        for name, value in report.mean_scores(rows).items():
            logs[f"val_{name}"] = value
        for row in rows[:4]:
            right = "/".join(row["right"]) or "none"
            print(f"    {row['question']} → {row['answer'] or '(none)'}   [{right}]", flush=True)
