"""common/crf.py in the ways that people use it: targets, masks, weights, sizes and types of all kinds. What
it computes is held against the enumeration of all paths; what it cannot compute is refused or NaN."""

import itertools
import re

import keras
import numpy as np
import pytest
from keras import ops

from common.crf import (
    CRF,
    FORBIDDEN,
    CRFLoss,
    TagAccuracy,
    crf_loss,
    k_best,
    log_partition,
    marginals,
    path_score,
    tag_constraints,
    viterbi,
)
from tests.common.helpers import COMPILED_CRF, assert_nan_or_refused, load_elsewhere, numpy, run_elsewhere
from tests.common.test_crf import BMES, all_paths, forward_backward, loss_and_gradients, make, weights

TENSORFLOW = keras.backend.backend() == "tensorflow"


def tagger(tags=4, constraints=None, loss=crf_loss, jit_compile="auto", metrics=True):
    """Emissions and a mask → tags and potentials, with sizes that are known only when it runs."""
    emissions, mask = keras.Input((None, tags)), keras.Input((None,), dtype="bool")
    model = keras.Model([emissions, mask], CRF(tags, constraints)(emissions, mask=mask))
    measured = [TagAccuracy(), None] if metrics else None
    model.compile("sgd", loss=[None, loss], metrics=measured, jit_compile=jit_compile)
    return model


def refused(call, *messages):
    """The call raises a ValueError that ends in what was received."""
    with pytest.raises(ValueError) as error:
        call()
    text = str(error.value)
    assert re.search(r"Received: .*=", text), text
    for message in messages:
        assert message in text


def measured(model, inputs, y):
    """The loss and the metrics of a compiled model."""
    return list(model.evaluate(inputs, y, verbose=0, return_dict=True).values())


def loss_of(model, inputs, y):
    return model.evaluate(inputs, y, verbose=0, return_dict=True)["loss"]


def layer_of(model):
    return next(layer for layer in model.layers if isinstance(layer, CRF))


def exact_losses(layer, h, mask, y):
    """−log p of each sentence by forward_backward in float64."""
    transitions, start, end = weights(layer)
    losses = []
    for b, real in enumerate(mask):
        gold, emissions = y[b, real], h[b, real].astype("float64")
        score = start[gold[0]] + end[gold[-1]] + transitions[gold[:-1], gold[1:]].sum()
        score += emissions[np.arange(len(gold)), gold].sum()
        losses.append(forward_backward(emissions, transitions, start, end)[0] - score)
    return np.array(losses)


# Targets


KINDS = {
    "(n, t)": lambda y: y,
    "(n, t, 1)": lambda y: y[..., None],
    "one-hot": lambda y: np.eye(4)[y],
    "float": lambda y: y.astype("float32"),
    "int64": lambda y: y.astype("int64"),
    "uint8": lambda y: y.astype("uint8"),
    "boolean one-hot": lambda y: np.eye(4)[y] > 0,
}


@pytest.mark.parametrize("kind", KINDS)
def test_targets_of_every_usual_shape_count_as_the_tags_they_are(kind):
    layer, h, mask, y = make(3, 5, 4, padding="holes")
    mask[:, 0] = True
    target = KINDS[kind](y)
    tags, potentials = layer(h, mask=mask)
    losses = numpy(crf_loss(target, potentials))
    np.testing.assert_allclose(losses, exact_losses(layer, h, mask, y), rtol=1e-5)
    metric = TagAccuracy()
    metric.update_state(target, tags)
    assert float(metric.result()) == pytest.approx(np.mean((numpy(tags) == y)[mask]))


