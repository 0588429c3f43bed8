"""Draws digits from a trained NICE model, by default the small one in flow_nice/weights, in seconds and without any data.

    python flow_nice/generate.py                                     samples, temperatures, interpolation, inpainting
    python flow_nice/generate.py --run runs/flow_nice/article-...    the same from a run of flow_nice/train.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from common import plots, runs
from common.flow import PRIORS, Flow
from flow_nice.train import save_digits


@dataclass
class Config:
    run: pathlib.Path = runs.ROOT / "flow_nice/weights/nice-small.keras"
    """Run folder of flow_nice/train.py, or a .keras file from one."""
    out: pathlib.Path = runs.ROOT / "runs/flow_nice/generated"
    """Folder for the pictures; pictures of the same name there are replaced."""
    temperature: float = 0.75
    """退火参数: factor on z."""
    count: int = 15
    """Pictures in a row."""
    steps: int = 300
    """Steps of gradient ascent on log q(x) for the missing half, 0 leaves inpainting out."""
    seed: int = 0
    """Seed of the random codes."""


def generate(config):
    for name, least, most in [("count", 2, 100), ("steps", 0, 100_000), ("temperature", 0, 10)]:
        if not least <= getattr(config, name) <= most:
            raise runs.InputError(f"{runs.option(name)} expects {least} to {most}. Received: {getattr(config, name)}")
    flow, n = load(config.run), config.count
    sheets = {"samples": flow.sample(n * n, config.temperature, config.seed)}
    # The same z at six temperatures, one row each: 0 is the mode of the prior, 1 is what the model was trained for.
    codes = PRIORS[flow.prior][1]((n, flow.dim), config.seed)
    sheets["temperatures"] = decode(flow, ops.concatenate([t * codes for t in (0, 0.25, 0.5, 0.75, 1, 1.25)]))
    ends = ops.convert_to_numpy(config.temperature * PRIORS[flow.prior][1]((16, flow.dim), config.seed + 1))
    lines = [plots.interpolate(start, end, n) for start, end in zip(ends[::2], ends[1::2])]
    sheets["interpolation"] = decode(flow, np.concatenate(lines).astype("float32"))
    if config.steps:
        x = ops.convert_to_numpy(sheets["samples"])[:n].clip(0, 1)
        known = np.tile((np.arange(784) < 392).astype("float32"), (n, 1))      # the upper half
        sheets["inpainting"] = np.concatenate([x, x * known, inpaint(flow, x, known, config.steps, config.seed)])
    for name, images in sheets.items():
        path = pathlib.Path(config.out) / f"{name}.png"
        save_digits(images, path, n)
        print(runs.shown(path))


def load(path):
    """The Flow in a run folder or .keras file of flow_nice/train.py."""
    flow = next((layer for layer in runs.load_model(path).layers if isinstance(layer, Flow)), None)
    if flow is None or flow.dim != 784:
        raise runs.InputError(f"expected a model of 784 pixels trained by flow_nice/train.py. Received: {path}")
    return flow


def decode(flow, z):
    """z → x = f⁻¹(z)."""
    return flow(z, inverse=True)[0]


class MissingPixels(keras.layers.Layer):
    """Known pixels as they are, unknown ones as weights in [0, 1]: x ⊗ known + w ⊗ (1 − known)."""

    def __init__(self, x, known, seed):
        super().__init__()
        self.x, self.known = x, known
        self.guess = self.add_weight(shape=x.shape, initializer=keras.initializers.RandomUniform(0, 1, seed),
                                     constraint=lambda w: ops.clip(w, 0, 1))

    def call(self, _):
        return self.x * self.known + self.guess * (1 - self.known)


def inpaint(flow, x, known, steps, seed=0):
    """Climbs log q(x) in the pixels where known is 0, from noise: the paper's inpainting, (n, 784) → (n, 784).

    The paper takes steps of 10/(100 + i) along the gradient plus Gaussian noise; here Adam chooses the steps, without noise.
    """
    flow.trainable = False
    pixels, nothing = MissingPixels(x, known, seed), keras.Input((1,))
    z, log_det = flow(pixels(nothing))
    model = keras.Model(nothing, PRIORS[flow.prior][0](z) + log_det)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, steps)), lambda _, log_q: -log_q)
    rows = np.zeros((len(x), 1), "float32")
    model.fit(rows, rows[:, 0], batch_size=len(x), epochs=steps, shuffle=False, verbose=0)
    return ops.convert_to_numpy(pixels(rows))


if __name__ == "__main__":
    runs.main(generate, Config, __doc__)
