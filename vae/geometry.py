"""变分自编码器（六）：从几何视角来理解VAE的尝试, https://kexue.fm/archives/7725: which part of its plane does a code cover?

An autoencoder maps each image to a point, and nothing says where the points lie or what is between them. A VAE maps it to
an ellipse (μ its centre, σ its axes): ellipses cover the plane, and the KL term pushes them into a disc around zero.
Trains the autoencoder that is the dense VAE without noise and KL, and draws both planes and what their grids decode to.

    python vae/geometry.py                   beside the VAE in vae/weights
    python vae/geometry.py --vae runs/vae/dense-...
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from common import datasets, plots, runs
from vae import evaluate
from vae.train import bernoulli_loss, dense_encoder_and_decoder


@dataclass
class Config(runs.BaseConfig):
    epochs: int = 20
    """Passes over the training data, for the autoencoder."""
    vae: pathlib.Path = runs.ROOT / "vae/weights/vae.keras"
    """The VAE to compare with: a run folder of vae/train.py with two latent dimensions, or a .keras file."""


def build_autoencoder():
    """z = E(x), x ≈ D(z): the network of the dense VAE with a point for a code."""
    x, h, decoder = dense_encoder_and_decoder(2)
    z = layers.Dense(2, name="mean")(h)
    return keras.Model(x, decoder(z), name="autoencoder")


def draw(path, models, images):
    """Upper row: the codes of the test images, as points or 1 σ ellipses. Lower row: the decoded grid of that window."""
    figure = Figure(figsize=(11, 11), layout="constrained")
    axes = figure.subplots(2, 2)
    for column, (title, model) in enumerate(models.items()):
        codes = evaluate.encode(model, evaluate.inputs(model, images.x_test))
        plots.draw_scatter(axes[0, column], codes, images.y_test, title)
        if evaluate.has(model, "log_var"):
            mean, log_var = evaluate.encoder(model).predict(evaluate.inputs(model, images.x_test[:500]), verbose=0)
            for center, axis in zip(mean, np.exp(0.5 * log_var)):                                # μ(x), σ(x)
                axes[0, column].add_patch(Ellipse(center, *(2 * axis), fill=False, linewidth=0.5, alpha=0.6))
        low, high = np.quantile(codes, [0.02, 0.98], axis=0)                                     # where most codes are
        grid = [(a, b) for b in np.linspace(high[1], low[1], 20) for a in np.linspace(low[0], high[0], 20)]
        tiles = evaluate.decode(model, grid).reshape(20, 20, 28, 28).swapaxes(1, 2).reshape(560, 560)
        axes[1, column].imshow(tiles, cmap="gray", vmin=0, vmax=1, extent=(low[0], high[0], low[1], high[1]), aspect="auto")
        axes[1, column].set_title("decoded grid over the middle 96 % of the codes")
    runs.write_figure(path, lambda file: figure.savefig(file, format="png", dpi=90))


def train(config):
    vae = evaluate.load(config.vae)
    if vae.get_layer("mean").units != 2 or len(vae.inputs) != 1:
        raise runs.InputError(f"--vae expects an unconditional VAE with two latent dimensions. Received: {config.vae}")
    images = datasets.load_images(config.data)
    if config.smoke:
        images = images.first(500)
    run = runs.start(config, "vae", "geometry")
    autoencoder = build_autoencoder()
    x, x_val = evaluate.split(evaluate.inputs(autoencoder, images.x_train), len(images.x_train) * 11 // 12)
    autoencoder.compile(keras.optimizers.Adam(config.learning_rate), bernoulli_loss)
    chunk = runs.fuse_steps(autoencoder, x[:1], x[:1])
    autoencoder.fit(
        runs.Batches(run, x, x, chunk), shuffle=False, validation_data=(x_val, x_val),
        epochs=config.epochs, initial_epoch=run.epoch, verbose=2, callbacks=[runs.Checkpoint(run)],
    )
    best = runs.load_model(run.folder)
    draw(run.path("coverage.png"), {"autoencoder: points": best, "VAE: ellipses, centre μ, axes σ": vae}, images)
    x_test = evaluate.inputs(best, images.x_test)
    best.compile(loss=bernoulli_loss)
    run.finish(images.describe(), {"test_reconstruction_autoencoder": best.evaluate(x_test, x_test, verbose=0)})
    return run


if __name__ == "__main__":
    runs.main(train, Config, __doc__)
