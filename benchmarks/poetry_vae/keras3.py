"""The same model in plain model.fit with Keras' defaults: couplets per second of three short epochs."""

import keras
import numpy as np

from benchmarks import clock
from poetry_vae.train import build_poetry_vae, couplet_loss

x = np.random.default_rng(0).integers(1, 5000, (6_400, 10)).astype("int32")
model = build_poetry_vae(5000)
model.compile(keras.optimizers.Adam(2e-3), couplet_loss)


def work():
    model.fit(x, x, batch_size=64, epochs=1, verbose=0)


clock.report(work, len(x))
