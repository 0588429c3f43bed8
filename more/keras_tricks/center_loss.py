"""“让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765, section 层与loss的结合

A classifier whose loss pulls the features of a class to a centre, which is learnt.

    2018       Dense_with_Center_loss keeps its inputs in self.inputs, and its method is the model's loss
    Keras 3    tensors that a layer keeps are those of another graph by then: CenterLoss gets features and
               labels, and adds its loss by add_loss; the Dense layer stays as it is

        L = CE(y, softmax(W f + b)) + λ ‖f − c_y‖²,  λ = ½

    python more/keras_tricks/center_loss.py    two minutes: MNIST's 784 → 2 → 10 with λ = 0 and λ = ½
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class CenterLoss(keras.layers.Layer):
    """Gives its features as they are, and adds λ ‖f − c_y‖², a mean over the batch, to the model's loss.

    Symbols: f = features, c = centers, λ = weight.

    Args:
        classes: how many there are.
        weight: λ.
        **kwargs: as for any layer.

    Call arguments: [y, f], class numbers (batch,) or (batch, 1) and features (batch, dim). Output: f.

    Raises:
        ValueError: features of another rank, or labels of another shape.

    Precision: the distance is float32 under any policy, and so are the centres.

    Example:
        f, y = keras.Input((2,)), keras.Input((), dtype="int32")
        model = keras.Model([f, y], keras.layers.Dense(10)(CenterLoss(10)([y, f])))

    Reference: 苏剑林, “让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765
    """

    def __init__(self, classes, weight=0.5, **kwargs):
        super().__init__(**kwargs)
        self.classes, self.weight = classes, weight

    def build(self, input_shape):
        labels, features = (tuple(shape) for shape in input_shape)
        if len(features) != 2 or labels[1:] not in ((), (1,)):
            raise ValueError("the layer expects labels (batch,) or (batch, 1) and features (batch, dim). "
                             f"Received: shapes={labels}, {features}")
        self.centers = self.add_weight(shape=(self.classes, features[1]), initializer="glorot_normal",
                                       dtype="float32", autocast=False, name="centers")

    def call(self, inputs):
        y, f = inputs
        # a label that is no class has a row of zeros here and NaN in the loss, not another class's centre
        chosen = ops.one_hot(ops.reshape(ops.cast(y, "int32"), (-1,)), self.classes)
        valid = ops.sum(chosen, axis=1)
        centers = ops.matmul(chosen, self.centers)
        distance = ops.sum(ops.square(ops.cast(f, "float32") - centers), axis=1)
        self.add_loss(self.weight * ops.mean(ops.where(valid > 0, distance, np.nan)))
        return f

    def compute_output_shape(self, input_shape):
        return input_shape[1]

    def get_config(self):
        return {**super().get_config(), "classes": self.classes, "weight": self.weight}


def build_classifier(weight, dim=784, hidden=0, classes=10):
    """([x, y] → logits, x → features), the article's 784 → 2 → 10, with a hidden layer before it or none."""
    x, y = keras.Input((dim,)), keras.Input((), dtype="int32")
    h = keras.layers.Dense(hidden, "relu")(x) if hidden else x
    f = keras.layers.Dense(2, name="features")(h)
    logits = keras.layers.Dense(classes)(CenterLoss(classes, weight, name="center_loss")([y, f]))
    return keras.Model([x, y], logits), keras.Model(x, f)


def check():
    """What holds of the loss: a line."""
    rng = np.random.default_rng(0)
    f, y = rng.normal(size=(6, 2)).astype("float32"), np.array([0, 1, 2, 0, 1, 2])
    layer = CenterLoss(3)
    assert np.array_equal(layer([y, f]), f)
    expected = 0.5 * np.square(f - layer.centers.numpy()[y]).sum(axis=1).mean()
    assert np.isclose(ops.convert_to_numpy(layer.losses[0]), expected, rtol=1e-5)
    return [f"half the mean squared distance to the centres is added, {expected:.4f}"]


# ------------------------------------------------------------------------------------------------------- demo

ARMS = {                                                   # name → λ, hidden units
    "784 → 2 → 10, λ = 0": (0.0, 0),
    "784 → 2 → 10, λ = ½, the article's": (0.5, 0),
    "784 → 256 → 2 → 10, λ = 0": (0.0, 256),
    "784 → 256 → 2 → 10, λ = ½": (0.5, 256),
}


def within(features, labels):
    """The share of the variance of features that is within the classes."""
    parts = [features[labels == label] for label in np.unique(labels)]
    inside = sum(np.square(part - part.mean(axis=0)).sum() for part in parts)
    return inside / np.square(features - features.mean(axis=0)).sum()


def demo(config):
    """Features of the test images in four panels, and how far the classes are one point each."""
    from matplotlib.figure import Figure

    from common.harness import datasets, further
    from common.harness.plots import draw_scatter

    print(*check(), sep="\n")
    images = datasets.load_images(config.data or ("digits" if config.smoke else ""))
    x, x_test = (part.reshape(len(part), -1).astype("float32") / 255
                 for part in (images.x_train, images.x_test))
    y, y_test = images.y_train, images.y_test
    run = further.start(config, "center_loss")
    figure = Figure(figsize=(8, 7.2), layout="constrained")
    rows, metrics = [], {}
    for axes, (name, (weight, hidden)) in zip(figure.subplots(2, 2).flat, ARMS.items()):
        keras.utils.set_random_seed(config.seed)
        model, features = build_classifier(weight, x.shape[1], hidden)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit([x, y], y, epochs=1 if config.smoke else config.epochs, batch_size=32, verbose=0)
        f = features.predict(x_test, batch_size=500, verbose=0)
        logits = model.predict([x_test, y_test], batch_size=500, verbose=0)
        accuracy, share = (logits.argmax(axis=1) == y_test).mean(), within(f, y_test)
        draw_scatter(axes, f[:2000], y_test[:2000], f"{name}: {accuracy:.3f}")
        rows.append([name, f"{accuracy:.4f}", f"{share:.4f}"])
        metrics |= {f"accuracy, {name}": accuracy, f"variance within classes, {name}": share}
    run.draw(figure, 16)
    run.table(["model", "test accuracy", "share of the features' variance within classes"], rows)
    run.finish(images.describe(), metrics)


def main():
    """The demo; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
    from common.harness import cli, further

    further.main(demo, __doc__, epochs=(5, cli.Between(1, 1000), "Passes over the training images."))


if __name__ == "__main__":
    main()