@pytest.mark.parametrize("kind", ["(n, t)", "(n, t, 1)", "one-hot"])
def test_targets_of_every_usual_shape_train_alike(kind):
    _, h, mask, y = make(6, 5, 4)
    mask[:, 0] = True
    keras.utils.set_random_seed(0)
    model = tagger()
    expected = exact_losses(layer_of(model), h, mask, y).mean()
    tags = model.predict_on_batch([h, mask])[0]
    right = np.mean((tags == y)[mask])
    found = model.evaluate([h, mask], KINDS[kind](y), batch_size=6, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    [name] = [name for name in found if name.endswith("accuracy")]
    assert found[name] == pytest.approx(right)


Y = np.zeros((3, 5), "int32")
WRONG_TARGETS = {
    "one step": Y[:, :1],
    "one step, rank 3": Y[:, :1, None],
    "more steps": np.zeros((3, 6), "int32"),
    "another batch": np.zeros((2, 5), "int32"),
    "a class more": np.eye(5)[Y],
    "a class less": np.eye(3)[Y],
    "rank 1": Y[:, 0],
    "rank 4": Y[..., None, None],
}


@pytest.mark.parametrize("kind", WRONG_TARGETS)
def test_other_targets_are_refused(kind):
    potentials = CRF(4)(np.zeros((3, 5, 4), "float32"))[1]
    refused(lambda: crf_loss(WRONG_TARGETS[kind], potentials), "y_true expects", "y_true.shape=(")


@pytest.mark.parametrize("kind", [kind for kind in WRONG_TARGETS if "class" not in kind])
def test_the_accuracy_refuses_other_targets(kind):
    tags = np.zeros((3, 5), "int32")
    refused(lambda: TagAccuracy().update_state(WRONG_TARGETS[kind], tags), "y_true.shape=(")
    refused(lambda: TagAccuracy().update_state(Y, np.zeros((3, 9, 5), "float32")), "first output")
    refused(lambda: crf_loss(Y, tags), "second output")


@pytest.mark.parametrize("kind", [
    "one step", "one step, rank 3", "more steps", "a class more", "a class less"])
def test_other_targets_are_refused_by_a_compiled_graph(kind):
    model, h, mask = tagger(), np.zeros((3, 5, 4), "float32"), np.ones((3, 5), bool)
    refused(lambda: model.train_on_batch([h, mask], WRONG_TARGETS[kind]), "y_true.shape=(")


@pytest.mark.skipif(not TENSORFLOW, reason="the other backends know all sizes when they trace")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_sizes_known_only_at_run_time_do_not_broadcast(jit_compile):
    import tensorflow as tf

    signature = [tf.TensorSpec((None, None), "int32"), tf.TensorSpec((None, None, 5), "float32")]
    loss = tf.function(crf_loss, input_signature=signature, jit_compile=jit_compile)
    potentials = CRF(4)(np.zeros((3, 5, 4), "float32"))[1]
    assert np.isfinite(numpy(loss(tf.constant(Y), potentials))).all()
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        loss(tf.constant(Y[:, :1]), potentials)


def soft(y):
    return np.eye(4)[y] * 0.9 + 0.025


@pytest.mark.parametrize("spoil, message", [
    (lambda y: y + 0.7, "=0.7"),
    (lambda y: (y + 0.7)[..., None], "=0.7"),
    (lambda y: y + 4, "=4"),
    (lambda y: y - 1, "=-1"),
    (lambda y: y * np.nan, "=nan"),
    (soft, "one-hot"),
    (lambda y: 0.0 * np.eye(4)[y], "one-hot"),
    (lambda y: 2 * np.eye(4)[y], "one-hot"),
])
def test_what_is_no_tag_is_an_error_or_nan_and_padding_is_ignored(spoil, message):
    model, h = tagger(), np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    mask = np.ones((3, 5), bool)
    mask[1:, 0] = False
    layer = layer_of(model)
    tags, potentials = layer(h, mask=mask)
    everywhere, only_padding = spoil(Y), np.array(spoil(Y))
    only_padding[mask] = (np.eye(4)[Y] if only_padding.shape[-1] == 4 else Y.reshape(everywhere.shape))[mask]
    refused(lambda: crf_loss(everywhere, potentials), message)
    if message != "=4":                                    # TagAccuracy does not know K
        refused(lambda: TagAccuracy().update_state(everywhere, tags), message)
        assert_nan_or_refused(measured, model, [h, mask], everywhere)
    else:
        assert_nan_or_refused(loss_of, model, [h, mask], everywhere)
    fine = numpy(crf_loss(only_padding, potentials))
    np.testing.assert_allclose(fine, exact_losses(layer, h, mask, Y), rtol=1e-5)
    metric = TagAccuracy()
    metric.update_state(only_padding, tags)
    assert 0 <= float(metric.result()) <= 1


def test_a_path_of_no_tags_has_score_nan():
    layer, h, mask, y = make(2, 4, 3)
    potentials = layer.potentials(h, mask)
    y[0, 1] = 3
    score = numpy(path_score(potentials, y))
    assert np.isnan(score[0]) and np.isfinite(score[1])


def test_accuracy_counts_steps_alike_in_short_and_long_batches():
    metric = TagAccuracy()
    metric.update_state(np.zeros((2, 2)), np.array([[0, 0], [0, -1]]))
    metric.update_state(np.zeros((1, 9)), np.ones((1, 9), "int32"))
    assert float(metric.result()) == pytest.approx(3 / 12)


# Masks


@pytest.mark.parametrize("padding", ["left", "holes"])
def test_a_model_learns_what_pad_sequences_pads_on_the_left(padding):
    """As pytorch-crf and AllenNLP see it, the loss of a masked batch is that of its packed sentences."""
    layer, h, mask, y = make(8, 7, 4, seed=3, padding=padding)
    mask[:, 3] = True
    model = tagger()
    layer_of(model).set_weights(layer.get_weights())
    packed_h, packed_y = np.zeros_like(h), np.zeros_like(y)
    packed_mask = np.arange(7) < mask.sum(axis=1)[:, None]
    packed_h[packed_mask], packed_y[packed_mask] = h[mask], y[mask]
    found = model.evaluate([h, mask], y, verbose=0, return_dict=True)
    packed = model.evaluate([packed_h, packed_mask], packed_y, verbose=0, return_dict=True)
    assert found == pytest.approx(packed, rel=1e-5)
    assert found["loss"] == pytest.approx(exact_losses(layer, h, mask, y).mean(), rel=1e-5)
    tags = model.predict_on_batch([h, mask])[0]
    packed_tags = model.predict_on_batch([packed_h, packed_mask])[0]
    np.testing.assert_array_equal(tags[mask], packed_tags[packed_mask])
    assert (tags[~mask] == -1).all()


def test_a_mask_in_the_middle_skips_a_step():
    """AllenNLP's case: tags 1, 2 and 0 with the second step of four left out."""
    layer, h, _, _ = make(1, 4, 3)
    mask = np.array([[True, False, True, True]])
    scores = all_paths(layer, h[0, mask[0]], 3)
    tags, potentials = layer(h, mask=mask)
    assert tuple(numpy(tags)[0, [0, 2, 3]]) == max(scores, key=scores.get)
    expected = np.logaddexp.reduce(list(scores.values())) - scores[1, 2, 0]
    assert numpy(crf_loss(np.array([[1, 99, 2, 0]]), potentials)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mask", [
    np.ones((3, 5, 1), bool), np.ones((3, 1), bool), np.ones((3, 6), bool), np.ones(5, bool),
    np.ones((3, 1, 5), bool)])
