"""用时间换取效果：Keras梯度累积优化器, https://kexue.fm/archives/6794

Gradients of several small batches are added up, and their mean is one step: a large batch in the memory of a
small one. It is the soft batch of https://kexue.fm/archives/5879, whose first form was wrong.

    2018       AccumOptimizer(Adam(), 100), whose idle steps change β₁ and β₂ nearly to 1
    Keras 3    built in: Adam(gradient_accumulation_steps=100), which is the large batch but for rounding

    python more/keras_tricks/gradient_accumulation.py            a minute: 10,000 images of MNIST
    python more/keras_tricks/gradient_accumulation.py --table    ten minutes: all 60,000, one epoch

The article's numbers, MNIST in batches of 1, 784 → 512 → 512 → 10 with dropout 0.2: by Adam the loss stays
about 0.4 and validation accuracy below 97 %; accumulated over 100, the loss falls to 0.02, and validation
accuracy is above 98 %, as in batches of 100.
"""

import keras
import numpy as np


def build_small(normalise=False):
    """A network for check, with batch normalisation or without."""
    x = keras.Input((5,))
    h = keras.layers.Dense(8, "tanh")(x)
    h = keras.layers.BatchNormalization()(h) if normalise else h
    return keras.Model(x, keras.layers.Dense(1)(h))


def difference(optimizer, normalise=False, rows=32, epochs=5):
    """The largest difference of a weight between batches of 8 and four accumulated batches of 2.

    Args:
        optimizer: function of gradient_accumulation_steps → an optimizer.
    """
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 5)).astype("float32"), rng.normal(size=(rows, 1)).astype("float32")
    large = build_small(normalise)
    small = keras.models.clone_model(large)
    small.set_weights(large.get_weights())
    for model, size, steps in ((large, 8, None), (small, 2, 4)):
        model.compile(optimizer(steps), "mse")
        model.fit(x, y, batch_size=size, epochs=epochs, shuffle=False, verbose=0)
    pairs = zip(large.get_weights(), small.get_weights())
    return max(np.abs(a - b).max() for a, b in pairs)


def check():
    """What is exact and what is not: a line for each."""
    optimizers = {
        "SGD with momentum": lambda steps: keras.optimizers.SGD(0.05, 0.9, gradient_accumulation_steps=steps),
        "Adam": lambda steps: keras.optimizers.Adam(0.01, gradient_accumulation_steps=steps),
    }
    lines = []
    for name, optimizer in optimizers.items():
        found = difference(optimizer)
        assert found < 2e-5, f"{name}: expected equal weights. Received: a difference of {found}"
        lines.append(f"{name}: 4 batches of 2 differ from one of 8 by {found:.1g} after 20 steps")
    normalised = difference(optimizers["Adam"], normalise=True)
    assert normalised > 1e-3
    lines.append(f"with batch normalisation they differ by {normalised:.2f}: it sees each small batch alone")
    carried = difference(optimizers["Adam"], rows=28)
    lines.append(f"of 28 rows the fourth group has 4 of 8, and goes on in the next epoch: {carried:.1g}")
    assert carried > 1e-3
    return lines


# ------------------------------------------------------------------------------------------------------- demo

ARMS = {                                                   # name → batch size, accumulated batches
    "Adam, batches of 1": (1, None),
    "Adam, batches of 1, 100 of them": (1, 100),
    "Adam, batches of 100": (100, None),
}


def build_classifier():
    """The article's network: 784 → 512 → 512 → 10 with dropout."""
    x = keras.Input((784,))
    h = keras.layers.Dropout(0.2)(keras.layers.Dense(512, "relu")(x))
    h = keras.layers.Dropout(0.2)(keras.layers.Dense(512, "relu")(h))
    return keras.Model(x, keras.layers.Dense(10)(h))


def train_arm(name, images, config):
    """Loss in the last epoch, and accuracy on test images after each."""
    keras.utils.set_random_seed(config.seed)
    size, steps = ARMS[name]
    x, y = images["train"]
    model = build_classifier()
    model.compile(keras.optimizers.Adam(gradient_accumulation_steps=steps),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"],
                  steps_per_execution=100 if size == 1 else 10)
    log = model.fit(x, y, batch_size=size, epochs=config.epochs, verbose=0).history
    loss, accuracy = model.evaluate(*images["test"], batch_size=500, verbose=0)
    print(f"{name}: loss {log['loss'][-1]:.4f}, test accuracy {accuracy:.4f}", flush=True)
    return {"training loss": log["loss"][-1], "training accuracy": log["accuracy"][-1],
            "test cross-entropy": loss, "test accuracy": accuracy}


def demo(config):
    """What check says, and three ways to train; with --table on all images."""
    import dataclasses

    from matplotlib.figure import Figure

    from common.harness import datasets, further

    print(*check(), sep="\n")
    found = datasets.load_images(config.data or ("digits" if config.smoke else ""))
    parts = {"train": (found.x_train, found.y_train), "test": (found.x_test, found.y_test)}
    if config.smoke or not config.table:
        config = dataclasses.replace(config, epochs=1 if config.smoke else config.epochs)
        parts["train"] = [part[:300 if config.smoke else 10_000] for part in parts["train"]]
    images = {part: (x.reshape(len(x), -1).astype("float32") / 255, y) for part, (x, y) in parts.items()}
    run = further.start(config, "gradient_accumulation")
    rows, metrics, bars = [], {}, {}
    for name in ARMS:
        scores = train_arm(name, images, config)
        rows.append([name, *(f"{value:.4f}" for value in scores.values())])
        metrics |= {f"{key}, {name}": value for key, value in scores.items()}
        bars[name] = scores["test accuracy"]
    figure = Figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(bars), list(bars.values()))
    axes.set(xlabel="test accuracy", xlim=(min(bars.values()) - 0.01, max(bars.values()) + 0.01))
    run.draw(figure)
    run.table(["way", *scores], rows)
    run.finish(found.describe() | {"train": len(images["train"][0])}, metrics)


def main():
    """The demo; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
    from common.harness import cli, further

    further.main(demo, __doc__, epochs=(1, cli.Between(1, 1000), "Passes over the training images."))


if __name__ == "__main__":
    main()
