"""common/flow.py against numerical Jacobians, integration of the density, and a NumPy computation that
shares no code."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops
from scipy import stats

from common.flow import (
    PRIORS,
    AdditiveCoupling,
    AffineCoupling,
    Bijection,
    Flow,
    Permutation,
    Reverse,
    Scale,
    gaussian_log_prob,
)
from tests.common.helpers import COMPILED, load_elsewhere, run_elsewhere

if keras.backend.backend() == "jax":
    import jax

    jax.config.update("jax_enable_x64", True)    # the checks to ten digits need float64


# On PyTorch Keras multiplies matrices of float64 in float32.
TORCH = keras.backend.backend() == "torch"


def numpy(*tensors):
    arrays = [ops.convert_to_numpy(t) for t in tensors]
    return arrays if len(arrays) > 1 else arrays[0]


def network(outputs, dtype="float64", scale=1.0):
    """A smooth network with biases that are not zero."""
    def random(seed):
        return keras.initializers.RandomNormal(stddev=scale, seed=seed)

    model = keras.Sequential([
        layers.Dense(7, "softplus", kernel_initializer=random(1), bias_initializer=random(2),
                     dtype=dtype),
        layers.Dense(outputs, kernel_initializer=random(3), bias_initializer=random(4), dtype=dtype),
    ])
    model.dtype_policy = dtype    # Sequential takes no dtype and would cast its input to float32
    return model


def make(name, dim, dtype="float64", scale=1.0):
    first, second = dim - dim // 2, dim // 2                 # of an odd number the first part has one more
    changed = {"additive": second, "additive half swapped": first}
    changed |= {"affine": 2 * first, "affine half": 2 * second}
    net = network(changed.get(name, 1), dtype, scale)
    normal = keras.initializers.RandomNormal(stddev=scale, seed=5)
    makers = {
        "additive": lambda: AdditiveCoupling(net, dtype=dtype),
        "additive half swapped": lambda: AdditiveCoupling(net, "half", swap=True, dtype=dtype),
        "affine": lambda: AffineCoupling(net, swap=True, dtype=dtype),
        "affine half": lambda: AffineCoupling(net, split="half", dtype=dtype),
        "reverse": lambda: Reverse(dtype=dtype),
        "permutation": lambda: Permutation(seed=1, dtype=dtype),
        "scale": lambda: Scale(normal, dtype=dtype),
    }
    return makers[name]()


NAMES = ["additive", "additive half swapped", "affine", "affine half", "reverse", "permutation",
         "scale"]


def data(rows, dim, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("dim", [8, 7, 3, 2])
def test_inverse_undoes_forward_and_the_log_determinants_cancel(name, dtype, tolerance, dim):
    layer, x = make(name, dim, dtype), data(50, dim, dtype=dtype)
    z, log_det = layer(x)
    again, minus = layer(z, inverse=True)
    assert keras.backend.standardize_dtype(z.dtype) == dtype
    assert keras.backend.standardize_dtype(log_det.dtype) == dtype
    assert np.abs(numpy(again) - x).max() <= tolerance * np.abs(x).max()
    np.testing.assert_allclose(*numpy(log_det, -minus), atol=10 * tolerance)


@settings(max_examples=15 if keras.backend.backend() == "tensorflow" else 3, deadline=None)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6), st.integers(2, 11),
       st.integers(1, 9), st.integers(0, 99))
def test_every_composition_is_invertible(names, dim, rows, seed):
    flow = Flow([make(name, dim) for name in names], dtype="float64")
    x = data(rows, dim, seed)
    z, log_det = flow(x)
    again, minus = flow(z, inverse=True)
    scale = max(1, np.abs(numpy(z)).max(), np.abs(x).max())
    assert np.abs(numpy(again) - x).max() <= 1e-10 * scale
    np.testing.assert_allclose(*numpy(log_det, -minus), atol=1e-9 * scale)
    nested = Flow([Flow(flow.layers[:1], dtype="float64"), *flow.layers[1:]], dtype="float64")
    np.testing.assert_array_equal(*numpy(nested(x)[0], z))


MIXED = ["affine", "permutation", "affine half", "scale"]


@pytest.mark.parametrize("names", [*([name] for name in NAMES), MIXED])
@pytest.mark.parametrize("dim", [6, 5, 3])
@pytest.mark.skipif(TORCH, reason="differences of 10⁻⁶ need networks in float64")
def test_log_determinant_is_that_of_the_numerical_jacobian(names, dim):
    flow = Flow([make(name, dim) for name in names], dtype="float64")
    x, step = data(3, dim), 1e-6
    _, log_det = flow(x)
    for row, found in zip(x, numpy(log_det)):
        moved = np.concatenate([row + step * np.eye(dim), row - step * np.eye(dim)])
        z = numpy(flow(moved)[0])
        jacobian = ((z[:dim] - z[dim:]) / (2 * step)).T
        assert np.linalg.slogdet(jacobian)[1] == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("split, swap, stays", [
    ("interleaved", False, [0, 2, 4]), ("interleaved", True, [1, 3]),
    ("half", False, [0, 1, 2]), ("half", True, [3, 4]),
])
@pytest.mark.parametrize("kind", [AdditiveCoupling, AffineCoupling])
def test_of_an_odd_number_the_first_part_has_one_more(kind, split, swap, stays):
    """The parts that stay, by their places; all others change, each by a function of those."""
    changes = [place for place in range(5) if place not in stays]
    net = network(kind.outputs_for_each * len(changes))
    layer, x = kind(net, split, swap, dtype="float64"), data(4, 5)
    z = numpy(layer(x)[0])
    np.testing.assert_array_equal(z[:, stays], x[:, stays])
    raw = numpy(net(x[:, stays]))
    if kind is AdditiveCoupling:
        expected = x[:, changes] - raw
    else:
        s, t = raw[:, :len(changes)], raw[:, len(changes):]
        expected = (x[:, changes] - t) * np.exp(-s / (1 + np.abs(s) / 2))
    np.testing.assert_allclose(z[:, changes], expected, rtol=1e-5 if TORCH else 1e-10)


def changed_places(layers, dim):
    """Which of the inputs come out of a Flow otherwise than moved about: as no output's copy."""
    x = data(1, dim)
    z = numpy(Flow(layers, dtype="float64")(x)[0])
    return [place for place in range(dim) if x[0, place] not in z[0]]


