"""变分自编码器（六）：从几何视角来理解VAE的尝试, https://kexue.fm/archives/7725

Which part of its plane does a code cover? An autoencoder maps each image to a point, and nothing says where
the points lie or what is between them. A VAE maps it to an ellipse (μ its centre, σ its axes): ellipses cover
the plane, and the KL term pushes them into a disc around zero. The script trains the autoencoder that is the
dense VAE without noise and KL, and draws both planes and what their grids decode to.

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

from common.harness import cli, datasets, plots, training
from common.harness.batches import ArrayBatches
from common.harness.models import load_model
from common.harness.reading import InputError
from common.harness.writing import ROOT, write_figure
from vae.autoencoder import Autoencoder, has, split
from vae.train import bernoulli_loss, dense_encoder_and_decoder


@dataclass
class Config(cli.BaseConfig):
    epochs: int = 20
    """Passes over the training data, for the autoencoder."""
    vae: pathlib.Path = ROOT / "vae/weights/vae.keras"
    """The VAE to compare with: a run folder of vae/train.py with two latent dimensions, or a .keras file."""


def build_autoencoder():
    """z = E(x), x ≈ D(z): the network of the dense VAE with a point for a code."""
    x, h, decoder = dense_encoder_and_decoder(2)
    z = layers.Dense(2, name="mean")(h)
    return keras.Model(x, decoder(z), name="autoencoder")


def draw(path, models, images):
    """Upper row: the codes of the test images, as points or 1 σ ellipses. Lower row: the decoded grid of that
    window."""
    figure = Figure(figsize=(11, 11), layout="constrained")
    for (above, below), (title, autoencoder) in zip(figure.subplots(2, 2).T, models.items()):
        codes = autoencoder.encode(autoencoder.inputs(images.x_test))
        plots.draw_scatter(above, codes, images.y_test, title)
        if has(autoencoder.model, "log_var"):
            draw_ellipses(above, autoencoder, images.x_test[:500])
        low, high = np.quantile(codes, [0.02, 0.98], axis=0)                            # where most codes are
        grid = [(a, b) for b in np.linspace(high[1], low[1], 20) for a in np.linspace(low[0], high[0], 20)]
        tiles = autoencoder.decode(grid).reshape(20, 20, 28, 28).swapaxes(1, 2).reshape(560, 560)
        window = (low[0], high[0], low[1], high[1])
        below.imshow(tiles, cmap="gray", vmin=0, vmax=1, extent=window, aspect="auto")
        below.set_title("decoded grid over the middle 96 % of the codes")
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=90))


def draw_ellipses(axes, autoencoder, images):
    """The 1 σ ellipse of p(z|x) for each image: centre μ(x), half axes σ(x)."""
    mean, log_var = autoencoder.encoder().predict(autoencoder.inputs(images), verbose=0)
    for center, sigma in zip(mean, np.exp(0.5 * log_var)):
        axes.add_patch(Ellipse(center, *(2 * sigma), fill=False, linewidth=0.5, alpha=0.6))


def train(config):
    vae = Autoencoder.load(config.vae)
    if vae.latent_dim != 2 or len(vae.model.inputs) != 1:
        raise InputError("--vae expects an unconditional VAE with two latent dimensions. "
                         f"Received: {config.vae}")
    images = datasets.load_images(config.data)
    if config.smoke:
        images = images.first(500)
    run = training.start(config, "vae", "geometry")
    model = build_autoencoder()
    x, x_val = split(vae.inputs(images.x_train), len(images.x_train) * 11 // 12)
    model.compile(keras.optimizers.Adam(config.learning_rate), bernoulli_loss)
    batches = ArrayBatches(run, x, x)
    batches.fuse(model)
    model.fit(batches, validation_data=(x_val, x_val), **run.fit_options())

    best = load_model(run.folder)
    names = {"autoencoder: points": Autoencoder(best), "VAE: ellipses, centre μ, axes σ": vae}
    draw(run.path("coverage.png"), names, images)
    x_test = vae.inputs(images.x_test)
    best.compile(loss=bernoulli_loss)
    reconstruction = best.evaluate(x_test, x_test, verbose=0)
    run.finish(images.describe(), {"test_reconstruction_autoencoder": reconstruction})
    return run


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
