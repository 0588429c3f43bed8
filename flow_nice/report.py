"""The metrics of results.json, by the article's or the paper's protocol, and the pictures of a NICE."""

import math

import numpy as np
from matplotlib.figure import Figure

from common.harness import plots, progress
from common.harness.writing import write_figure

CONSTANT = 0.5 * 784 * math.log(2 * math.pi)       # of the Gaussian prior: eq. (15) leaves it out


def dequantised(pixels, target, rng):
    """Grey values 0 … 255 as a density sees them: (v + u)/256 with u ~ U[0, 1)."""
    return (pixels + rng.random(pixels.shape, "float32")) / np.float32(256), target


def metrics(sampler, images, protocol, draws=10, seed=0):
    """Means over uint8 images: the article's loss without noise, or the paper's log-likelihood.

    The paper's is averaged over `draws` draws of the dequantisation noise.
    """
    if protocol == "article":
        x = images.astype("float32") / 255
        return {"test_loss_without_noise": -sampler.log_q(x).mean(dtype="float64") - CONSTANT}
    rng = np.random.default_rng(seed)
    pixels = images.reshape(len(images), -1)
    values = []
    for _ in progress.bar(range(draws), unit=(" draws", " 次")):
        x, _ = dequantised(pixels, None, rng)
        values.append(sampler.log_q(x).mean(dtype="float64"))
    nats = np.mean(values)
    return {"test_log_likelihood": nats, "test_log_likelihood_std_over_draws": np.std(values),
            "test_bits_per_dimension": (784 * math.log(256) - nats) / (784 * math.log(2))}


def draw_importance(log_s, path):
    """log s as an image: where it is large, σ = 1/s is small, and a dimension says next to nothing, (17)."""
    figure = Figure(figsize=(4.2, 3.4), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(log_s, cmap="viridis")
    figure.colorbar(image, label="log s")
    axes.set_title("least where pixels matter")
    axes.set_axis_off()
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=80))


def pictures(sampler, temperature, run):
    """A sheet of samples and the loss curves, in the run folder."""
    plots.save_sheet(sampler.sample(225, temperature), run.path("samples.png"))
    draw_importance(sampler.log_scale(), run.path("importance.png"))
    plots.save_curves(run.state["log"], run.path("loss.png"))
