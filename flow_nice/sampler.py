"""A trained NICE as something that draws digits, measures log q(x) and restores missing pixels."""

import keras
import numpy as np
from keras import ops

from common.flow import PRIORS, Flow, Reverse
from common.harness.language import in_users_language
from common.harness.models import load_model
from common.harness.reading import InputError

SIDE = 28                              # pixels of an image's edge
TOGETHER = 50                          # steps of inpainting in one call of TensorFlow


class Sampler:
    """Images (n, 28, 28) with pixels in [0, 1] on one side, codes z (n, 784) on the other.

    Args:
        model: what build_nice of flow_nice/train.py returns, trained or not.
    """

    def __init__(self, model):
        self.model = model
        self.flow = next(layer for layer in model.layers if isinstance(layer, Flow))
        self.log_prior, self.draw = PRIORS[self.flow.prior]

    @classmethod
    def load(cls, path):
        """The NICE in a run folder or a .keras file; anything else is an InputError."""
        model = load_model(path)
        flows = [layer for layer in model.layers if isinstance(layer, Flow)]
        if not flows or flows[0].dim != SIDE ** 2:
            raise InputError(in_users_language(
                f"expected a model of 784 pixels trained by flow_nice/train.py. Received: {path}",
                f"需要 flow_nice/train.py 训练的、784 个像素的模型。收到：{path}"))
        return cls(model)

    def codes(self, count, temperature=1.0, seed=0):
        """z from the prior times temperature (退火参数), (count, 784)."""
        return temperature * ops.convert_to_numpy(self.draw((count, self.flow.dim), seed))

    def narrowed(self, codes, dimensions):
        """Codes of which only so many dimensions are kept, those of least s; the others are 0. What is left
        is the manifold of that many dimensions which (14) to (17) speak of: a large s is a small σ."""
        kept = np.zeros(self.flow.dim, "float32")
        kept[np.argsort(self.code_log_scale())[:dimensions]] = 1
        return codes * kept

    def decode(self, codes):
        """z → x = f⁻¹(z). Pixels may lie outside [0, 1]."""
        x, _ = self.flow(ops.convert_to_tensor(codes, "float32"), inverse=True)
        return ops.convert_to_numpy(x).reshape(-1, SIDE, SIDE)

    def sample(self, count, temperature=1.0, seed=0):
        """New images: decoded codes."""
        return self.decode(self.codes(count, temperature, seed))

    def code_log_scale(self):
        """log s of each dimension of the codes, (784,)."""
        return ops.convert_to_numpy(self.flow.layers[-1].log_scale).reshape(-1)

    def log_scale(self):
        """log s of each dimension at the place where it stands in an image, (28, 28): an odd number of
        reversals would turn the image round."""
        reversals = sum(isinstance(layer, Reverse) for layer in self.flow.layers)
        log_s = self.code_log_scale()
        return log_s[::-1 if reversals % 2 else 1].reshape(SIDE, SIDE)

    def vary(self, code, dimensions, values):
        """One image for each dimension and value: the code with that value in place of its own there."""
        codes = np.tile(code, (len(dimensions), len(values), 1))
        for row, dimension in zip(codes, dimensions):
            row[:, dimension] = values
        return self.decode(codes.reshape(-1, len(code)))

    def log_q(self, x):
        """log q(x) in nats of each of the images, (n,)."""
        return self.model.predict(x.reshape(len(x), -1), batch_size=500, verbose=0)

    def inpaint(self, images, known, steps, seed=0):
        """Climbs log q(x) in the pixels where `known` is 0, from noise: the paper's inpainting.

        The paper takes steps of 10/(100 + i) along the gradient plus Gaussian noise; here Adam chooses the
        steps, without noise.

        Args:
            images, known: (n, 28, 28) float32; known is 1 where a pixel keeps its value.
        """
        self.flow.trainable = False
        pixels = MissingPixels(images.reshape(len(images), -1), known.reshape(len(known), -1), seed)
        nothing = keras.Input((1,))
        z, log_det = self.flow(pixels(nothing))
        model = keras.Model(nothing, self.log_prior(z) + log_det)
        rate = keras.optimizers.schedules.CosineDecay(0.05, steps)
        model.compile(keras.optimizers.Adam(rate), lambda _, log_q: -log_q,
                      steps_per_execution=min(steps, TOGETHER))
        rows = np.zeros((len(images) * steps, 1), "float32")       # one epoch: each costs 25 ms to begin
        model.fit(rows, rows[:, 0], batch_size=len(images), shuffle=False, verbose=0)
        return ops.convert_to_numpy(pixels(rows[:1])).reshape(images.shape)


class MissingPixels(keras.layers.Layer):
    """Known pixels as they are, unknown ones as weights in [0, 1]: x ⊗ known + w ⊗ (1 − known)."""

    def __init__(self, x, known, seed):
        super().__init__()
        self.x, self.known = x, known
        noise = keras.initializers.RandomUniform(0, 1, seed)
        self.guess = self.add_weight(shape=x.shape, initializer=noise, constraint=lambda w: ops.clip(w, 0, 1))

    def call(self, _):
        return self.x * self.known + self.guess * (1 - self.known)