def test_masks_of_another_shape_are_refused(mask):
    h = np.zeros((3, 5, 4), "float32")
    built = CRF(4)
    built(h)
    for layer in (CRF(4), built):
        refused(lambda: layer(h, mask=mask), "(batch, time)", f"mask.shape={mask.shape}")
        refused(lambda: layer.potentials(h, mask), f"mask.shape={mask.shape}")
        symbolic = keras.Input(h.shape[1:]), keras.Input(mask.shape[1:], dtype="bool")
        if mask.ndim > 1:
            refused(lambda: layer(symbolic[0], mask=symbolic[1]), "mask.shape=(")


def test_a_mask_of_numbers_is_read_or_refused():
    layer, h, mask, y = make(3, 5, 4, padding="holes")
    expected = numpy(layer.potentials(h, mask))
    for dtype in ("int32", "float32", "uint8"):
        np.testing.assert_array_equal(numpy(layer.potentials(h, mask.astype(dtype))), expected)
    additive = np.where(mask, 0, -1e9).astype("float32")
    refused(lambda: layer(h, mask=additive), "True at real steps")
    emissions, number = keras.Input((None, 4)), keras.Input((None,))
    model = keras.Model([emissions, number], layer(emissions, mask=number)[1])
    assert_nan_or_refused(lambda: model.predict_on_batch([h, additive]).sum())
    np.testing.assert_allclose(model.predict_on_batch([h, mask.astype("float32")]), expected, rtol=1e-5)


