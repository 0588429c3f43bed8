"""What every layer of common/ promises, for random shapes: the same numbers in whatever way it is used.

One table, layer → how to make it and its inputs; one function for each promise. The numbers of one use are
compared with those of another: frozen, shared, inside TimeDistributed, cloned, compiled, in half precision,
behind a mask, saved after some training and loaded here and on the other backend.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from common.attention import AttentionPooling1D, CrossAttention, SelfAttention
from common.capsule import Capsule, CapsuleLength, Mask
from common.crf import CRF, KBest
from common.flow import AdditiveCoupling, AffineCoupling, Flow, Permutation, Reverse, Scale
from common.gated_conv import GatedConv1D
from common.latent import ClusterPrior, GaussianSampling
from common.losses import ProductLogits
from common.matrix_capsule import ClassCapsules, ConvCapsules, PrimaryCapsules
from common.spectral import SpectralNorm

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclass
class Case:
    """How to make a layer, and the shapes of its inputs, without the batch, from random sizes."""

    make: object
    shapes: object                # function of sizes a, b, c of 2 … 6 → list of shapes
    masked: bool = False          # takes a mask over axis 1
    discrete: bool = False        # has outputs that half precision may change altogether: tags
    apart: bool = False           # takes its inputs as arguments of their own
    valid: object = lambda *x: x  # normal numbers → numbers as the layer expects them


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def dense(units):
    return layers.Dense(units, kernel_initializer=keras.initializers.RandomNormal(0, 0.1, seed=1))


def without_padding(potentials):
    return (np.concatenate([potentials[..., :-1], np.ones_like(potentials[..., -1:])], axis=-1),)


CASES = {
    "SelfAttention": Case(
        lambda a, b, c: SelfAttention(2, head_dim=4, rotary=a % 2 == 0), lambda a, b, c: [(a, b)], True
    ),
    "CrossAttention": Case(
        lambda a, b, c: CrossAttention(2, head_dim=4), lambda a, b, c: [(a, b), (c, b)], apart=True
    ),
    "AttentionPooling1D": Case(lambda a, b, c: AttentionPooling1D(), lambda a, b, c: [(a, b)], True),
    "Capsule": Case(lambda a, b, c: Capsule(b, c), lambda a, b, c: [(a, c)], True),
    "CapsuleLength": Case(lambda a, b, c: CapsuleLength(), lambda a, b, c: [(a, b)]),
    "PrimaryCapsules": Case(lambda a, b, c: PrimaryCapsules(b, 2), lambda a, b, c: [(a, a + 1, c)]),
    "ConvCapsules": Case(
        lambda a, b, c: ConvCapsules(b, 2),
        lambda a, b, c: [(a, a + 1, c, 2, 2), (a, a + 1, c)],
        valid=lambda poses, activations: (poses, sigmoid(activations)),
    ),
    "ClassCapsules": Case(
        lambda a, b, c: ClassCapsules(b),
        lambda a, b, c: [(a, a + 1, c, 2, 2), (a, a + 1, c)],
        valid=lambda poses, activations: (poses, sigmoid(activations)),
    ),
    "Mask": Case(lambda a, b, c: Mask(), lambda a, b, c: [(a, b)], discrete=True),
    "CRF": Case(lambda a, b, c: CRF(b), lambda a, b, c: [(a, b)], True, discrete=True),
    # Potentials of sentences without padding: the mask is their last column.
    "KBest": Case(
        lambda a, b, c: KBest(2),
        lambda a, b, c: [(a + b, b + 1)],
        discrete=True,
        valid=without_padding,
    ),
    "GatedConv1D": Case(
        lambda a, b, c: GatedConv1D(b, dilation_rate=1 + a % 2), lambda a, b, c: [(c, b)], True
    ),
    "GatedConv1D highway": Case(
        lambda a, b, c: GatedConv1D(combination="highway"), lambda a, b, c: [(c, b)], True
    ),
    "AdditiveCoupling": Case(lambda a, b, c: AdditiveCoupling(dense(a)), lambda a, b, c: [(2 * a,)]),
    "AffineCoupling": Case(lambda a, b, c: AffineCoupling(dense(2 * a)), lambda a, b, c: [(2 * a,)]),
    "Flow": Case(
        lambda a, b, c: Flow([AdditiveCoupling(dense(a)), Reverse(), Permutation(0), Scale()]),
        lambda a, b, c: [(2 * a,)],
    ),
    # Its noise is another one in each call: σ so small that it cannot be seen.
    "GaussianSampling": Case(
        lambda a, b, c: GaussianSampling(),
        lambda a, b, c: [(a,), (a,)],
        valid=lambda mean, log_var: (mean, log_var - 60),
    ),
    "ClusterPrior": Case(
        lambda a, b, c: ClusterPrior(b),
        lambda a, b, c: [(a,), (a,), (b,)],
        valid=lambda z, log_var, p: (z, log_var, softmax(p)),
    ),
    "ProductLogits": Case(lambda a, b, c: ProductLogits(), lambda a, b, c: [(a, b), (1,)], True),
    "SpectralNorm": Case(lambda a, b, c: SpectralNorm(layers.Dense(b)), lambda a, b, c: [(a,)]),
    "SpectralNorm of a convolution": Case(
        lambda a, b, c: SpectralNorm(layers.Conv2D(b, 2)), lambda a, b, c: [(a, a, c)]
    ),
}


class Trial:
    """A layer of random sizes with random inputs."""

    def __init__(self, name, number):
        self.case, rng = CASES[name], np.random.default_rng([number, *name.encode()])
        keras.utils.set_random_seed(number)
        self.sizes = [int(size) for size in rng.integers(2, 7, 3)]
        self.shapes = self.case.shapes(*self.sizes)
        normal = [rng.normal(size=(4, *shape)) for shape in self.shapes]
        self.x = [x.astype("float32") for x in self.case.valid(*normal)]
        steps, self.mask = self.shapes[0][0], None
        if self.case.masked:
            self.mask = np.arange(steps) < rng.integers(1, steps + 1, 4)[:, None]

    def layer(self, **options):
        layer = self.case.make(*self.sizes)
        return type(layer).from_config({**layer.get_config(), **options}) if options else layer

    def model(self, layer):
        """The layer as a model."""
        inputs = [keras.Input(shape) for shape in self.shapes]
        return keras.Model(one_or_all(inputs), one_or_all(self.use(layer, inputs)))

    def use(self, layer, inputs):
        """The layer's outputs, as a list."""
        return flat(layer(*inputs) if self.case.apart else layer(one_or_all(inputs)))

    def give(self):
        return one_or_all(self.x)


