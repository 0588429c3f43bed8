"""变分自编码器（六）：从几何视角来理解VAE的尝试, https://kexue.fm/archives/7725

Which part of its plane does a code cover? An autoencoder maps each image to a point, and nothing says where
the points lie or what is between them. A VAE maps it to an ellipse (μ its centre, σ its axes): ellipses cover
the plane, and the KL term pushes them into a disc around zero. The script trains the dense VAE and the
autoencoder that is the VAE without noise and KL, both alike on the article's squared error, and draws both
planes and what their grids decode to.

    python vae/geometry.py        three minutes: squared errors of 30 for the autoencoder and 32 for the VAE
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from common.harness import cli, datasets, plots, training
from common.harness.batches import ArrayBatches
from common.harness.models import load_model
from common.harness.writing import write_figure
from vae.autoencoder import Autoencoder, has, split
from vae.report import aggregate_metrics
from vae.train import build_dense, dense_encoder_and_decoder


@dataclass
class Config(cli.BaseConfig):
    epochs: int = 50
    """Passes over the training data."""
    learning_rate: float = 8e-3
    """Peak of Adam's learning rate; the schedule is a warm-up and a cosine decay."""


def build_autoencoder():
    """z = E(x), x ≈ D(z), section 自编码器: the network of the dense VAE with a point for a code."""
    x, h, decoder = dense_encoder_and_decoder(2)
    z = layers.Dense(2, name="mean")(h)
    return keras.Model(x, decoder(z), name="autoencoder")


def build_both():
    """Both on the same batches. They share no weight, and Adam's steps are each weight's own: so each is
    trained as if it were alone."""
    x = keras.Input((784,), name="x")
    return keras.Model(x, [build_autoencoder()(x), build_dense()(x)], name="both")


def squared_error(x, logits):
    """‖x − D(z)‖², summed over the pixels: no ½, which makes the decoder a Gaussian of variance ½."""
    return ops.sum(ops.square(x - ops.sigmoid(ops.cast(logits, "float32"))), axis=-1)


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
    images = datasets.load_images(config.data)
    if config.smoke:
        images = images.first(500)
    run = training.start(config, "vae", "geometry")
    model = build_both()
    pixels = images.x_train.reshape(-1, 784).astype("float32") / 255
    x, x_val = split(pixels, len(pixels) * 11 // 12)
    batches = ArrayBatches(run, x, [x, x])
    rate = training.cosine_rate(config.learning_rate, config.epochs * batches.steps)
    model.compile(keras.optimizers.Adam(rate), [squared_error, squared_error])
    batches.fuse(model)
    model.fit(batches, validation_data=(x_val, [x_val, x_val]), **run.fit_options())

    best = load_model(run.folder)
    autoencoder, vae = (Autoencoder(best.get_layer(name)) for name in ("autoencoder", "vae"))
    draw(run.path("coverage.png"), {"autoencoder: points": autoencoder,
                                    "VAE: ellipses, centre μ, axes σ": vae}, images)
    run.finish(images.describe(), metrics(autoencoder, vae, images.x_test))
    return run


def metrics(autoencoder, vae, images):
    """Squared errors of both, that of the VAE at a sample z and at z = μ, its KL, and where the codes lie."""
    x = vae.inputs(images)
    mean, log_var = vae.encoder().predict(x, batch_size=500, verbose=0)
    noise = np.random.default_rng(0).normal(size=mean.shape)
    codes = autoencoder.encode(x)
    return {
        "test_squared_error_autoencoder": error_of(autoencoder, codes, x),
        "test_squared_error_vae": error_of(vae, mean + noise * np.exp(0.5 * log_var), x),
        "test_squared_error_vae_at_mean": error_of(vae, mean, x),
        "test_kl_vae": 0.5 * (np.square(mean) + np.exp(log_var) - log_var - 1).sum(axis=-1).mean(),
        "test_greatest_variance_of_z_autoencoder": np.linalg.eigvalsh(np.cov(codes.T))[-1],
        **aggregate_metrics(vae, x),
    }


def error_of(model, codes, x):
    """‖x − D(z)‖², the mean over the images."""
    return np.square(x - model.decode(codes).reshape(x.shape)).sum(axis=-1).mean()


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