# Forbidden emissions


@pytest.mark.parametrize("padding", ["right", "left", "holes"])
def test_emissions_of_minus_infinity_forbid_a_tag_at_a_step(padding):
    layer, h, mask, y = make(5, 5, 3, seed=2, padding=padding)
    rng = np.random.default_rng(0)
    forbidden = rng.random(h.shape) < 0.3
    forbidden[np.arange(5)[:, None], np.arange(5), y] = False
    h[forbidden] = -np.inf
    tags, potentials = layer(h, mask=mask)
    losses, (dh, *others) = loss_and_gradients(layer, h, mask, y)
    assert all(np.isfinite(gradient).all() for gradient in others)
    assert not dh[forbidden].any()
    p, log_p = numpy(marginals(potentials)), numpy(k_best(potentials, 3)[1])
    for b, real in enumerate(mask):
        if not real.any():
            continue
        scores = all_paths(layer, h[b, real], real.sum())
        scores = {path: score for path, score in scores.items() if np.isfinite(score)}
        log_z = np.logaddexp.reduce(list(scores.values()))
        expected = np.zeros((real.sum(), 3))
        for path, score in scores.items():
            expected[np.arange(len(path)), path] += np.exp(score - log_z)
        assert losses[b] == pytest.approx(log_z - scores[tuple(y[b, real])], abs=1e-5)
        np.testing.assert_allclose(dh[b, real], expected - np.eye(3)[y[b, real]], atol=1e-5)
        np.testing.assert_allclose(p[b, real], expected, atol=1e-5)
        assert tuple(numpy(tags)[b, real]) == max(scores, key=scores.get)
        best = sorted(scores.values(), reverse=True)[:3]
        np.testing.assert_allclose(log_p[b, :len(best)], np.array(best) - log_z, atol=1e-5)


def test_a_forbidden_path_never_has_a_good_looking_loss():
    h = np.zeros((3, 4, 3), "float32")
    h[0, 1, 0] = -np.inf                                   # the path of zeros is forbidden
    h[1, 2] = -np.inf                                      # every path is
    mask, y = np.ones((3, 4), bool), np.zeros((3, 4), "int32")
    losses, gradients = loss_and_gradients(make(1, 1, 3)[0], h, mask, y)
    assert (losses[:2] >= -FORBIDDEN / 2).all() and np.isfinite(losses).all() and losses[2] < 20
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    layer = make(1, 1, 2, constraints={"transitions": [[0, 1], [1, 1]], "start": [1, 0], "end": [1, 0]})[0]
    potentials = layer(np.zeros((1, 2, 2), "float32"))[1]
    assert numpy(crf_loss(np.array([[0, 0]]), potentials))[0] >= -FORBIDDEN / 2
    h[2, 3, 1] = np.nan
    assert np.isnan(numpy(crf_loss(np.zeros((3, 4), "int32"), CRF(3)(h)[1]))[2])


# Second derivatives


def penalty(layer, h, mask, y):
    """Σ (∂loss/∂emissions)² and its gradient by emissions and transitions, as a gradient penalty has it."""
    if keras.backend.backend() == "jax":
        import jax

        def slope(h, transitions):
            def total(h):
                values = [transitions, layer.start.value, layer.end.value]
                with keras.StatelessScope(state_mapping=zip(layer.trainable_variables, values)):
                    return crf_loss(y, layer.potentials(h, mask)).sum()

            return (jax.grad(total)(h) ** 2).sum()

        inputs = ops.convert_to_tensor(h), layer.transitions.value
        return numpy(slope(*inputs)), [numpy(g) for g in jax.grad(slope, argnums=(0, 1))(*inputs)]
    if keras.backend.backend() == "torch":
        import torch

        h = ops.convert_to_tensor(h).requires_grad_()
        loss = crf_loss(y, layer.potentials(h, mask)).sum()
        value = (torch.autograd.grad(loss, h, create_graph=True)[0] ** 2).sum()
        gradients = torch.autograd.grad(value, [h, layer.transitions.value])
        return numpy(value), [numpy(g) for g in gradients]
    import tensorflow as tf

    h = tf.constant(h)
    with tf.GradientTape() as outer:
        outer.watch(h)
        with tf.GradientTape() as inner:
            inner.watch(h)
            loss = tf.reduce_sum(crf_loss(y, layer.potentials(h, mask)))
        value = tf.reduce_sum(inner.gradient(loss, h) ** 2)
    gradients = outer.gradient(value, [h, layer.transitions.value])
    return numpy(value), [numpy(g) for g in gradients]


