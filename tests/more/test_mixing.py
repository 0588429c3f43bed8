"""more/mixing.py against a loop over samples, gaps that can be integrated, and least squares."""

import keras
import numpy as np
import pytest

from more import mixing
from more.mixing import PairMixing, linearity_gap


def data(n=12, classes=3):
    """Samples that say their own number in both coordinates, and one-hot classes."""
    x = np.repeat(np.arange(n, dtype="float32")[:, None], 2, axis=1)
    return x, np.eye(classes)[np.arange(n) % classes]


def test_mixup_mixes_samples_and_labels_in_one_ratio():
    """x has the number of the sample as a target of its own: what is mixed has to agree."""
    x, _ = data()
    for index in range(3):
        mixed_x, mixed_y = PairMixing(x, x.astype("float64"), 4, alpha=0.5)[index]
        assert mixed_x.shape == mixed_y.shape == (4, 2)
        np.testing.assert_allclose(mixed_x, mixed_y, rtol=1e-6)
    assert (mixed_x % 1 > 0).any()


def test_sample_pairing_keeps_the_label_of_the_first():
    x, y = data()
    unmixed, labels = PairMixing(x, y, 12, "sample_pairing", mixes=mixing.never(1))[0]
    paired, same = PairMixing(x, y, 12, "sample_pairing")[0]
    np.testing.assert_array_equal(labels, same)
    partner = 2 * paired - unmixed
    assert set(partner[:, 0]) <= set(x[:, 0]) and (partner != unmixed).any()


def test_an_epoch_has_each_sample_once_and_the_next_one_another_order():
    x, y = data(10)
    batches, orders = PairMixing(x, y, 4, mixes=mixing.never(2)), []
    assert len(batches) == 3
    for _ in range(2):
        orders.append(np.concatenate([batches[i][0][:, 0] for i in range(3)]))
        batches.on_epoch_end()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert list(orders[0]) != list(orders[1])


def test_ratios_are_beta_distributed():
    """A sample of 1 is its ratio where its partner is 0, which half of them are: E ε = ½ and
    Var ε = 1/(4(2α + 1))."""
    x = np.concatenate([np.ones((20_000, 1)), np.zeros((20_000, 1))])
    for alpha in (0.2, 1.0):
        first = PairMixing(x, x, 40_000, alpha=alpha, mixes=mixing.never(1))[0][0][:, 0] == 1
        found = PairMixing(x, x, 40_000, alpha=alpha)[0][0][first, 0]
        assert found.mean() == pytest.approx(0.5 + 0.5 * 0.5, abs=0.01)
        square = 1 / (4 * (2 * alpha + 1)) + 0.25
        assert np.square(found).mean() == pytest.approx(0.5 + 0.5 * square, abs=0.01)


def test_fit_counts_epochs_and_its_schedule_sees_them():
    x, y = data()
    seen = []

    def mixes(epoch):
        seen.append(epoch)
        return True

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    model.fit(PairMixing(x, y, 6, mixes=mixes), epochs=3, verbose=0)
    assert sorted(set(seen)) in ([0, 1, 2], [0, 1, 2, 3])
    assert [seen.count(epoch) for epoch in range(3)] == pytest.approx([2, 2, 2], abs=1)


def test_the_schedule_of_the_paper():
    mixes = mixing.paper_schedule(20)
    on = [epoch for epoch in range(20) if mixes(epoch)]
    assert on == [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15]


def test_the_gap_of_a_linear_function_is_none_and_of_a_square_its_integral():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3)).astype("float32")
    matrix = rng.normal(size=(3, 2)).astype("float32")
    gap, size = linearity_gap(lambda x: x @ matrix + 1, x)
    assert gap < 1e-10 and size > 0.1
    # x² lies ε(1−ε)(a − b)² below the chord: of 0 and 1 that is E ε²(1−ε)² / 2 = 1/60
    bits = (np.arange(2000) % 2)[:, None].astype("float32")
    gap, size = linearity_gap(np.square, bits, pairs=200_000)
    assert gap == pytest.approx(1 / 60, rel=0.02) and size == pytest.approx(1 / 2, rel=0.02)
    # a step in the middle has 1/12 of E‖f(a) − f(b)‖²
    gap, size = linearity_gap(lambda x: (x > 0.5).astype("float32"), bits, pairs=200_000)
    assert gap / size == pytest.approx(1 / 12, rel=0.02)


def test_a_linear_model_with_squared_error_gains_nothing_from_mixup():
    """Its best weights on very many mixed samples are those of least squares on the samples themselves."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(40, 3)), 5000, axis=0)
    y = x @ np.array([[1.0], [-2.0], [0.5]]) + np.repeat(rng.normal(size=(40, 1)), 5000, axis=0)
    weights = []
    for mixes in (mixing.never(1), mixing.always(1)):
        a, b = PairMixing(x, y, len(x), mixes=mixes)[0]
        weights.append(np.linalg.lstsq(np.c_[a, np.ones(len(a))].astype("float64"), b, rcond=None)[0])
    np.testing.assert_allclose(weights[0], weights[1], atol=0.02)


@pytest.mark.parametrize("settings, message", [
    ({"kind": "cutmix"}, "kind expects"), ({"alpha": 0}, "alpha expects"),
    ({"y": np.arange(12)}, "one-hot"), ({"y": np.zeros((3, 2))}, "as many rows")])
def test_what_cannot_be_mixed_is_refused(settings, message):
    x, y = data()
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        PairMixing(**{"x": x, "y": y, "batch_size": 4} | settings)


def test_the_network_is_that_of_its_widths():
    model = mixing.build_resnet((28, 28, 1), 4, (8, 16))
    assert model(np.zeros((2, 28, 28, 1), "uint8")).shape == (2, 4)
