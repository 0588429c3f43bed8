"""A trained generator as something that draws codes, paints images of them and walks between them."""

import numpy as np

from common.harness import plots
from common.harness.models import PredictionBar, load_model, not_from


class Painter:
    """z ~ N(0, I) → images.

    Args:
        model: a GAN of gan/train.py, trained or not, or its averaged generator.
    """

    def __init__(self, model):
        self.model = model

    @classmethod
    def load(cls, path):
        """The generator in a run folder or a .keras file; anything else is an InputError."""
        model = load_model(path)
        if not model.name.startswith("gan_") or len(model.inputs[0].shape) != 2:
            raise not_from("gan/train.py", path, model)
        return cls(model)

    @property
    def latent_dim(self):
        return self.model.inputs[0].shape[-1]

    @property
    def shape(self):
        """(height, width, channels) of an image."""
        return self.model.outputs[0].shape[1:]

    def sample_codes(self, count, seed=0):
        """z ~ N(0, I), (count, latent_dim)."""
        return np.random.default_rng(seed).normal(size=(count, self.latent_dim)).astype("float32")

    def paint(self, codes):
        """Codes → pixel values in [0, 1], (n, height, width) or (n, height, width, 3)."""
        codes = np.asarray(codes, "float32")
        x = self.model.predict(codes, batch_size=500, verbose=0, callbacks=[PredictionBar()]) / 2 + 0.5
        return x[..., 0] if x.shape[-1] == 1 else x

    def surest(self, count, candidates, recognise, seed=0):
        """Codes (count, latent_dim), each the one of so many candidates whose image is recognised best.

        Args:
            recognise: images in [0, 1], (n, height, width, channels) → logits of classes, (n, classes).
        """
        codes = self.sample_codes(count * candidates, seed)
        logits = recognise(self.paint(codes).reshape(-1, *self.shape))
        largest = logits.max(axis=-1, keepdims=True)
        log_p = -np.log(np.exp(logits - largest).sum(axis=-1))            # of the likeliest class
        best = log_p.reshape(count, candidates).argmax(axis=-1)
        return codes.reshape(count, candidates, -1)[np.arange(count), best]

    def sample(self, count, seed=1):
        """uint8 images as a file would hold them, (n, height, width, channels)."""
        x = self.paint(self.sample_codes(count, seed))
        return (x * 255).round().clip(0, 255).astype("uint8").reshape(-1, *self.shape)

    def walks(self, count, steps, seed=0):
        """Codes of `count` walks of `steps` steps each, one walk after the other."""
        starts, ends = self.sample_codes(2 * count, seed).reshape(2, count, -1)
        return np.concatenate([walk(start, end, steps) for start, end in zip(starts, ends)])


def round_trip(codes, steps):
    """Codes on a closed way through the codes (stations, ..., dim) in turn, each leg of so many steps a great
    circle: (stations · steps, ..., dim), and the next after the last is the first."""
    legs = []
    for starts, ends in zip(codes, np.roll(codes, -1, axis=0)):
        leg = [walk(a, b, steps + 1)[:-1] for a, b in zip(starts, ends)]       # of each walker
        legs.append(np.swapaxes(leg, 0, 1))
    return np.concatenate(legs)


def walk(start, end, steps):
    """Codes from start to end on a great circle: the straight line would leave the shell on which N(0, I)
    lies."""
    cosine = start @ end / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:
        return plots.interpolate(start, end, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