def exact_penalty(h, mask, y, transitions, start, end):
    total = 0
    for b, real in enumerate(mask):
        if real.any():
            gamma = forward_backward(h[b, real], transitions, start, end)[1]
            total += ((gamma - np.eye(h.shape[-1])[y[b, real]]) ** 2).sum()
    return total


@pytest.mark.parametrize("padding, scale", [("right", 1), ("holes", 1), ("right", 8)])
def test_second_derivatives_are_those_of_numerical_differentiation(padding, scale):
    layer, h, mask, y = make(3, 4, 3, seed=4, padding=padding)
    h *= scale
    value, (by_h, by_transitions) = penalty(layer, h, mask, y)
    parts, h = weights(layer), h.astype("float64")
    assert value == pytest.approx(exact_penalty(h, mask, y, *parts), rel=1e-4)
    for array, found in ((h, by_h), (parts[0], by_transitions)):
        expected = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + 1e-5
            above = exact_penalty(h, mask, y, *parts)
            array[place] = kept - 1e-5
            expected[place] = (above - exact_penalty(h, mask, y, *parts)) / 2e-5
            array[place] = kept
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.skipif(not TENSORFLOW, reason="only TensorFlow has a gradient of its own here")
def test_second_derivatives_in_a_graph_and_third_ones():
    import tensorflow as tf

    layer, h, mask, y = make(3, 4, 3, seed=4)
    eager = penalty(layer, h, mask, y)
    graph = tf.function(lambda h: penalty_graph(layer, h, mask, y))(tf.constant(h))
    np.testing.assert_allclose(numpy(graph), eager[1][0], atol=1e-5)
    by_sums = []
    for partition in (log_partition, lambda p: -crf_loss(y, p)):
        potentials = layer.potentials(tf.constant(h), mask)
        with tf.GradientTape() as third:
            third.watch(potentials)
            with tf.GradientTape() as second:
                second.watch(potentials)
                with tf.GradientTape() as first:
                    first.watch(potentials)
                    value = tf.reduce_sum(partition(potentials))
                slope = tf.reduce_sum(first.gradient(value, potentials)[..., :-1] ** 3)
            curve = tf.reduce_sum(second.gradient(slope, potentials)[..., :-1] ** 2)
        by_sums.append(numpy(third.gradient(curve, potentials)))
    assert all(np.abs(by_sum).max() > 1e-3 for by_sum in by_sums)


def penalty_graph(layer, h, mask, y):
    import tensorflow as tf

    with tf.GradientTape() as outer:
        outer.watch(h)
        with tf.GradientTape() as inner:
            inner.watch(h)
            loss = tf.reduce_sum(crf_loss(y, layer.potentials(h, mask)))
        value = tf.reduce_sum(inner.gradient(loss, h) ** 2)
    return outer.gradient(value, h)


# Layers that are built already, and arguments


@pytest.mark.parametrize("shape", [(2, 5, 1), (2, 5, 3), (2, 5), (2, 5, 4, 1), (4,)])
def test_a_built_layer_refuses_other_emissions(shape):
    layer = CRF(4)
    layer(np.zeros((2, 5, 4), "float32"))
    h = np.zeros(shape, "float32")
    for call in (layer, CRF(4)):
        with pytest.raises(ValueError, match="expect"):
            call(h)
        with pytest.raises(ValueError, match="expect"):
            call(keras.Input(shape[1:]))
    refused(lambda: layer.potentials(h), "(batch, time, 4)")
    if len(shape) > 1:
        refused(lambda: layer.compute_output_spec(keras.KerasTensor(shape)), "(batch, time, 4)")


