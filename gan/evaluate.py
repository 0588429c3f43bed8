"""What a trained generator is worth and looks like: Fréchet distance, entropy and modes, sheets, walks and curves."""

import keras
import numpy as np
from matplotlib.figure import Figure

from common import plots, runs
from gan import features

FOLDER = runs.ROOT / "gan/weights"


def load(path):
    """A generator of this folder, from a run folder or a .keras file; anything else is an InputError."""
    model = runs.load_model(path)
    if not model.name.startswith("gan_") or len(model.inputs[0].shape) != 2:
        raise runs.InputError(f"expected a model trained by gan/train.py. Received: {path}, a model named {model.name}")
    return model


def sample_codes(model, count, seed=0):
    """z ~ N(0, I), (count, latent_dim)."""
    return np.random.default_rng(seed).normal(size=(count, model.inputs[0].shape[-1])).astype("float32")


def images_of(model, codes):
    """Codes → pixel values in [0, 1], (n, height, width) or (n, height, width, 3)."""
    x = model.predict(np.asarray(codes, "float32"), batch_size=500, verbose=0) / 2 + 0.5
    return x[..., 0] if x.shape[-1] == 1 else x


def walk(start, end, steps):
    """Codes from start to end on a great circle: the straight line would leave the shell on which N(0, I) lies."""
    cosine = start @ end / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    t = np.linspace(0, 1, steps)[:, None]
    if np.sin(angle) < 1e-6:
        return plots.interpolate(start, end, steps)
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


# ------------------------------------------------------------------------------------------------------------ metrics

def extractor(name, images, smoke=False):
    """The classifier whose features are compared: a file, "inception", or the shipped one for these images, or None."""
    size, channels = images.x_train.shape[2:]
    if name == "inception":
        return inception(size)
    path = name or FOLDER / f"features-{images.name.split(',')[0]}-{size}.keras"
    if not name and not path.exists():
        if not smoke:
            print(f"NOTE: there is no {runs.shown(path)}, so the Fréchet distance is left out. "
                  f"python gan/features.py --data ... --size {size} trains it; name it with --features.", flush=True)
        return None
    model = runs.load_model(path)
    if not name and model.inputs[0].shape[1:] != (size, size, channels):      # another data set of that name
        print(f"NOTE: {runs.shown(path)} is for other images, so the Fréchet distance is left out.", flush=True)
        return None
    if model.name != "gan_features" or model.inputs[0].shape[1:] != (size, size, channels):
        raise runs.InputError(f"--features expects a classifier of gan/features.py for {size} × {size} × {channels} images. "
                              f"Received: {path}, a model named {model.name} for {model.inputs[0].shape[1:]}")
    return model


def inception(size):
    """InceptionV3's last pooling layer after scaling to 299 × 299, as for the FID; its weights are downloaded. They are not
    those of the usual FID programs: compare the numbers with each other only."""
    try:
        network = keras.applications.InceptionV3(include_top=False, pooling="avg")
    except Exception as error:      # Keras raises a bare Exception for a download that fails
        raise runs.InputError(f"--features inception needs the network, for InceptionV3's weights: {error}") from error
    x = keras.Input((size, size, 3), name="x")
    return keras.Model(x, network(keras.layers.Resizing(299, 299)(x) * 2 - 1), name="inception")


def features_and_classes(model, images):
    """uint8 images → features (n, dim), and the most likely classes (n,), or None from Inception."""
    x = features.as_inputs(images)
    if model.name == "inception":
        x = np.repeat(x, 3, axis=-1) if x.shape[-1] == 1 else x
        return model.predict(x, batch_size=50, verbose=0).astype("float64"), None
    both = keras.Model(model.inputs, [model.get_layer("features").output, model.outputs[0]])
    found, logits = both.predict(x, batch_size=500, verbose=0)
    return found.astype("float64"), logits.argmax(axis=-1)


def frechet_distance(a, b):
    """‖μ₁ − μ₂‖² + Tr(C₁ + C₂ − 2 (C₁C₂)^½) for Gaussians fitted to the rows of a and of b.

    Tr (C₁C₂)^½ is the sum of the roots of the eigenvalues of C₁^½ C₂ C₁^½, which is symmetric: no complex roots to cut off.
    """
    covariances = [np.cov(rows, rowvar=False).reshape(rows.shape[1], -1) for rows in (a, b)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    return np.square(a.mean(axis=0) - b.mean(axis=0)).sum() + sum(np.trace(c) for c in covariances) - 2 * cross


def class_metrics(classes, real_classes):
    """Entropy in nats of the recognised classes, and how many modes there are: classes with at least a tenth of the share
    that they have among the real images."""
    count = max(classes.max(), real_classes.max()) + 1
    share, real = (np.bincount(c, minlength=count) / len(c) for c in (classes, real_classes))
    positive = share[share > 0]
    return {"recognised_entropy": abs((positive * np.log(positive)).sum()),
            "modes": ((share >= 0.1 * real) & (real > 0)).sum()}


def generated(model, count, seed=1):
    """uint8 images as a file would hold them, (n, height, width, channels)."""
    x = images_of(model, sample_codes(model, count, seed))
    x = (x * 255).round().clip(0, 255).astype("uint8")
    return x[..., None] if x.ndim == 3 else x


def metrics(model, real, extractor, samples):
    """For results.json: `samples` generated images against the first `samples` real ones."""
    fakes = generated(model, samples)
    deviation = np.std(fakes, axis=0, dtype="float32").mean() / 255          # near 0 where the generator has collapsed
    result = {"pixel_deviation": deviation}
    if extractor is None:
        return result
    (a, classes), (b, real_classes) = (features_and_classes(extractor, images) for images in (fakes, real[:samples]))
    name = "fid_keras_inception" if extractor.name == "inception" else "frechet_distance"
    result[name] = frechet_distance(a, b)
    return result | (class_metrics(classes, real_classes) if classes is not None else {})


# ----------------------------------------------------------------------------------------------------------- pictures

def pictures(model, run):
    """Samples, walks through the latent space and curves, into the run folder."""
    plots.save_sheet(images_of(model, sample_codes(model, 100)), run.path("samples.png"), columns=10)
    plots.save_sheet(images_of(model, walks(model, 8, 12)), run.path("walks.png"), columns=12)
    save_scores(run.state["log"], run.path("scores.png"))


def walks(model, count, steps, seed=0):
    """Codes of `count` walks of `steps` steps each."""
    ends = sample_codes(model, 2 * count, seed).reshape(2, count, -1)
    return np.concatenate([walk(start, end, steps) for start, end in zip(*ends)])


def save_scores(log, path):
    """The critic's gap E T(x_r) − E T(x_f), its two terms, and both losses, against the epoch."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, names in zip(figure.subplots(1, 2), (("gap", "score_real", "score_fake"), ("loss", "generator_loss"))):
        for name in names:
            axes.plot([row["epoch"] for row in log], [row[name] for row in log], marker="." if len(log) < 5 else "",
                      label={"gap": "gap: T(x_r) − T(x_f)", "loss": "critic's loss"}.get(name, name.replace("_", " ")))
        axes.set_xlabel("epoch")
        axes.legend()
    runs.write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))
