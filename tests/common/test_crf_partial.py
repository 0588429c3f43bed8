"""What common/crf.py has beyond one path a sentence: sets of possible tags, the k best paths in a graph, the
mean over steps, tags alone, and the weights of pytorch-crf. The oracle is the enumeration of all paths."""

import itertools
import pathlib
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from common.crf import CRF, CRFLoss, KBest, TagAccuracy, crf_loss, k_best, partial_crf_loss
from tests.common.helpers import assert_nan_or_refused, numpy
from tests.common.test_crf import BMES, all_paths, make
from tests.common.test_crf_contract import layer_of, loss_of, refused, tagger

README = pathlib.Path(__file__).resolve().parents[2] / "crf/README.md"


def sets(mask, y, tags, seed=0, share=0.4):
    """Possible tags at each step, (batch, T, K), of which y is one; all zero where nothing is real."""
    possible = np.random.default_rng(seed).random((*y.shape, tags)) < share
    possible |= np.eye(tags, dtype=bool)[y]
    return (possible & mask[..., None]).astype("int32")


def exact_partial_loss(layer, h, possible):
    """−log of the share of e^score that paths within the sets have; one sentence without padding."""
    scores = all_paths(layer, h, len(h))
    inside = [score for path, score in scores.items() if possible[np.arange(len(path)), path].all()]
    return np.logaddexp.reduce(list(scores.values())) - np.logaddexp.reduce(inside)


@pytest.mark.parametrize("constraints", [None, BMES])
@pytest.mark.parametrize("padding", ["right", "left", "holes"])
def test_partial_loss_against_the_enumeration_of_paths_within_the_sets(padding, constraints):
    layer, h, mask, y = make(5, 5, 4, constraints=constraints, padding=padding)
    y = np.where(mask, numpy(layer(h, mask=mask)[0]), 0)               # allowed paths, so that some agree
    possible = sets(mask, y, 4)
    losses = numpy(partial_crf_loss(possible, layer(h, mask=mask)[1]))
    for b, real in enumerate(mask):
        expected = exact_partial_loss(layer, h[b, real], possible[b, real]) if real.any() else 0.0
        assert losses[b] == pytest.approx(expected, abs=2e-5)


def test_partial_loss_of_known_and_unknown_tags():
    layer, h, mask, y = make(4, 5, 4, padding="holes")
    mask[:, 0] = True
    _, potentials = layer(h, mask=mask)
    everything = numpy(partial_crf_loss(y, potentials))
    np.testing.assert_allclose(everything, numpy(crf_loss(y, potentials)), rtol=1e-5)
    nothing = numpy(partial_crf_loss(np.full(y.shape, -1), potentials))
    np.testing.assert_allclose(nothing, 0, atol=1e-5)
    some = np.where(np.arange(5) % 2, y, -1)
    as_sets = np.where((some == -1)[..., None], 1, np.eye(4)[y])
    expected = numpy(partial_crf_loss(as_sets, potentials))
    for targets in (some, some[..., None], some.astype("float32")):
        np.testing.assert_allclose(numpy(partial_crf_loss(targets, potentials)), expected, rtol=1e-5)
    for kind in ("bool", "float32", "uint8"):
        found = numpy(partial_crf_loss(as_sets.astype(kind), potentials))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_partial_targets_that_say_nothing_are_refused_and_nan_in_a_graph():
    layer, h, mask, y = make(3, 5, 4)
    mask[:] = True
    _, potentials = layer(h, mask=mask)
    empty, fraction = np.eye(4)[y], np.eye(4)[y]
    empty[1, 2], fraction[1, 2] = 0, 0.5
    beyond, below, half = y.copy(), y.copy(), y.astype("float32")
    beyond[1, 2], below[1, 2], half[1, 2] = 4, -2, 1.5
    for targets in (empty, fraction, beyond, below, half):
        refused(lambda targets=targets: partial_crf_loss(targets, potentials), "y_true[1, 2]=")
        model = tagger(loss=CRFLoss(partial=True), metrics=False)
        assert_nan_or_refused(loss_of, model, [h, mask], targets)
    refused(lambda: partial_crf_loss(y, h[0]), "potentials.shape=")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the other backends know all ranks")
def test_targets_of_unknown_rank_are_refused():
    import tensorflow as tf

    signature = [tf.TensorSpec(None, "int32"), tf.TensorSpec((None, 9, 5), "float32")]
    for loss in (crf_loss, partial_crf_loss):
        graph = tf.function(loss, input_signature=signature)
        refused(graph.get_concrete_function, "one rank")