@pytest.mark.parametrize("num_tags", ["4", 4.0, 0, -1, None, True, [4]])
def test_a_number_of_tags_that_is_none_is_named(num_tags):
    refused(lambda: CRF(num_tags), "positive integer", f"num_tags={num_tags!r}")
    assert CRF(np.int64(4)).get_config()["num_tags"] == 4


@pytest.mark.parametrize("constraints", [
    {"transition": np.ones((3, 3))}, {"start": [0.0, -1e9, 0.0]}, {"end": np.full(3, -np.inf)},
    {"transitions": np.ones(3)}, [np.ones((3, 3))], {"start": [False] * 3}])
def test_constraints_that_are_none_are_named(constraints):
    refused(lambda: CRF(3, constraints), "constraints")


def test_constraints_as_arrays_are_saved_and_missing_ones_allow_everything(tmp_path):
    allowed = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]])
    for constraints in ({"transitions": allowed > 0}, {"transitions": ops.convert_to_tensor(allowed)},
                        {"start": np.array([True, False, True])}, {"end": (1, 0, 0)}, {}):
        layer, h, mask, y = make(4, 4, 3, constraints=constraints)
        again = CRF.from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        scores = all_paths(layer, h[0], 4)
        exact = np.logaddexp.reduce(list(scores.values()))
        assert numpy(log_partition(layer.potentials(h, mask)))[0] == pytest.approx(exact, rel=1e-5)
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, CRF(3, {"transitions": allowed > 0})(inputs)[0])
    tags, _ = load_elsewhere(model, h, "common.crf", tmp_path)
    np.testing.assert_array_equal(tags, model.predict_on_batch(h))


# Sizes and types


@pytest.mark.parametrize("jit_compile", [False, COMPILED_CRF])
@pytest.mark.parametrize("batch, time", [(3, 1), (1, 1), (0, 3), (0, 1), (3, 0), (0, 0)])
def test_one_step_no_steps_and_no_rows(batch, time, jit_compile):
    model = tagger(jit_compile=jit_compile)
    layer = layer_of(model)
    h, mask = np.ones((batch, time, 4), "float32"), np.ones((batch, time), bool)
    y = np.zeros((batch, time), "int32")
    for functions in (layer(h, mask=mask), layer(h)):
        tags, potentials = functions
        assert numpy(tags).shape == (batch, time) and numpy(potentials).shape == (batch, time + 4, 5)
        assert numpy(viterbi(potentials)).shape == (batch, time)
        assert numpy(marginals(potentials)).shape == (batch, time, 4)
        assert k_best(potentials, 2)[0].shape == (batch, 2, time)
        losses, gradients = loss_and_gradients(layer, h, mask, y)
        assert losses.shape == (batch,) and all(np.isfinite(gradient).all() for gradient in gradients)
        plain = numpy(log_partition(potentials)) - numpy(path_score(potentials, y))
        np.testing.assert_allclose(plain, losses, rtol=1e-5, atol=1e-6)
        if not time:
            assert not losses.any()
    metric = TagAccuracy()
    metric.update_state(y, tags)
    assert np.isfinite(float(metric.result()))
    tags, _ = model.predict_on_batch([h, mask])
    assert tags.shape == (batch, time)
    if batch:
        assert np.isfinite(model.train_on_batch([h, mask], y, return_dict=True)["loss"])


@pytest.mark.skipif(not TENSORFLOW, reason="the other backends know all sizes when they trace")
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("function", [
    viterbi, marginals, log_partition, lambda potentials: crf_loss(potentials[:, :-4, 0] * 0, potentials)])
