"""more/infomax.py against a divergence that can be summed up, loops over samples, and the article's sizes."""

import keras
import numpy as np
import pytest
from keras import ops

from more import infomax
from more.infomax import MutualInformation, build_discriminator

RNG = np.random.default_rng(0)
LOG_2 = np.log(2)


class Exact(keras.layers.Layer):
    """T = log p(a, z)/p(a)p(z) of numbers of states, whose joint distribution is known."""

    def __init__(self, joint, **kwargs):
        super().__init__(**kwargs)
        product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
        self.table = np.log(joint / product).astype("float32")

    def call(self, inputs):
        rows = ops.cast(inputs, "int32")
        flat = rows[..., :1] * self.table.shape[1] + rows[..., 1:]
        return ops.take(ops.convert_to_tensor(self.table.ravel()), flat)


def js(p, q):
    """The Jensen-Shannon divergence in nats, term by term."""
    m = (p + q) / 2
    return 0.5 * (p * np.log(p / m)).sum() + 0.5 * (q * np.log(q / m)).sum()


def test_the_best_discriminator_gives_js_of_joint_and_product():
    joint = np.array([[0.3, 0.05, 0.05], [0.1, 0.2, 0.3]])
    expected = js(joint, np.outer(joint.sum(axis=1), joint.sum(axis=0)))
    states = RNG.choice(6, size=200_000, p=joint.ravel())
    a, z = np.divmod(states, 3)
    layer = MutualInformation(Exact(joint), weight=2.0)
    found = ops.convert_to_numpy(layer([a[:, None].astype("float32"), z[:, None].astype("float32")]))
    assert found.mean() == pytest.approx(expected, abs=0.003)
    # and the loss is what (12) has without the constant: its maximum is 2 JS − 2 log 2, not JS
    assert float(layer.losses[0]) / 2 == pytest.approx(2 * LOG_2 - 2 * expected, abs=0.006)


def test_a_discriminator_that_is_trained_comes_near_and_stays_below():
    joint = np.array([[0.4, 0.1], [0.1, 0.4]])
    expected = js(joint, np.full((2, 2), 0.25))
    states = RNG.choice(4, size=40_000, p=joint.ravel())
    a, z = (part[:, None].astype("float32") for part in np.divmod(states, 2))
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((1,)), keras.Input((1,))]
    model = keras.Model(inputs, MutualInformation(build_discriminator(16))(inputs))
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 240)), jit_compile=True)
    model.fit([a, z], batch_size=500, epochs=3, verbose=0)
    found = model.predict([a, z], batch_size=500, verbose=0).mean()
    assert found == pytest.approx(expected, abs=0.01)


def test_of_independent_pairs_there_is_nothing_to_know_and_of_equal_ones_all():
    zero = keras.layers.Dense(1, kernel_initializer="zeros")
    a = RNG.normal(size=(10, 3)).astype("float32")
    layer = MutualInformation(zero)
    np.testing.assert_allclose(ops.convert_to_numpy(layer([a, a])), 0, atol=1e-6)
    assert float(layer.losses[0]) == pytest.approx(2 * LOG_2, rel=1e-6)          # 1.386
    identity = np.eye(20) * 0.9999 / 20 + 0.0001 / 400
    numbers = np.arange(20, dtype="float32")[:, None]
    found = ops.convert_to_numpy(MutualInformation(Exact(identity))([numbers, numbers]))
    # T = log 20 for a pair, and strangers are never taken for one
    assert found.mean() == pytest.approx(LOG_2 - np.log1p(1 / 20) / 2, abs=1e-3)


