"""What a trained generator is worth and looks like: Fréchet distance, entropy and modes, sheets, walks,
curves."""

import keras
import numpy as np
from matplotlib.figure import Figure

from common.harness import plots
from common.harness.frechet import features_and_classes, frechet_distance
from common.harness.writing import write_figure

# ---------------------------------------------------------------------------------------------------- metrics


def metrics(painter, real, extractor, samples):
    """For results.json: `samples` generated images against the first `samples` real ones.

    Args:
        painter: a Painter.
        real: uint8 images, (n, height, width, channels).
        extractor: a model from frechet.find_extractor; None leaves the distance and the classes out.
        samples: how many of each.
    """
    fakes = painter.sample(samples)
    # near 0 where the generator has collapsed
    deviation = np.std(fakes, axis=0, dtype="float32").mean() / 255
    if extractor is None:
        return {"pixel_deviation": deviation}
    features, classes = features_and_classes(extractor, fakes)
    real_features, real_classes = features_and_classes(extractor, real[:samples])
    name = "fid_keras_inception" if extractor.name == "inception" else "frechet_distance"
    result = {"pixel_deviation": deviation, name: frechet_distance(features, real_features)}
    if classes is not None:
        result |= class_metrics(classes, real_classes)
    return result


def class_metrics(classes, real_classes):
    """Entropy in nats of the recognised classes, and how many modes there are: classes with at least a tenth
    of the share that they have among the real images."""
    count = max(classes.max(), real_classes.max()) + 1
    share, real = (np.bincount(found, minlength=count) / len(found) for found in (classes, real_classes))
    positive = share[share > 0]
    return {"recognised_entropy": abs((positive * np.log(positive)).sum()),
            "modes": ((share >= 0.1 * real) & (real > 0)).sum()}


class DistanceCurve(keras.callbacks.Callback):
    """Measures the averaged generator after every epoch: what metrics returns goes into log.csv, the distance
    into distance.png.

    Args: as for metrics; run is the Run whose folder gets the picture.
    """

    def __init__(self, run, painter, real, extractor, samples):
        super().__init__()
        self.run, self.painter, self.real = run, painter, real
        self.extractor, self.samples = extractor, samples

    def on_epoch_end(self, epoch, logs=None):
        found = metrics(self.painter, self.real, self.extractor, self.samples)
        logs.update({name: float(value) for name, value in found.items()})
        log = [*self.run.state["log"], {"epoch": epoch + 1, **logs}]
        save_distances({self.run.config.objective: log}, self.run.path("distance.png"))


# --------------------------------------------------------------------------------------------------- pictures

def pictures(painter, run):
    """Samples and walks through the latent space, into the run folder."""
    plots.save_sheet(painter.paint(painter.sample_codes(100)), run.path("samples.png"), columns=10)
    plots.save_sheet(painter.paint(painter.walks(8, 12)), run.path("walks.png"), columns=12)


def save_scores(log, path):
    """The critic's gap E T(x_r) − E T(x_f), its two terms, and both losses, against the epoch."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    scores = {"gap": "gap: T(x_r) − T(x_f)", "score_real": "score real", "score_fake": "score fake"}
    draw_curves(left, log, scores)
    draw_curves(right, log, {"loss": "critic's loss", "generator_loss": "generator loss"})
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))


def save_distances(logs, path):
    """The Fréchet distance against the epoch, a curve for each of the logs, name → rows of log.csv."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, log in logs.items():
        draw_curves(axes, log, {distance_of(log[0]): name})
    axes.set_ylabel("Fréchet distance")
    axes.set_yscale("log")
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))


def distance_of(row):
    """What the distance is named in a row of log.csv, which says whose features were compared; None where it
    was not measured."""
    return next((name for name in ("frechet_distance", "fid_keras_inception") if name in row), None)


def draw_curves(axes, log, labels):
    """Columns of log.csv, name → label, on matplotlib axes; points where there are few epochs."""
    epochs, marker = [row["epoch"] for row in log], "." if len(log) < 5 else ""
    for name, label in labels.items():
        axes.plot(epochs, [row[name] for row in log], marker=marker, label=label)
    axes.set_xlabel("epoch")
    axes.legend()