@pytest.mark.parametrize("split", ["interleaved", "half"])
def test_reverse_between_couplings_needs_an_even_number_and_swap_does_not(split):
    """As the docstring of Reverse says: an odd number leaves something that no coupling changes."""
    for dim, all_change in [(6, True), (5, False)]:
        couplings = [AdditiveCoupling(network(dim // 2), split, dtype="float64") for _ in range(2)]
        layers_ = [couplings[0], Reverse(dtype="float64"), couplings[1]]
        assert (len(changed_places(layers_, dim)) == dim) is all_change
    sizes = [(2, False), (3, True)]
    swapped = [AdditiveCoupling(network(n), split, swap, dtype="float64") for n, swap in sizes]
    assert len(changed_places(swapped, 5)) == 5


def test_images_go_through_a_flow_flattened():
    """As the docstring of Flow says: the network sees an image, and the density is that of the image."""
    def convolutions():
        return keras.Sequential([
            keras.Input((4 * 4 * 3 // 2,)), layers.Reshape((4, 2, 3)),
            layers.Conv2D(6, 3, padding="same", activation="tanh"), layers.Conv2D(3, 3, padding="same"),
            layers.Flatten(),
        ])

    images = keras.Input((4, 4, 3))
    flow = Flow([AdditiveCoupling(convolutions(), "half", swap=swap) for swap in (False, True)])
    model = keras.Model(images, flow(layers.Flatten()(images)))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    z, log_det = model.predict(x, verbose=0)
    again = numpy(flow(z, inverse=True)[0]).reshape(2, 4, 4, 3)
    np.testing.assert_allclose(again, x, atol=1e-5)
    np.testing.assert_allclose(numpy(flow.log_prob(x.reshape(2, 48))), numpy(gaussian_log_prob(z)) + log_det,
                               rtol=1e-5)


@pytest.mark.parametrize("prior", list(PRIORS))
def test_the_density_integrates_to_one(prior):
    names = ("affine", "reverse", "affine half", "scale")
    flow = Flow([make(name, 2, scale=0.2) for name in names], prior, dtype="float64")
    ticks = np.linspace(-60, 60, 1201)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    density = np.exp(numpy(flow.log_prob(points)))
    assert density.sum() * (ticks[1] - ticks[0]) ** 2 == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("prior, scipy_prior", [("gaussian", stats.norm), ("logistic", stats.logistic)])
def test_log_prob_is_that_of_a_numpy_computation(prior, scipy_prior):
    """The article's block, reversal, interleaved split, subtraction, written out in NumPy for three blocks
    and a scale."""
    names = ["reverse", "additive"] * 3 + ["scale"]
    flow = Flow([make(name, 6) for name in names], prior, dtype="float64")
    x = data(5, 6)
    found = numpy(flow.log_prob(x))
    h = x.copy()
    for coupling in flow.layers[1::2]:
        w1, b1, w2, b2 = numpy(*coupling.network.weights)
        h = h[:, ::-1].copy()
        h[:, 1::2] -= np.logaddexp(0, h[:, ::2] @ w1 + b1) @ w2 + b2
    s = numpy(flow.layers[-1].log_scale)
    expected = scipy_prior.logpdf(h * np.exp(s)).sum(axis=1) + s.sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5 if TORCH else 1e-10)


def test_affine_coupling_by_its_formula():
    layer, x = make("affine half", 4), data(5, 4)
    z = numpy(layer(x)[0])
    raw = numpy(layer.network(x[:, :2]))
    s = raw[:, :2] / (1 + np.abs(raw[:, :2]) / 2)
    expected = np.concatenate([x[:, :2], (x[:, 2:] - raw[:, 2:]) * np.exp(-s)], axis=1)
    np.testing.assert_allclose(z, expected, rtol=1e-10)
    np.testing.assert_allclose(numpy(layer(x)[1]), -s.sum(axis=1), rtol=1e-10)


@pytest.mark.parametrize("prior, scipy_prior", [("gaussian", stats.norm), ("logistic", stats.logistic)])
def test_samples_follow_the_prior_and_the_temperature(prior, scipy_prior):
    flow = Flow([Reverse()], prior)
    flow.build((None, 2))
    cold = numpy(flow.sample(20_000, temperature=0.5, seed=0))
    assert stats.kstest(2 * cold.ravel(), scipy_prior.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(cold, numpy(flow.sample(20_000, temperature=0.5, seed=0)))


@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.slow), COMPILED])
def test_a_trained_flow_draws_from_the_distribution_of_its_data(jit_compile):
    """A bent band, y = x²/2 + noise. Kolmogorov-Smirnov in four directions; untrained samples fail it."""
    keras.utils.set_random_seed(0)

    def draw(n, seed):
        rng = np.random.default_rng(seed)
        a = rng.normal(size=n)
        return np.stack([a, 0.5 * a ** 2 + 0.3 * rng.normal(size=n)], axis=1).astype("float32")

    blocks = []
    for _ in range(4):
        net = keras.Sequential([layers.Dense(64, "tanh"), layers.Dense(2)])
        blocks += [AffineCoupling(net), Reverse()]
    flow = Flow([*blocks, Scale()])
    x = keras.Input((2,))
    z, log_det = flow(x)
    model = keras.Model(x, gaussian_log_prob(z) + log_det)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, 2000)
    model.compile(keras.optimizers.Adam(rate), lambda _, log_q: -log_q, jit_compile=jit_compile)
    train, fresh = draw(20_000, 1), draw(4_000, 2)

    def least_p_value():
        samples = numpy(flow.sample(4_000, seed=3))
        directions = [1, 0], [0, 1], [1, 1], [1, -1]
        return min(stats.ks_2samp(samples @ d, fresh @ d).pvalue for d in directions)

    assert least_p_value() < 1e-10
    model.fit(train, train, batch_size=200, epochs=20, verbose=0)
    assert least_p_value() > 1e-3
    exact = -(np.log(2 * np.pi * 0.3) + 1)     # minus the entropy: ln q of the data's own density
    assert numpy(flow.log_prob(fresh)).mean() == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("name", ["additive", "affine"])
def test_a_bfloat16_network_leaves_the_flow_invertible(name):
    layer, x = make(name, 8, "mixed_bfloat16"), data(50, 8, dtype="float32")
    z, log_det = layer(x)
    again, minus = layer(z, inverse=True)
    assert layer.network.layers[-1].compute_dtype == "bfloat16"
    assert keras.backend.standardize_dtype(log_det.dtype) == "float32"
    assert keras.backend.standardize_dtype(z.dtype) == "float32"
    assert np.abs(numpy(again) - x).max() < 2e-6 * np.abs(x).max()
    np.testing.assert_allclose(*numpy(log_det, -minus), atol=1e-5)


def test_saved_and_loaded_in_a_fresh_process(tmp_path):
    flow = Flow([make(name, 4, "float32", scale=0.3) for name in NAMES], prior="logistic", name="flow")
    x = keras.Input((4,))
    z, log_det = flow(x)
    h = keras.Input((4,))
    keras.Model([x, h], [z, log_det, flow(h, inverse=True)[0]]).save(tmp_path / "flow.keras")
    points = data(3, 4, dtype="float32")
    np.savez(tmp_path / "expected.npz", x=points, log_prob=numpy(flow.log_prob(points)),
             z=numpy(flow(points)[0]))
    run_elsewhere("""
import keras, numpy as np, common.flow
expected = np.load("expected.npz")
model = keras.models.load_model("flow.keras", compile=False)
z, _, again = model.predict([expected["x"], expected["z"]], verbose=0)
log_prob = keras.ops.convert_to_numpy(model.get_layer("flow").log_prob(expected["x"]))
np.testing.assert_allclose(z, expected["z"], rtol=1e-5, atol=1e-6)
np.testing.assert_allclose(again, expected["x"], rtol=1e-4, atol=1e-5)
np.testing.assert_allclose(log_prob, expected["log_prob"], rtol=1e-5)
""", tmp_path)


@pytest.mark.parametrize("call, message", [
    (lambda: AdditiveCoupling(network(1))(data(2, 1)), r"two dimensions or more.*Received: shape=\(2, 1\)"),
    (lambda: AdditiveCoupling(network(3))(data(2, 5)), "maps 3 to 2 numbers"),
    (lambda: AffineCoupling(network(4), swap=True)(data(2, 5)), "maps 2 to 6 numbers"),
    (lambda: AdditiveCoupling(network(3))(data(2, 4)), "maps 2 to 2 numbers"),
    (lambda: AffineCoupling(network(2))(data(2, 4)), "maps 2 to 4 numbers"),
    (lambda: Flow([Reverse()])(np.zeros((2, 28, 28))), r"shape \(batch, dim\).*keras.layers.Flatten"),
    (lambda: Flow([]), "at least one"),
    (lambda: Flow([layers.Dense(2)]), "that are Bijections"),
    (lambda: Flow([Reverse()], prior="uniform"), "gaussian, logistic"),
    (lambda: AdditiveCoupling(network(2), split="checkerboard"), '"interleaved" or "half"'),
    (lambda: Flow([Reverse()]).sample(3), "that was built"),
    (lambda: AdditiveCoupling(lambda x: x), "network expects a layer.*Received: network="),
    (lambda: AffineCoupling(network(4), bound=0), "bound expects a number above 0.*Received: bound=0"),
    (lambda: AdditiveCoupling(built_for(3))(data(2, 4)), "maps 2 to 2 numbers.*Received: network="),
    (lambda: Flow([Reverse()])(data(2, 3), inverse=True) and Flow([Scale()])(data(2, 3)[:, 0]), "dim"),
])
def test_wrong_use_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def built_for(dim):
    layer = layers.Dense(2)
    layer.build((None, dim))
    return layer


@pytest.mark.parametrize("name", [*NAMES, "flow"])
def test_a_built_layer_takes_no_other_shape(name):
    layer = Flow([make(name, 4, "float32") for name in NAMES]) if name == "flow" else make(name, 4, "float32")
    layer(data(2, 4, dtype="float32"))
    for inverse in (False, True):
        for shape in [(2, 6), (2, 3), (2, 2), (2, 1), (2, 4, 4), (4,)]:
            for x in (np.zeros(shape, "float32"), keras.KerasTensor((None, *shape[1:]))):
                with pytest.raises(ValueError, match="Received: |found|received"):
                    layer(x, inverse=inverse)
    with pytest.raises(ValueError, match=r"dim=4.*Received: shape=\(2, 6\)"):
        layer.compute_output_shape((2, 6))


def test_a_network_and_a_layer_that_stand_twice_in_a_flow_do_so_after_loading(tmp_path):
    net, shuffle = network(2, "float32"), Permutation()
    inner = Flow([shuffle, AdditiveCoupling(net, swap=True), Scale("random_normal")])
    flow = Flow([AdditiveCoupling(net), Reverse(), AdditiveCoupling(net), inner, shuffle], name="flow")
    x = keras.Input((4,))
    model = keras.Model(x, flow(x)[0])
    points = data(3, 4, dtype="float32")
    expected = numpy(model(points))
    found, _ = load_elsewhere(model, points, "common.flow", tmp_path, """
a, _, b, inner, last = model.get_layer("flow").layers
assert a.network is b.network is inner.layers[1].network and inner.layers[0] is last
""", compile=False)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    clone = keras.models.clone_model(model)
    assert len(clone.weights) == len(model.weights)
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(numpy(clone(points)), expected, rtol=1e-6)
    again = Flow.from_config(flow.get_config())
    assert again.layers[0].network is again.layers[2].network is not net


def test_networks_that_have_only_a_layer_in_common_are_refused():
    common_layer = layers.Dense(2)
    first, second = keras.Sequential([common_layer]), keras.Sequential([common_layer, layers.ReLU()])
    with pytest.raises(ValueError, match="networks of their own.*Received: network="):
        Flow([AdditiveCoupling(first), Flow([AdditiveCoupling(second)])])(data(2, 4))


def test_forward_of_a_subclass_and_of_its_parent():
    class Shift(Bijection):
        def forward(self, x):
            return x + 1, ops.zeros_like(x[:, 0])

    class Twice(Shift):
        def forward(self, x):
            x, first = super().forward(x)
            x, second = super().forward(x)
            return x, first + second

    class Heir(Twice):
        pass

    x = data(2, 3, dtype="float32")
    for cls, shift in ((Shift, 1), (Twice, 2), (Heir, 2)):
        np.testing.assert_allclose(numpy(cls()(x)[0]), x + shift, rtol=1e-6)
        np.testing.assert_allclose(numpy(cls().forward(x)[0]), x + shift, rtol=1e-6)
    np.testing.assert_array_equal(numpy(Reverse().forward(ops.convert_to_tensor(x))[0]), x[:, ::-1])
    with pytest.raises(NotImplementedError, match="inverse"):
        Heir()(x, inverse=True)


def test_a_layer_of_ones_own():
    class Shift(Bijection):
        def forward(self, x):
            return x + 1, ops.zeros_like(x[:, 0])

        def inverse(self, z):
            return z - 1, ops.zeros_like(z[:, 0])

    x = data(2, 3, dtype="float32")
    np.testing.assert_allclose(numpy(Flow([Shift(), Scale()])(x)[0]), x + 1)