def test_where_no_allowed_path_agrees_the_partial_loss_is_no_small_number():
    layer, h, mask, _ = make(2, 3, 4, constraints=BMES)
    mask[:] = True
    begin_begin = np.array([[0, 0, -1]] * 2)                            # B is never followed by B
    assert (numpy(partial_crf_loss(begin_begin, layer(h, mask=mask)[1])) > 5e8).all()


def test_partial_labels_train_and_their_paths_become_likely():
    """Every other tag is unknown; the tags repeat 0 1 2 3, which the transitions can learn from pairs of
    sentences that hide different steps."""
    y = np.tile(np.arange(8) % 4, (16, 1))
    known = np.where((np.arange(8) // 2 + np.arange(16)[:, None]) % 2, y, -1)
    h, mask = np.zeros((16, 8, 4), "float32"), np.ones((16, 8), bool)
    keras.utils.set_random_seed(0)
    model = tagger(loss=CRFLoss(partial=True), metrics=False)
    model.optimizer.learning_rate = 0.5
    losses = model.fit([h, mask], known, epochs=40, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4
    np.testing.assert_array_equal(model.predict([h, mask], verbose=0)[0], y)


def test_the_gradient_of_the_partial_loss_is_the_difference_of_two_expectations():
    """By h: p(y_t) less p(y_t | within the sets); here by central differences in float64 over all paths."""
    layer, h, mask, y = make(2, 4, 3)
    mask[:] = True
    possible = sets(mask, y, 3)
    difference, expected = 1e-4, np.zeros(h.shape)
    for place in itertools.product(*map(range, h.shape)):
        moved = []
        for sign in (1, -1):
            there = h.astype("float64")
            there[place] += sign * difference
            moved.append(exact_partial_loss(layer, there[place[0]], possible[place[0]]))
        expected[place] = (moved[0] - moved[1]) / (2 * difference)
    found = gradient_by_emissions(layer, h, mask, lambda p: partial_crf_loss(possible, p))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def gradient_by_emissions(layer, h, mask, loss):
    """Of the sum of a function of the potentials, in the backend's own way."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        h = tf.constant(h)
        with tf.GradientTape() as tape:
            tape.watch(h)
            total = tf.reduce_sum(loss(layer.potentials(h, mask)))
        return numpy(tape.gradient(total, h))
    if keras.backend.backend() == "jax":
        import jax

        return numpy(jax.grad(lambda h: ops.sum(loss(layer.potentials(h, mask))))(ops.convert_to_tensor(h)))
    h = ops.convert_to_tensor(h).requires_grad_()
    ops.sum(loss(layer.potentials(h, mask))).backward()
    return numpy(h.grad)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the other backends know all sizes")
def test_unknown_sizes_in_graphs():
    """As tf.data has them, whose batches differ in length: the values are the eager ones, and nothing is
    broadcast."""
    import tensorflow as tf

    layer, h, mask, y = make(4, 5, 3, padding="holes")
    potentials, possible = layer(h, mask=mask)[1], sets(mask, y, 3)
    spec = tf.TensorSpec((None, None, 4), "float32")

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), "int32"), spec])
    def partial(sets_of_tags, potentials):
        return partial_crf_loss(sets_of_tags, potentials)

    expected = numpy(partial_crf_loss(possible, potentials))
    np.testing.assert_allclose(numpy(partial(possible, potentials)), expected, rtol=1e-5, atol=1e-6)
    for wrong in (possible[:, :1], possible[:1]):
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
            partial(wrong, potentials)
    best = tf.function(lambda potentials: k_best(potentials, 4), input_signature=[spec])
    for found, exact in zip(best(potentials), k_best(potentials, 4)):
        np.testing.assert_allclose(numpy(found), numpy(exact), rtol=1e-5, atol=1e-6)
    too_few = tf.function(crf_loss, input_signature=[tf.TensorSpec((None, None, 2), "int32"), spec])
    refused(too_few.get_concrete_function, "one-hot tags (batch, time, 3)")

    @tf.function(input_signature=[tf.TensorSpec((None, None), "int32"), spec])
    def second(y, potentials):
        with tf.GradientTape() as outer:
            outer.watch(potentials)
            with tf.GradientTape() as inner:
                inner.watch(potentials)
                loss = tf.reduce_sum(crf_loss(y, potentials))
            penalty = tf.reduce_sum(inner.gradient(loss, potentials) ** 2)
        return outer.gradient(penalty, potentials)

    gradient = numpy(second(np.where(mask, y, 0).astype("int32"), potentials))
    assert np.isfinite(gradient).all() and gradient.any()


def test_emissions_and_nan_are_no_good_looking_paths():
    layer, h, mask, _ = make(2, 4, 3)
    refused(lambda: k_best(h, 2), "second output of CRF")
    refused(lambda: k_best(h[0], 2), "potentials.shape=(4, 3)")
    emissions = keras.Input((None, 3))
    refused_or_nan = keras.Model(emissions, KBest(2)(emissions))
    try:
        assert np.isnan(refused_or_nan.predict(h, verbose=0)[1]).all()
    except ValueError as error:                                       # PyTorch computes without a graph
        assert "second output of CRF" in str(error)
    h[0, 1] = np.nan
    mask[:] = True
    log_p = numpy(k_best(layer(h, mask=mask)[1], 2)[1])
    assert np.isnan(log_p[0]).all() and np.isfinite(log_p[1]).all()


@pytest.mark.parametrize("wrong", [-2 ** 63, 2 ** 32, 2 ** 32 + 1])
def test_numbers_beyond_int32_are_no_tags(wrong):
    _, h, mask, y = make(2, 4, 3)
    mask[:] = True
    y = y.astype("int64")
    y[1, 2] = wrong
    if keras.backend.backend() != "jax":                              # which has no int64 unless asked for
        refused(lambda: crf_loss(y, CRF(3)(h)[1]), f"tags[1, 2]={wrong}")
    refused(lambda: TagAccuracy().update_state(y, np.zeros((2, 4), "int32")), f"tags[1, 2]={wrong}")


# The mean over steps


@pytest.mark.parametrize("weight", [None, [0.0, 1.0, 2.0, 0.5], [[0.0], [1.0], [2.0], [0.5]]])
def test_token_mean_is_the_sum_of_losses_by_the_sum_of_real_steps(weight):
    _, h, mask, y = make(4, 6, 4, padding="holes")
    mask[1:, 0], mask[3] = True, False
    y = np.where(mask, y, 0)
    model = tagger(loss=CRFLoss(reduction="token_mean"), metrics=False)
    losses = numpy(crf_loss(y, layer_of(model)(h, mask=mask)[1]))
    w = np.ones(4) if weight is None else np.reshape(weight, -1)
    expected = (w * losses).sum() / (w * mask.sum(axis=1)).sum()
    weight = None if weight is None else np.array(weight)
    potentials = layer_of(model)(h, mask=mask)[1]
    assert float(CRFLoss(reduction="token_mean")(y, potentials, weight)) == pytest.approx(expected, rel=1e-5)
    found = model.train_on_batch([h, mask], y, sample_weight=weight, return_dict=True)
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-5)


def test_the_class_keeps_its_options():
    loss = CRFLoss(partial=True, reduction="token_mean")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config()
    assert again.get_config() == {"name": "crf_loss", "reduction": "token_mean", "partial": True,
                                  "dtype": "float32"}
    refused(lambda: CRFLoss("tokens"), "token_mean", "reduction='tokens'")
    refused(lambda: CRFLoss("sum", "none"), "partial='none'")
    assert CRFLoss("sum").reduction == "sum" and not CRFLoss("sum").partial


# The k best paths


@pytest.mark.parametrize("k", [1, 3, 20])
def test_the_k_best_paths_in_a_model_are_those_of_the_enumeration(k, tmp_path):
    layer, h, mask, _ = make(5, 4, 3, padding="holes")
    emissions, real = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
    paths, log_p = KBest(k)(CRF(3, name="crf")(emissions, mask=real)[1])
    model = keras.Model([emissions, real], [paths, log_p])
    assert paths.shape == (None, k, None) and log_p.shape == (None, k)
    model.get_layer("crf").set_weights(layer.get_weights())
    paths, log_p = model.predict([h, mask], verbose=0)
    for b, steps in enumerate(mask):
        if not steps.any():
            assert log_p[b, 0] == 0 and np.isneginf(log_p[b, 1:]).all() and not paths[b].any()
            continue
        scores = all_paths(layer, h[b, steps], steps.sum())
        best = sorted(scores, key=scores.get, reverse=True)[:k]
        log_z = np.logaddexp.reduce(list(scores.values()))
        assert [tuple(path[steps]) for path in paths[b, :len(best)]] == best
        np.testing.assert_allclose(log_p[b, :len(best)], [scores[path] - log_z for path in best], atol=1e-5)
        assert np.isneginf(log_p[b, len(best):]).all() and not paths[b, len(best):].any()
        assert not paths[b][:, ~steps].any()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict([h, mask], verbose=0)[0], paths)


def test_the_gradient_of_the_best_paths_probability_is_that_of_minus_its_loss():
    layer, h, mask, _ = make(3, 4, 3)
    mask[:] = True
    best = numpy(layer(h, mask=mask)[0])
    of_best = gradient_by_emissions(layer, h, mask, lambda p: k_best(p, 2)[1][:, 0])
    of_loss = gradient_by_emissions(layer, h, mask, lambda p: crf_loss(best, p))
    np.testing.assert_allclose(of_best, -of_loss, atol=1e-5)


def test_numbers_of_paths_that_are_none_are_refused():
    potentials = CRF(3)(np.zeros((1, 2, 3), "float32"))[1]
    for k in (0, -1, 1.5, "2", True, None):
        refused(lambda k=k: KBest(k), f"k={k!r}")
        refused(lambda k=k: k_best(potentials, k), f"k={k!r}")


# Tags alone


def test_a_model_of_the_tags_alone_shares_the_weights_and_puts_out_the_same_tags(tmp_path):
    _, h, mask, y = make(6, 5, 4)
    model = tagger()
    tags_alone = keras.Model(model.inputs, model.outputs[0])
    model.fit([h, mask], np.where(mask, y, 0), verbose=0)
    expected = model.predict([h, mask], verbose=0)[0]
    np.testing.assert_array_equal(tags_alone.predict([h, mask], verbose=0), expected)
    tags_alone.save(tmp_path / "tags.keras")
    loaded = keras.models.load_model(tmp_path / "tags.keras")
    np.testing.assert_array_equal(loaded.predict([h, mask], verbose=0), expected)


# Weights of pytorch-crf


def recipe():
    """The code in crf/README.md that takes the weights of pytorch-crf over."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    [block] = [block for block in blocks if "start_transitions" in block]
    return block


class Parameter:
    """A parameter of PyTorch, as far as the recipe uses one."""

    def __init__(self, value):
        self.value = value

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.value


def test_the_recipe_for_weights_of_pytorch_crf():
    """pytorch-crf: score = start[y₀] + Σ emissions + Σ transitions[y_t, y_t+1] + end[y_last]."""
    rng = np.random.default_rng(0)
    shapes = {"transitions": (4, 4), "start_transitions": 4, "end_transitions": 4}
    state = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    parameters = {name: Parameter(value) for name, value in state.items()}
    names = {"theirs": SimpleNamespace(num_tags=4, **parameters), "CRF": CRF}
    exec(recipe(), names)
    h = rng.normal(size=(1, 3, 4)).astype("float32")
    scores = {}
    for path in itertools.product(range(4), repeat=3):
        score = state["start_transitions"][path[0]] + state["end_transitions"][path[-1]]
        score += sum(state["transitions"][pair] for pair in itertools.pairwise(path))
        scores[path] = score + h[0, np.arange(3), path].sum()
    log_z = np.logaddexp.reduce(list(scores.values()))
    tags, potentials = names["layer"](h)
    assert tuple(numpy(tags)[0]) == max(scores, key=scores.get)
    for path in [(0, 1, 2), (3, 3, 0)]:
        loss = float(crf_loss(np.array([path]), potentials)[0])
        assert loss == pytest.approx(log_z - scores[path], abs=1e-5)


def test_pytorch_crf_itself_beside_the_recipe():
    torch, torchcrf = pytest.importorskip("torch"), pytest.importorskip("torchcrf")
    torch.manual_seed(0)
    theirs = torchcrf.CRF(5, batch_first=True)
    names = {"theirs": theirs, "CRF": CRF}
    exec(recipe(), names)
    rng = np.random.default_rng(1)
    h, y = rng.normal(size=(4, 7, 5)).astype("float32"), rng.integers(0, 5, (4, 7))
    mask = np.arange(7) < np.array([7, 5, 2, 1])[:, None]
    tags, potentials = names["layer"](h, mask=mask)
    tensors = torch.tensor(h), torch.tensor(y), torch.tensor(mask)
    expected = -theirs(*tensors, reduction="none").detach().numpy()
    np.testing.assert_allclose(numpy(crf_loss(y, potentials)), expected, rtol=1e-4)
    mean = -theirs(*tensors, reduction="token_mean").item()
    assert float(CRFLoss(reduction="token_mean")(y, potentials)) == pytest.approx(mean, rel=1e-4)
    for b, path in enumerate(theirs.decode(tensors[0], tensors[2])):
        assert numpy(tags)[b, mask[b]].tolist() == path