def test_graphs_of_unknown_sizes(function, jit_compile):
    import tensorflow as tf

    signature = [tf.TensorSpec((None, None, 5), "float32")]
    graph = tf.function(function, input_signature=signature, jit_compile=jit_compile)
    fixed = tf.function(function, input_signature=[tf.TensorSpec((None, 5, 5), "float32")],
                        jit_compile=jit_compile)
    for batch, time in [(2, 1), (0, 1), (2, 0), (0, 4), (3, 4)]:
        layer, h, mask, _ = make(max(batch, 1), max(time, 1), 4)
        potentials = layer.potentials(h[:batch, :time], mask[:batch, :time])
        expected = numpy(function(potentials))
        np.testing.assert_allclose(numpy(graph(potentials)), expected, rtol=1e-5, atol=1e-6)
        if time == 1:                                      # one step of unknown batch size
            np.testing.assert_allclose(numpy(fixed(potentials)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("floatx", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("constraints", [None, BMES])
def test_training_under_any_floatx(floatx, constraints):
    _, h, mask, _ = make(4, 6, 4)
    mask[:, 0] = True
    y = np.where(np.arange(6) % 2, 2, 0) + np.zeros((4, 1), "int32")         # B E B E
    mask[:, 1::2] = mask[:, ::2]
    keras.utils.set_random_seed(0)
    before = keras.config.floatx()
    try:
        keras.config.set_floatx(floatx)
        model = tagger(constraints=constraints)
        layer = layer_of(model)
        expected = []
        for b, real in enumerate(mask):
            scores = all_paths(layer, h[b, real].astype("float16"), real.sum())
            expected.append(np.logaddexp.reduce(list(scores.values())) - scores[tuple(y[b, real])])
        found = model.train_on_batch([h, mask], y, return_dict=True)
        assert float(found["loss"]) == pytest.approx(np.mean(expected), rel=0.02)
        assert {keras.backend.standardize_dtype(weight.dtype) for weight in layer.weights} == {"float32"}
        assert np.isfinite(model.predict_on_batch([h, mask])[1].astype("float32")).all()
    finally:
        keras.config.set_floatx(before)


@pytest.mark.parametrize("dtype, tolerance", [("float16", 0.01), ("bfloat16", 0.1), ("float64", 1e-5)])
def test_potentials_of_other_types(dtype, tolerance):
    layer, h, mask, y = make(4, 5, 4, constraints=BMES, padding="holes")
    potentials = layer.potentials(h, mask)
    other = ops.cast(potentials, dtype)
    for function in (log_partition, marginals, viterbi):
        np.testing.assert_allclose(numpy(function(other)), numpy(function(potentials)), atol=20 * tolerance)
    np.testing.assert_array_equal(numpy(viterbi(other)), numpy(viterbi(potentials)))
    y = np.where(mask, numpy(viterbi(potentials)), 0)
    np.testing.assert_allclose(numpy(crf_loss(y, other)), numpy(crf_loss(y, potentials)), atol=20 * tolerance)


# Weights


def test_a_weight_of_sentences_weighs_their_losses():
    _, h, mask, y = make(4, 4, 4, padding="left")
    mask[:, -1] = True
    for weight in (np.array([0.0, 1.0, 2.0, 0.5]), np.array([[0.0], [1.0], [2.0], [0.5]])):
        model = tagger()
        losses = exact_losses(layer_of(model), h, mask, y)
        found = model.train_on_batch([h, mask], y, sample_weight=weight, return_dict=True)
        # As in keras.losses: a sum with weights, divided by the number of sentences.
        assert float(found["loss"]) == pytest.approx((losses * weight.reshape(-1)).mean(), rel=1e-5)


@pytest.mark.parametrize("time", [4, 6])
def test_weights_of_steps_are_refused_by_the_class(time):
    """At as many steps as sentences they would multiply without complaint."""
    h, mask, y = np.zeros((4, time, 4), "float32"), np.ones((4, time), bool), np.zeros((4, time), "int32")
    model, weight = tagger(loss=CRFLoss()), np.ones((4, time))
    refused(lambda: model.train_on_batch([h, mask], y, sample_weight=weight), "sample_weight.shape=(")
    refused(lambda: CRFLoss()(y, layer_of(model)(h)[1], weight), "sample_weight.shape=(")
    weights_of_sentences = np.arange(4.0)
    found = model.train_on_batch([h, mask], y, sample_weight=weights_of_sentences, return_dict=True)
    twin = tagger()
    layer_of(twin).set_weights(layer_of(model).get_weights())
    a = model.evaluate([h, mask], y, sample_weight=weights_of_sentences, verbose=0, return_dict=True)
    b = twin.evaluate([h, mask], y, sample_weight=weights_of_sentences, verbose=0, return_dict=True)
    assert a["loss"] == pytest.approx(b["loss"], rel=1e-5) and found["loss"] > 0


def test_a_class_weight_weighs_sentences_by_the_position_of_their_largest_tag():
    """Which means nothing, as the docstring of crf_loss says."""
    _, h, mask, y = make(4, 4, 4)
    mask[:] = True
    model = tagger(metrics=False)
    losses = exact_losses(layer_of(model), h, mask, y)
    weight = {0: 0.0, 1: 1.0, 2: 3.0, 3: 0.5}
    data = {"batch_size": 4, "shuffle": False, "verbose": 0, "class_weight": weight}
    found = model.fit([h, mask], y, **data).history["loss"][0]
    expected = losses * [weight[position] for position in y.argmax(axis=1)]
    assert found == pytest.approx(expected.mean(), rel=1e-5)


def test_the_loss_is_saved_with_the_model(tmp_path):
    _, h, mask, y = make(4, 4, 4)
    for loss in (crf_loss, CRFLoss(reduction="sum")):
        model = tagger(loss=loss)
        expected = model.evaluate([h, mask], y, verbose=0, return_dict=True)["loss"]
        model.save(tmp_path / "model.keras")
        np.savez(tmp_path / "data.npz", h=h, mask=mask, y=y)
        printed = run_elsewhere("""
import keras, numpy as np, common.crf
data = np.load("data.npz")
model = keras.models.load_model("model.keras")
print(model.evaluate([data["h"], data["mask"]], data["y"], verbose=0, return_dict=True)["loss"])
""", tmp_path)
        assert float(printed.split()[-1]) == pytest.approx(expected, rel=1e-5)


# Schemes of tags


def spans(labels, scheme):
    """Whether a sequence of labels is one that the scheme writes, by parsing it from left to right."""
    begin, inner, last, single = {"BIOES": "BIES", "BIOUL": "BILU", "BMES": "BMES"}.get(scheme, "BIII")
    open_type = None                                       # of a span that must go on
    before = ("O", "")
    for label in labels:
        kind, _, kind_of = label.partition("-")
        if scheme == "IOB1":
            if kind == "B" and not (before[0] in "BI" and before[1] == kind_of):
                return False
        elif scheme == "BIO":
            if kind == "I" and not (before[0] in "BI" and before[1] == kind_of):
                return False
        else:
            if (open_type is not None) != (kind in (inner, last)):
                return False
            if kind in (inner, last) and kind_of != open_type:
                return False
            open_type = kind_of if kind in (begin, inner) else None
        before = kind, kind_of
    return open_type is None


@pytest.mark.parametrize("scheme, letters", [
    ("BIO", "BI"), ("IOB1", "BI"), ("BIOES", "BIES"), ("BIOUL", "BIUL"), ("BMES", "BMES")])
def test_constraints_allow_what_a_scheme_writes_and_nothing_else(scheme, letters):
    labels = ["O", *(f"{letter}-{kind}" for kind in ("X", "Y") for letter in letters)]
    found = tag_constraints(labels, scheme)
    if scheme != "IOB1":
        assert tag_constraints(labels) == found
    numbers = range(len(labels))
    for path in itertools.product(numbers, repeat=3):
        pairs = all(found["transitions"][a][b] for a, b in itertools.pairwise(path))
        allowed = pairs and found["start"][path[0]] and found["end"][path[-1]]
        assert allowed == spans([labels[tag] for tag in path], scheme), path


def test_schemes_that_labels_do_not_follow_are_named():
    refused(lambda: tag_constraints(["B", "I", "M"]), "one scheme", "labels=")
    refused(lambda: tag_constraints(["B", "I", "E", "S"], "BIO"), "one scheme", "labels=")
    refused(lambda: tag_constraints(["B", "I"], "IOB3"), "scheme='IOB3'")
