"""A trained model of capsule/train.py as something that names the digits in images."""

import functools

import keras
import numpy as np
from keras import ops

from capsule.pairs import k_hot
from common.capsule import Capsule, CapsuleLength, Mask  # noqa: F401 (layers that the models hold)
from common.harness.models import PredictionBar, load_model, not_from
from common.harness.reading import InputError
from common.matrix_capsule import ClassCapsules, ConvCapsules, PrimaryCapsules  # noqa: F401

WINDOW = 14      # pixels that a position of the features sees in either direction
DARK = 0.1       # up to here a pixel in [0, 1] shows nothing


class Classifier:
    """uint8 images (n, height, width) → a score in [0, 1] for each class. Images may be of any size, but for
    models with a matrix for every position (--weights full).

    Args:
        model: what one of the builders in capsule/train.py returns, trained or not; with_decoder, too.
    """

    def __init__(self, model):
        self.whole = model if len(model.inputs) > 1 else None
        if self.draws:
            model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
        self.model = model

    @classmethod
    def load(cls, path):
        """The model in a run folder or a .keras file; anything else is an InputError."""
        model = load_model(path)
        if not model.name.startswith("capsule_") or model.inputs[0].shape[3:] != (1,):
            raise not_from("capsule/train.py", path, model)
        return cls(model)

    @property
    def routing(self):
        """What --routing was."""
        return self.model.name.removeprefix("capsule_")

    @property
    def draws(self):
        """Whether it was trained with --reconstruction."""
        return self.whole is not None

    @property
    def classes(self):
        """How many classes there are."""
        return self.model.outputs[0].shape[-1]

    @property
    def capsule(self):
        """The layer with dynamic routing; None in other models."""
        return next((layer for layer in self.model.layers if isinstance(layer, Capsule)), None)

    @functools.cached_property
    def voters(self):
        """Images → the features, and what the layer with dynamic routing is given of them."""
        outputs = [self.model.get_layer("features").output, *keras.tree.flatten(self.capsule.input)]
        return keras.Model(self.model.inputs, outputs)

    @property
    def pixels(self):
        """(height, width) of the images that it takes; None: any."""
        return self.model.inputs[0].shape[1:3]

    def takes(self, images):
        """Whether images are of a size that it takes."""
        sizes = zip(self.pixels, images.shape[1:3])
        return all(expected in (None, size) for expected, size in sizes)

    def scores(self, images):
        """The score of every class, (n, classes).

        Raises:
            InputError: images of another size than the model takes.
        """
        if not self.takes(images):
            height, width = self.pixels
            raise InputError("a model trained with --weights full takes images of its own size alone, "
                             f"{height} × {width} pixels. Received: {images.shape[1]} × {images.shape[2]}")
        return self.model.predict(as_inputs(images), batch_size=100, verbose=0, callbacks=[PredictionBar()])

    def drawings(self, images, labels):
        """What the decoder draws from one capsule of each image, that of its label: (n, 28, 28) in [0, 1].

        Of an image of several digits that is the digit alone, in the middle."""
        inputs = [as_inputs(images), k_hot(np.asarray(labels), self.classes)]
        _, drawn = self.whole.predict(inputs, batch_size=100, verbose=0)
        return drawn.reshape(-1, 28, 28)

    def vote_maps(self, images):
        """Where the votes for each class come from, for a model with dynamic routing.

        Returns:
            v: lengths (n, classes).
            couplings: c_ij (n, classes, height, width), which over the classes sum to 1.
            shares: c_ij ⟨û_ij, v_j/‖v_j‖⟩ (n, classes, height, width), which over the positions sum to
                ‖Σ_i c_ij û_ij‖.
        """
        maps, u, *sees = self.voters.predict(as_inputs(images), verbose=0)
        if sees:                                                     # positions that vote, see build_dynamic
            u = u * sees[0][:, :, None]
        v, c = (ops.convert_to_numpy(t) for t in self.capsule.route(u))
        kernel = ops.convert_to_numpy(self.capsule.kernel)
        kernel = kernel.reshape(-1, u.shape[-1], *v.shape[1:])       # one for all positions, or one for each
        length = np.linalg.norm(v, axis=-1)
        direction = v / (length[..., None] + 1e-9)
        kernel = np.broadcast_to(kernel, (u.shape[1], *kernel.shape[1:]))
        shares = c * np.einsum("bni,nikd,bkd->bkn", u, kernel, direction, optimize=True)
        height, width = maps.shape[1:3]
        return length, c.reshape(len(u), -1, height, width), shares.reshape(len(u), -1, height, width)


def as_inputs(images):
    """uint8 images (n, height, width) as the models take them: one channel, pixels in [0, 1]."""
    return np.asarray(images, "float32")[..., None] / 255
