"""“让Keras更酷一些！”：中间变量、权重滑动和安全生成器, https://kexue.fm/archives/6575, section 权重滑动平均

Beside the weights that are trained an average of them is kept, Θ ← αΘ + (1 − α)θ, and used in their place.

    2018       ExponentialMovingAverage(model).inject(), apply_ema_weights(), reset_old_weights()
    Keras 3    built in: Adam(use_ema=True, ema_momentum=0.999), and the callback SwapEMAWeights, which puts
               the average in place for validation. fit ends with the average in the model. Statistics of
               batch normalisation are not averaged with the weights, as they were in 2018:
               AveragedStatistics does that, and without it the average may be worse than the weights

    python more/keras_tricks/ema.py            minutes: a residual network on 10,000 images of CIFAR-10
    python more/keras_tricks/ema.py --table    three seeds
    python more/keras_tricks/ema.py --data FILE.npz    your own images: x_train, y_train, x_test, y_test

The article's number, ResNet20 on CIFAR-10 by Adam at 1e-3 throughout, α = 0.9999: about 86 %, up and down,
without, above 90 % with the average, which forgets within a few epochs out of hundreds. Of 8 epochs of 10,000
images α = 0.99 forgets within a third of one; with 0.999 the first epochs would spoil the average to the end.
"""

import keras
import numpy as np


def check():
    """What holds of the average against its formula, and of the end of fit: a line."""
    x, y = np.ones((4, 1), "float32"), np.full((4, 1), 3.0, "float32")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.zeros((1, 1))])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    model.fit(x, y, batch_size=1, epochs=2, shuffle=False, verbose=0)
    theta, average = 0.0, None
    for _ in range(8):
        theta += 0.1 * 2 * (3 - theta)
        average = theta if average is None else 0.9 * average + 0.1 * theta
    found = model.get_weights()[0].item()
    assert np.isclose(found, average, rtol=1e-4), f"expected {average}. Received: {found}"
    return [f"after 8 steps the weight is {theta:.4f}, and what fit leaves is the average {found:.4f}, "
            "which begins with the weight after the first step"]


# ------------------------------------------------------------------------------------------------------- demo

CURVES = "weights", "average", "average, statistics too"


def build_resnet(shape, classes, blocks=3, widths=(16, 32, 64)):
    """ResNet20, as for CIFAR-10: 3 × 3 blocks of two convolutions, 272,474 parameters with 3 channels."""
    layers = keras.layers

    def convolved(h, width, stride=1):
        h = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(h)
        return layers.BatchNormalization(momentum=0.9)(h)

    x = keras.Input(shape)
    h = layers.ReLU()(convolved(layers.Rescaling(1 / 127.5, offset=-1)(x), widths[0]))
    for width in widths:
        for block in range(blocks):
            stride = 2 if block == 0 and width != widths[0] else 1
            short = h
            if stride == 2:
                short = layers.Conv2D(width, 1, strides=2, use_bias=False)(h)
            inner = convolved(layers.ReLU()(convolved(h, width, stride)), width)
            h = layers.ReLU()(layers.Add()([inner, short]))
    return keras.Model(x, layers.Dense(classes)(layers.GlobalAveragePooling2D()(h)))


class AveragedStatistics(keras.callbacks.Callback):
    """Averages the statistics of batch normalisation as the optimizer averages the weights.

    Averaged weights need statistics of their own: those of the latest weights are of another network. The
    first average is what the statistics are after the first step.

    Args:
        momentum: α, what the average keeps of itself at each step, as the optimizer's ema_momentum.

    Example:
        callback = AveragedStatistics(0.999)

    Reference: 苏剑林, “让Keras更酷一些！”：中间变量、权重滑动和安全生成器, https://kexue.fm/archives/6575
    """

    def __init__(self, momentum=0.999):
        super().__init__()
        self.momentum, self.averages = momentum, None

    def variables(self):
        """The moving means and variances of the model."""
        return [variable for variable in self.model.non_trainable_variables
                if variable.path.endswith(("moving_mean", "moving_variance"))]

    def on_train_batch_end(self, batch, logs=None):
        values = [np.array(variable) for variable in self.variables()]
        if self.averages is None:
            self.averages = values
        for average, value in zip(self.averages, values):
            average += (1 - self.momentum) * (value - average)

    def swap(self):
        """Exchanges the statistics of the model and their averages."""
        for i, variable in enumerate(self.variables()):
            value = np.array(variable)
            variable.assign(self.averages[i])
            self.averages[i] = value


