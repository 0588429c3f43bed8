"""Keras实现两个优化器：Lookahead和LazyOptimizer, https://kexue.fm/archives/6869, section LazyOptimizer

An optimizer with momentum goes on moving the vector of a word that is not in the batch. Here such a vector
rests: a row of the embedding whose gradient is zero is what it was, while its momentum goes on.

    2018       an optimizer around another one, which is given the embedding layers
    Keras 3    not built in: LazyEmbedding(keras.optimizers.Adam())

    python more/keras_tricks/lazy_embedding.py           two minutes: reviews of hotels by pairs of characters
    python more/keras_tricks/lazy_embedding.py --table   five seeds

The article's own number is of IMDB: validation accuracy 83.7 % by Adam, 84.9 % by lazy Adam.
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class LazyEmbedding(keras.optimizers.Optimizer):
    """Another optimizer, by which rows of embeddings move only where their gradient is not zero.

        E_w ← E_w + Δ_w where some component of ∂L/∂E_w is not 0, else E_w stays

    What the inner optimizer remembers of a row, such as its momentum, is updated in any case, as in the
    article. So a word that comes after a pause moves by a momentum that the pause has shrunk.

    A penalty on all embeddings in the loss gives each row a gradient, and no row rests: use weight_decay of
    the inner optimizer in its place, which rests with the row. Embeddings that are tied to the layer of an
    output have a gradient everywhere, too.

    Args:
        inner_optimizer: such as keras.optimizers.Adam(1e-3).
        names: last parts of the paths of the variables that are embeddings.
        name: of this optimizer.

    Raises:
        ValueError: no variable with such a name, or one that is no matrix; an inner optimizer that
            accumulates gradients, of which the last batch alone would say which words there were, or that
            averages weights.

    Precision: rows have the type of the weights.

    Example:
        model = keras.Sequential([keras.Input((4,), dtype="int32"), keras.layers.Embedding(9, 3),
                                  keras.layers.Flatten(), keras.layers.Dense(1)])
        model.compile(LazyEmbedding(keras.optimizers.Adam(1e-2)), "mse")
        model.fit(np.ones((8, 4), "int32"), np.ones((8, 1)), verbose=0)

    Reference: 苏剑林, Keras实现两个优化器：Lookahead和LazyOptimizer, https://kexue.fm/archives/6869
    """

    def __init__(self, inner_optimizer, names=("embeddings",), name=None):
        super().__init__(learning_rate=0.0, name=name)
        inner_optimizer = keras.optimizers.get(inner_optimizer)
        if inner_optimizer.gradient_accumulation_steps or inner_optimizer.use_ema:
            raise ValueError("inner_optimizer expects one that neither accumulates gradients nor averages "
                             "weights. Received: gradient_accumulation_steps="
                             f"{inner_optimizer.gradient_accumulation_steps}, "
                             f"use_ema={inner_optimizer.use_ema}")
        self.inner_optimizer, self.names = inner_optimizer, tuple(names)

    def build(self, variables):
        if self.built:
            return
        paths = [variable.path for variable in variables]
        self.lazy = [path.split("/")[-1] in self.names for path in paths]
        shapes = [tuple(v.shape) for v, lazy in zip(variables, self.lazy) if lazy]
        if not shapes or any(len(shape) != 2 for shape in shapes):
            raise ValueError(f"names expects those of matrices among the variables. "
                             f"Received: names={self.names}, shapes={shapes}, variables={paths}")
        super().build(variables)
        self.inner_optimizer.build(variables)

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        if not self.built:
            self.build(list(trainable_variables))
        rows = []
        for gradient, variable in zip(grads, trainable_variables):
            if gradient is not None and self.lazy[self._get_variable_index(variable)]:
                # TensorFlow's gradient of an embedding is sparse: it has the rows that were looked up
                dense = ops.convert_to_tensor(gradient, sparse=False)
                moves = ops.any(ops.not_equal(dense, 0), axis=1, keepdims=True)
                rows.append((variable, moves, ops.copy(ops.convert_to_tensor(variable))))
        self.inner_optimizer.apply(grads, trainable_variables)
        for variable, moves, before in rows:
            variable.assign(ops.where(moves, ops.convert_to_tensor(variable), before))

    @property
    def variables(self):
        return self._variables + self.inner_optimizer.variables

    @property
    def iterations(self):
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self):
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner_optimizer.learning_rate = learning_rate

    def get_config(self):
        return {"inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
                "names": list(self.names), "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        inner = keras.saving.deserialize_keras_object(config.pop("inner_optimizer"), custom_objects)
        return cls(inner, **config)


def check():
    """What holds of a word that is in the first batch alone: a line for each optimizer."""
    lines = []
    for lazy in (False, True):
        embedding = keras.layers.Embedding(5, 3)
        model = keras.Sequential([keras.Input((2,), dtype="int32"), embedding, keras.layers.Flatten(),
                                  keras.layers.Dense(1)])
        adam = keras.optimizers.Adam(0.1)
        model.compile(LazyEmbedding(adam) if lazy else adam, "mse")
        model.train_on_batch(np.array([[1, 2]]), np.ones((1, 1)))
        before = embedding.get_weights()[0]
        model.train_on_batch(np.array([[2, 3]]), np.ones((1, 1)))
        moved = np.abs(embedding.get_weights()[0] - before).max(axis=1)
        assert moved[2] > 0 and moved[3] > 0 and moved[0] == 0
        assert (moved[1] == 0) == lazy
        lines.append(f"{'lazy Adam' if lazy else 'Adam'}: a word that is not in the batch moves by "
                     f"{moved[1]:.3f}, one that is by {moved[2]:.3f}")
    return lines


# ------------------------------------------------------------------------------------------------------- demo

ARMS = {                                                   # name → optimizer of a rate
    "Adam": keras.optimizers.Adam,
    "lazy Adam": lambda rate: LazyEmbedding(keras.optimizers.Adam(rate)),
}


def build_classifier(words, dim=64):
    """The mean of the vectors of a text's words → one logit: nearly all of the model is its embedding."""
    x = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(words, dim, mask_zero=True)(x)
    h = keras.layers.GlobalAveragePooling1D()(h)
    return keras.Model(x, keras.layers.Dense(1)(keras.layers.Dense(64, "relu")(h)))