def flat(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def one_or_all(values):
    return values[0] if len(values) == 1 else values


def numpy(outputs):
    return [ops.convert_to_numpy(output).astype("float64") for output in flat(outputs)]


def agree(found, expected, tolerance=1e-5):
    """Raises AssertionError unless both are finite and the same."""
    for a, b in zip(found, expected, strict=True):
        assert np.isfinite(a).all() and np.isfinite(b).all(), "not finite"
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def train(model, trial, jit=False):
    """Three steps towards zero of all outputs that have a gradient; returns the losses."""
    losses = one_or_all([None if "int" in str(y.dtype) else "mse" for y in model.outputs])
    model.compile(keras.optimizers.SGD(1e-3), losses, jit_compile=jit)
    zeros = one_or_all([np.zeros(y.shape) for y in flat(model(trial.give()))])
    return [float(np.ravel(model.train_on_batch(trial.give(), zeros))[0]) for _ in range(3)]


# --------------------------------------------------------------------------------------------------- promises

def cloned(trial):
    model = trial.model(trial.layer())
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    agree(numpy(clone(trial.give())), numpy(model(trial.give())))


def frozen(trial):
    layer = trial.layer()
    model = trial.model(layer)
    weights, layer.trainable = layer.trainable_weights, False
    before = numpy(weights)
    y = next(y for y in reversed(model.outputs) if "float" in str(y.dtype))
    # what follows learns, it does not
    train(keras.Model(model.inputs, layers.Dense(1)(layers.Flatten()(y))), trial)
    for a, b in zip(before, numpy(weights)):
        np.testing.assert_array_equal(a, b)


def shared_twice(trial):
    layer = trial.layer()
    single = trial.model(layer)
    first = [keras.Input(shape) for shape in trial.shapes]
    second = [keras.Input(shape) for shape in trial.shapes]
    model = keras.Model([first, second], [trial.use(layer, inputs) for inputs in (first, second)])
    other = [x[::-1].copy() for x in trial.x]
    one, two = model([trial.x, other])
    agree(numpy(one), numpy(single(trial.give())))
    agree(numpy(two), numpy(single(other[0] if len(other) == 1 else other)))
    assert len(model.weights) == len(layer.weights)


def time_distributed(trial):
    layer = trial.layer()
    single = trial.model(layer)
    if len(trial.x) > 1 or len(single.outputs) > 1:
        return False
    y = layers.TimeDistributed(layer)(np.stack([trial.x[0], 2 * trial.x[0]], axis=1))
    agree(numpy(y), [np.stack([*numpy(single(trial.x[0])), *numpy(single(2 * trial.x[0]))], axis=1)], 1e-4)


def half_precision(trial):
    expected = trial.model(trial.layer())
    for policy in ("mixed_float16", "mixed_bfloat16"):
        model = trial.model(trial.layer(dtype=policy))
        model.set_weights(expected.get_weights())
        pairs = [
            (a, b)
            for a, b, y in zip(numpy(model(trial.give())), numpy(expected(trial.give())), expected.outputs)
            if not (trial.case.discrete and "int" in str(y.dtype))
        ]
        agree(*zip(*pairs), 0.1 if policy == "mixed_bfloat16" else 0.02)
        assert all(w.dtype == "float32" for w in model.trainable_weights)


def masks(trial):
    """What stands where the mask is False has no influence where it is True."""
    if not trial.case.masked:
        return False
    layer = trial.layer()
    rest = trial.x[1:]

    def outputs(x):
        return flat(layer([x, *rest] if rest else x, mask=[trial.mask, None] if rest else trial.mask))

    spoilt = np.where(trial.mask[..., None], trial.x[0], 1e4).astype("float32")
    for a, b in zip(numpy(outputs(trial.x[0])), numpy(outputs(spoilt))):
        per_step = a.shape[:2] == trial.mask.shape
        agree([a[trial.mask] if per_step else a], [b[trial.mask] if per_step else b])


def compiled(trial):
    losses = []
    for jit in (False, True):
        keras.utils.set_random_seed(1)
        model = trial.model(trial.layer())
        if not model.trainable_weights:
            return False
        losses.append(train(model, trial, jit=jit))
    agree([np.array(losses[0])], [np.array(losses[1])], 1e-3)


def saved(trial, folder):
    """After some training; the file and what it gives stay in the folder for the other backend."""
    model = trial.model(trial.layer())
    if model.trainable_weights:
        train(model, trial)
    expected = numpy(model(trial.give()))
    path = pathlib.Path(folder) / f"{len(list(pathlib.Path(folder).glob('*.keras')))}.keras"
    model.save(path)
    agree(numpy(keras.models.load_model(path, compile=False)(trial.give())), expected, 1e-6)
    np.savez(path.with_suffix(".npz"), *trial.x, **{f"y{i}": y for i, y in enumerate(expected)})


PROMISES = [cloned, frozen, shared_twice, time_distributed, half_precision, masks, compiled]


def load_all(folder):
    """Loads what `saved` left, on this process's backend, and compares."""
    for path in sorted(pathlib.Path(folder).glob("*.keras")):
        with np.load(path.with_suffix(".npz")) as file:
            count = len([key for key in file.files if key.startswith("arr")])
            x = [file[f"arr_{i}"] for i in range(count)]
            expected = [file[f"y{i}"] for i in range(len(file.files) - len(x))]
        agree(numpy(keras.models.load_model(path, compile=False)(x[0] if len(x) == 1 else x)), expected, 1e-4)


def promises(shapes, names=tuple(CASES), kept=tuple(p.__name__ for p in PROMISES)):
    """Every promise of every layer for so many random shapes; figures as in processes.py."""
    faults, trials, chosen = [], 0, [promise for promise in PROMISES if promise.__name__ in kept]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for number in range(shapes):
                for promise in [*chosen, lambda trial: saved(trial, folder)]:
                    try:
                        # False: nothing to try on this layer
                        trials += promise(Trial(name, number)) is not False
                    except Exception as error:
                        faults.append(f"{name}, {getattr(promise, '__name__', '')} {number}: {error!r:.300}")
        other = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
        code = "import sys; from tests.stress import layers; layers.load_all(sys.argv[1])"
        result = subprocess.run(
            [sys.executable, "-c", code, folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "KERAS_BACKEND": other, "PYTHONPATH": str(ROOT)},
        )
        trials += len(names) * shapes
        faults += [f"on {other}: {result.stderr[-1500:]}"] if result.returncode else []
    return {"layers": len(names), "trials": trials, "faults": faults}
