"""Layers and losses of spectra.py, reparameterisation.py and center_loss.py train on JAX and on PyTorch,
compiled and not, in float32 and in mixed precision."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.articles import ROOT
from tests.test_backends import ON_JAX, ON_TORCH

PROGRAM = '''
import json, sys
sys.path.insert(0, sys.argv[1])
import keras
import numpy as np
from keras import layers
from more.keras_tricks.center_loss import build_classifier
from more.reparameterisation import GumbelSoftmax, SphereSampling
from more.spectra import FoldedConv1D, MacroF1Loss, QuotaBatches

rng, found = np.random.default_rng(0), {}
compiled = (True, False) if keras.backend.backend() != "torch" else (False,)
for policy in ("float32", "mixed_bfloat16"):
    keras.config.set_dtype_policy(policy)
    for jit in compiled:
        x = keras.Input((64, 1))
        h = layers.GlobalMaxPooling1D()(FoldedConv1D(4, dilation_rate=2)(x))
        model = keras.Model(x, layers.Dense(4)(h))
        model.compile("adam", MacroF1Loss([1.0, 2.0, 3.0, 4.0]), jit_compile=jit)
        batches = QuotaBatches(rng.random((40, 64, 1), "float32"), np.arange(40) % 4, (4, 4, 2, 2), steps=3)
        found[f"folded, {policy}, {jit}"] = model.fit(batches, verbose=0).history["loss"]
        x, numbers = keras.Input((12,)), rng.random((30, 12), "float32")
        y = GumbelSoftmax()(layers.Reshape((3, 4))(layers.Dense(12)(x)))
        z = SphereSampling()(layers.Dense(4)(x))
        model = keras.Model(x, layers.Dense(12)(layers.Concatenate()([layers.Flatten()(y), z])))
        model.compile("adam", "mse", jit_compile=jit)
        found[f"sampled, {policy}, {jit}"] = model.fit(numbers, numbers, verbose=0).history["loss"]
        found[f"in inference, {policy}, {jit}"] = [model.evaluate(numbers, numbers, verbose=0)]
        model, _ = build_classifier(0.5, 12)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=jit)
        labels = np.arange(30) % 10
        found[f"centres, {policy}, {jit}"] = model.fit([numbers, labels], labels, verbose=0).history["loss"]
print("FOUND", json.dumps(found))
'''


@pytest.mark.parametrize("backend", [
    pytest.param("jax", marks=ON_JAX), pytest.param("torch", marks=ON_TORCH)])
def test_they_train(backend):
    result = subprocess.run([sys.executable, "-c", PROGRAM, str(ROOT)], capture_output=True, text=True,
                            env={**os.environ, "KERAS_BACKEND": backend})
    assert result.returncode == 0, result.stderr[-3000:]
    found = json.loads(result.stdout.split("FOUND ")[1])
    assert len(found) == (16 if backend == "jax" else 8)
    assert all(np.isfinite(losses).all() for losses in found.values())