def test_pairs_of_a_map_against_a_loop():
    """Each place of the map with its own z, and with the z of the next sample."""
    discriminator = keras.Sequential([keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
    a, z = RNG.normal(size=(5, 2, 3, 4)).astype("float32"), RNG.normal(size=(5, 2)).astype("float32")
    layer = MutualInformation(discriminator, 1.5)
    found = ops.convert_to_numpy(layer([a, z]))

    def t(i, row, column, j):
        pair = np.concatenate([a[i, row, column], z[j]])[None, None, None]
        return float(ops.convert_to_numpy(discriminator(pair))[0, 0, 0, 0])

    terms = []
    for j in range(5):
        places = [np.log1p(np.exp(-t(j, row, column, j))) + np.log1p(np.exp(t(j - 1, row, column, j)))
                  for row in range(2) for column in range(3)]
        terms.append(np.mean(places))
    np.testing.assert_allclose(found, LOG_2 - np.array(terms) / 2, rtol=1e-4, atol=1e-6)
    assert float(layer.losses[0]) == pytest.approx(1.5 * np.mean(terms), rel=1e-5)


def test_nobody_is_their_own_stranger():
    """A discriminator that says "the same" of equal rows is never wrong; with a shuffle it would be, once a
    batch on average."""
    class Same(keras.layers.Layer):
        def call(self, inputs):
            return 40.0 * ops.cast(inputs[..., :1] == inputs[..., 1:], "float32") - 20.0

    for size in (2, 3, 64):
        numbers = RNG.permutation(size).astype("float32")[:, None]
        layer = MutualInformation(Same())
        layer([numbers, numbers])
        assert float(layer.losses[0]) < 1e-6


def test_one_sample_has_no_strangers_and_no_loss():
    layer = MutualInformation(build_discriminator(4))
    found = layer([np.ones((1, 2), "float32"), np.ones((1, 2), "float32")])
    assert float(layer.losses[0]) == 0 and found.shape == (1,)


@pytest.mark.parametrize("shapes", [[(3, 2)], [(3, 4, 2), (3, 2)], [(3, 2), (3, 4, 4, 2)]])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="inputs expects.*Received: shapes="):
        MutualInformation(build_discriminator(4))([np.zeros(shape, "float32") for shape in shapes])
    with pytest.raises(ValueError, match="weight expects.*Received: weight=-1"):
        MutualInformation(build_discriminator(4), weight=-1)


def test_parameters_are_those_of_the_articles_networks():
    encoder = infomax.build_encoder()
    assert encoder.count_params() == 1_686_400
    assert [tuple(output.shape[1:]) for output in encoder.outputs] == [(256,), (256,), (4, 4, 256)]
    model = infomax.build_infomax(encoder)
    terms = [layer for layer in model.layers if isinstance(layer, MutualInformation)]
    assert [term.count_params() for term in terms] == [263_169, 263_169]


def test_the_loss_has_the_mean_of_the_kl_over_dimensions():
    encoder = infomax.build_encoder((16, 16, 3), 4, 8)
    x = RNG.random((6, 16, 16, 3)).astype("float32") - 0.5
    model = infomax.build_infomax(encoder, (0.5, 0.0, 0.3), width=8)
    model(x)
    mean, log_var, _ = map(ops.convert_to_numpy, encoder(x))
    kl = 0.5 * (mean ** 2 + np.exp(log_var) - log_var - 1).mean(axis=1)
    assert min(abs(float(loss) / (0.3 * kl.mean()) - 1) for loss in model.losses) < 1e-4


@pytest.mark.parametrize("term, size", [("code", 16), ("text", 2 * 2 * 16 + 8)])
def test_the_text_has_the_image_in_the_global_term(term, size):
    encoder = infomax.build_encoder((16, 16, 3), 4, 8)
    model = infomax.build_infomax(encoder, (0.5, 1.5, 0.01), term, width=8)
    assert model.get_layer("global").discriminator.layers[0].kernel.shape[0] == size
    assert set(model(np.zeros((4, 16, 16, 3), "float32"))) == {"global", "local"}


def test_neighbours_and_votes_against_loops():
    data, queries = RNG.normal(size=(40, 3)) + 5, RNG.normal(size=(6, 3)) + 5
    found = infomax.neighbours(queries, data, 4)
    centre = data.mean(axis=0)
    by_angle = infomax.neighbours(queries, data, 4, "cosine")
    for query, row, angles in zip(queries, found, by_angle):
        np.testing.assert_array_equal(row, np.linalg.norm(data - query, axis=1).argsort()[:4])
        a, b = data - centre, query - centre
        cosine = a @ b / np.linalg.norm(a, axis=1) / np.linalg.norm(b)
        np.testing.assert_array_equal(angles, (-cosine).argsort()[:4])
    labels = np.array([2, 0, 1, 1, 0, 2])
    rows = np.array([[0, 1, 2, 3], [1, 2, 3, 4], [0, 1, 2, 5]])
    np.testing.assert_array_equal(infomax.voted(rows, labels), [1, 0, 2])


def test_the_probe_finds_what_is_linear():
    x = RNG.normal(size=(600, 5)).astype("float32")
    weights = RNG.normal(size=(5, 3))
    y = (x @ weights).argmax(axis=1)
    assert (infomax.linear_probe(x[:500], y[:500], x[500:]) == y[500:]).mean() > 0.85
    shuffled = RNG.permutation(y)
    assert (infomax.linear_probe(x[:500], shuffled[:500], x[500:]) == shuffled[500:]).mean() < 0.6


def test_principal_components_keep_the_largest_variances():
    x = (RNG.normal(size=(200, 4)) * [3, 1, 0.1, 5]).astype("float32")
    found, _ = infomax.principal(x, x[:3], 2)
    expected = np.sort(np.linalg.eigvalsh(np.cov(x, rowvar=False)))[::-1][:2]
    np.testing.assert_allclose(found.var(axis=0, ddof=1), expected, rtol=1e-4)


def test_what_saves_loads(tmp_path):
    inputs = [keras.Input((3,)), keras.Input((2,))]
    model = keras.Model(inputs, MutualInformation(build_discriminator(4), 0.5)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    values = [RNG.normal(size=(4, size)).astype("float32") for size in (3, 2)]
    np.testing.assert_allclose(loaded.predict(values, verbose=0), model.predict(values, verbose=0), rtol=1e-6)