def encoded(texts, vocabulary, length):
    """Numbers of the pairs of neighbours that the vocabulary has, from 1, (n, length); 0 is padding.

    A text without any of them has the number behind the last.
    """
    rows = np.zeros((len(texts), length), "int32")
    for row, text in zip(rows, texts):
        pairs = [text[i:i + 2] for i in range(len(text) - 1)]
        found = [vocabulary[pair] + 1 for pair in pairs if pair in vocabulary][:length]
        # of nothing but padding GlobalAveragePooling1D is 0/0, and all weights would be NaN after it
        row[:max(1, len(found))] = found or len(vocabulary) + 1
    return rows


def review_parts(texts, labels, seed, length=128, most=20_000):
    """(x, y) to train on, to choose the epoch by, and to test."""
    from common.harness.reviews import split, vocabulary_of

    rows = split(len(texts), (0.7, 0.15), seed)
    vocabulary = vocabulary_of([texts[row] for row in rows[0]], (2,), most)
    parts = []
    for part in rows:
        parts.append((encoded([texts[row] for row in part], vocabulary, length), labels[part]))
    return parts


def train_arm(name, parts, seed, epochs, rate):
    """Validation accuracy by epoch, and accuracy and cross-entropy on test data at the best epoch."""
    keras.utils.set_random_seed(seed)
    (x, y), valid, test = parts
    model = build_classifier(20_002)
    accuracy = keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")
    model.compile(ARMS[name](rate), keras.losses.BinaryCrossentropy(from_logits=True), metrics=[accuracy])
    keep = keras.callbacks.EarlyStopping("val_accuracy", mode="max", patience=epochs,
                                         restore_best_weights=True)
    log = model.fit(x, y, batch_size=32, epochs=epochs, validation_data=valid, callbacks=[keep],
                    verbose=0).history
    loss, right = model.evaluate(*test, batch_size=500, verbose=0)
    curve = log["val_accuracy"]
    scores = {"best validation accuracy": max(curve), "its epoch": int(np.argmax(curve)) + 1,
              "last validation accuracy": curve[-1], "test accuracy": right, "test cross-entropy": loss}
    print(f"{name}, seed {seed}: " + ", ".join(f"{key} {value:.4f}" for key, value in scores.items()),
          flush=True)
    return curve, scores


def demo(config):
    """Both optimizers on hotel reviews, from one seed; with --table from five."""
    from matplotlib.figure import Figure

    from common.harness import further
    from common.harness.reviews import load_reviews

    print(*check(), sep="\n")
    texts, labels, data = load_reviews(config.data, config.smoke)
    run = further.start(config, "lazy_embedding")
    epochs = 2 if config.smoke else config.epochs
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes, found = figure.subplots(), {name: [] for name in ARMS}
    for seed in range(config.seed, config.seed + (5 if config.table else 1)):
        parts = review_parts(texts, labels, seed, 32 if config.smoke else 128)
        for name in ARMS:
            curve, scores = train_arm(name, parts, seed, epochs, config.learning_rate)
            found[name].append(scores)
            if seed == config.seed:
                axes.plot(np.arange(1, len(curve) + 1), curve, label=name)
    axes.set(xlabel="epoch", ylabel="validation accuracy", title=data["name"])
    axes.legend()
    run.draw(figure)
    rows, metrics = [], {}
    for name, runs in found.items():
        values = np.array([list(scores.values()) for scores in runs])
        rows.append([name, *map(further.mean_and_deviation, values.T)])
        metrics |= {f"{key}, {name}": value for key, value in zip(runs[0], values.mean(axis=0))}
    run.table(["optimizer", *found["Adam"][0]], rows)
    run.finish(data, metrics)


def main():
    """The demo; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
    from common.harness import cli, further

    further.main(demo, __doc__, epochs=(8, cli.Between(1, 1000), "Passes over the training reviews."),
                 learning_rate=(1e-3, cli.Between(above=0, most=1), "Adam's learning rate."))


if __name__ == "__main__":
    main()