class BothWeights(keras.callbacks.Callback):
    """Accuracy after each epoch with the weights, with their average, and with averaged statistics, too.

    Args:
        x, y: images and labels.
        statistics: the AveragedStatistics of the same training.

    Example:
        callback = BothWeights(np.zeros((2, 8, 8, 3)), np.zeros(2), AveragedStatistics())

    Reference: 苏剑林, “让Keras更酷一些！”：中间变量、权重滑动和安全生成器, https://kexue.fm/archives/6575
    """

    def __init__(self, x, y, statistics):
        super().__init__()
        self.x, self.y, self.statistics = x, y, statistics
        self.log = {name: [] for name in CURVES}

    def accuracy(self):
        logits = self.model.predict(self.x, batch_size=250, verbose=0)
        return float((logits.argmax(axis=1) == self.y).mean())

    def on_epoch_end(self, epoch, logs=None):
        swap = keras.callbacks.SwapEMAWeights()
        swap.set_model(self.model)
        found = [self.accuracy()]
        swap.on_test_begin()
        found.append(self.accuracy())
        self.statistics.swap()
        found.append(self.accuracy())
        self.statistics.swap()
        swap.on_test_end()
        for name, value in zip(CURVES, found):
            self.log[name].append(value)
        print(f"epoch {epoch + 1}: " + ", ".join(f"{name} {log[-1]:.3f}" for name, log in self.log.items()),
              flush=True)


def train(seed, config, train_part, test_part):
    """The accuracies of BothWeights in one training."""
    keras.utils.set_random_seed(seed)
    (x, y), (x_test, y_test) = train_part, test_part
    model = build_resnet(x.shape[1:], int(y.max()) + 1, 1 if config.smoke else 3)
    optimizer = keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=config.momentum)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    statistics = AveragedStatistics(config.momentum)
    both = BothWeights(x_test, y_test, statistics)
    model.fit(x, y, batch_size=config.batch_size, epochs=config.epochs, callbacks=[statistics, both],
              verbose=0)
    return both.log


def demo(config):
    """Accuracy by epoch with the weights and with their average, from one seed; with --table from three."""
    import dataclasses

    from matplotlib.figure import Figure

    from common.harness import further
    from common.harness.photographs import load_photographs

    print(*check(), sep="\n")
    train_part, test_part, data = load_photographs(config.data, config.smoke)
    if config.smoke:
        config = dataclasses.replace(config, epochs=1)
        train_part, test_part = [(x[:200], y[:200]) for x, y in (train_part, test_part)]
    run = further.start(config, "ema")
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes, found = figure.subplots(), {name: [] for name in CURVES}
    for seed in range(config.seed, config.seed + (3 if config.table else 1)):
        log = train(seed, config, train_part, test_part)
        for name, curve in log.items():
            found[name].append(curve)
            if seed == config.seed:
                axes.plot(np.arange(1, len(curve) + 1), curve, label=name)
    axes.set(xlabel="epoch", ylabel="test accuracy", title=f"{data['name']}, α = {config.momentum}")
    axes.legend()
    run.draw(figure)
    rows, metrics, half = [], {}, config.epochs // 2
    for name, curves in found.items():
        late = np.array(curves)[:, half:]
        last, spread = late[:, -1], np.abs(np.diff(late, axis=1)).mean() if half else 0.0
        rows.append([name, further.mean_and_deviation(last), f"{late.mean():.4f}", f"{spread:.4f}"])
        metrics |= {f"accuracy at the end, {name}": last.mean(),
                    f"accuracy in the second half, {name}": late.mean(),
                    f"change from epoch to epoch, {name}": spread}
    header = ["weights", "test accuracy at the end", "in the second half", "change from epoch to epoch"]
    run.table(header, rows)
    run.finish(data, metrics)


def main():
    """The demo; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
    from common.harness import cli, further

    further.main(
        demo, __doc__,
        epochs=(8, cli.Between(1, 10_000), "Passes over the training images."),
        batch_size=(32, cli.Between(1, 10_000), "Images in one step of the optimizer."),
        momentum=(0.99, cli.Between(above=0, below=1), "α, what the average keeps of itself at each step."))


if __name__ == "__main__":
    main()
