"""common/crf.py against enumeration of all paths and a float64 NumPy forward-backward; both share no code
with it."""

import itertools
import re

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from common.crf import (
    CRF,
    FORBIDDEN,
    TagAccuracy,
    check_tags,
    crf_loss,
    k_best,
    log_likelihood,
    log_partition,
    marginals,
    path_score,
    tag_constraints,
    viterbi,
)
from tests.common.helpers import COMPILED_CRF, numpy, run_elsewhere


def make(batch, time, tags, seed=0, constraints=None, scale=1.0, padding="right"):
    """A CRF with random weights, random emissions, and masks of random lengths, the first of full length.

    Padding "left" puts the real steps on the right, "holes" anywhere.
    """
    rng = np.random.default_rng(seed)
    layer = CRF(tags, constraints)
    layer.build((None, None, tags))
    for weight in layer.weights:
        weight.assign(scale * rng.normal(size=weight.shape).astype("float32"))
    lengths = np.concatenate([[time], rng.integers(0, time + 1, batch - 1)])
    h = (scale * rng.normal(size=(batch, time, tags))).astype("float32")
    mask, y = np.arange(time) < lengths[:, None], rng.integers(0, tags, (batch, time))
    if padding == "left":
        mask = mask[:, ::-1]
    if padding == "holes":
        mask = rng.permuted(mask, axis=1)
    return layer, h, mask, y


def weights(layer):
    return [numpy(w).astype("float64") for w in (layer.transitions, layer.start, layer.end)]


def all_paths(layer, h, length):
    """Score of each allowed path of one sentence, as a dict; float64."""
    transitions, start, end = weights(layer)
    tags, scores = h.shape[-1], {}
    everything = {"transitions": np.ones((tags, tags)), "start": np.ones(tags), "end": np.ones(tags)}
    ok = everything | (layer.constraints or {})
    for path in itertools.product(range(tags), repeat=length):
        pairs = list(itertools.pairwise(path))
        allowed = ok["start"][path[0]] and ok["end"][path[-1]]
        if allowed and all(ok["transitions"][a][b] for a, b in pairs):
            score = start[path[0]] + end[path[-1]] + sum(transitions[a, b] for a, b in pairs)
            scores[path] = score + sum(float(h[t, tag]) for t, tag in enumerate(path))
    return scores


BMES = tag_constraints(["B", "M", "E", "S"])


@pytest.mark.parametrize("time, tags, constraints, padding", [
    (1, 3, None, "right"), (2, 1, None, "right"), (5, 3, None, "right"), (4, 4, BMES, "right"),
    (1, 4, BMES, "right"), (5, 3, None, "left"), (4, 4, BMES, "left"), (6, 3, None, "holes"),
    (5, 4, BMES, "holes")])
def test_everything_against_the_enumeration_of_all_paths(time, tags, constraints, padding):
    layer, h, mask, y = make(6, time, tags, constraints=constraints, padding=padding)
    decoded, potentials = layer(h, mask=mask)
    decoded, log_z = numpy(decoded), numpy(log_partition(potentials))
    p, (paths, log_p) = numpy(marginals(potentials)), [numpy(part) for part in k_best(potentials, 4)]
    for b, real in enumerate(mask):
        assert (decoded[b, ~real] == -1).all() and (p[b, ~real] == 0).all()
        if not real.any():
            assert log_z[b] == 0 and numpy(crf_loss(y, potentials))[b] == 0
            continue
        length = real.sum()
        scores = all_paths(layer, h[b, real], length)
        exact = np.logaddexp.reduce(list(scores.values()))
        assert log_z[b] == pytest.approx(exact, abs=1e-5)
        assert tuple(decoded[b, real]) == max(scores, key=scores.get)
        expected = np.zeros((length, tags))
        for path, score in scores.items():
            expected[np.arange(length), path] += np.exp(score - exact)
        np.testing.assert_allclose(p[b, real], expected, atol=1e-5)
        best = sorted(scores, key=scores.get, reverse=True)[:4]
        assert [tuple(path[real]) for path in paths[b, :len(best)]] == best
        expected = [scores[path] - exact for path in best]
        np.testing.assert_allclose(log_p[b, :len(best)], expected, atol=1e-5)
        assert np.isneginf(log_p[b, len(best):]).all()
        gold = tuple(y[b, real])
        if gold in scores:
            assert numpy(path_score(potentials, y))[b] == pytest.approx(scores[gold], abs=1e-5)
            found = numpy(log_likelihood(potentials, y))[b]
            assert found == pytest.approx(scores[gold] - exact, abs=1e-5)
        else:
            assert numpy(crf_loss(y, potentials))[b] > -FORBIDDEN / 2


def forward_backward(h, transitions, start, end):
    """log Z and the derivatives of log Z by h, transitions, start, end, for one long sentence, in float64."""
    length, tags = h.shape
    alpha, beta = np.zeros((2, length, tags))
    alpha[0] = start + h[0]
    for t in range(1, length):
        alpha[t] = np.logaddexp.reduce(alpha[t - 1][:, None] + transitions, axis=0) + h[t]
    beta[-1] = end
    for t in range(length - 2, -1, -1):
        beta[t] = np.logaddexp.reduce(transitions + h[t + 1] + beta[t + 1], axis=1)
    log_z = np.logaddexp.reduce(alpha[-1] + end)
    gamma = np.exp(alpha + beta - log_z)
    pairs = np.zeros((tags, tags))
    for t in range(1, length):
        pairs += np.exp(alpha[t - 1][:, None] + transitions + h[t] + beta[t] - log_z)
    return log_z, gamma, pairs, gamma[0].copy(), gamma[-1].copy()


def loss_and_gradients(layer, h, mask, y):
    """Loss of each sentence, and the gradient of their sum by h, transitions, start, end, in the backend's
    own way."""
    variables = [layer.transitions, layer.start, layer.end]
    if keras.backend.backend() == "jax":
        import jax

        def total(h, values):
            with keras.StatelessScope(state_mapping=zip(variables, values)):
                losses = crf_loss(y, layer.potentials(h, mask))
            return losses.sum(), losses

        values = [variable.value for variable in variables]
        gradient = jax.grad(total, argnums=(0, 1), has_aux=True)
        (of_h, of_variables), losses = gradient(ops.convert_to_tensor(h), values)
        return numpy(losses), [numpy(g) for g in (of_h, *of_variables)]
    if keras.backend.backend() == "torch":
        import torch

        h = ops.convert_to_tensor(h).requires_grad_()
        losses = crf_loss(y, layer.potentials(h, mask))
        values = [variable.value for variable in variables]
        return numpy(losses), [numpy(g) for g in torch.autograd.grad(losses.sum(), [h, *values])]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        h = tf.constant(h)
        tape.watch(h)
        losses = crf_loss(y, layer.potentials(h, mask))
    values = [variable.value for variable in variables]
    return numpy(losses), [numpy(g) for g in tape.gradient(losses, [h, *values])]


@pytest.mark.parametrize("time, tags, padding", [
    (1, 4, "right"), (7, 4, "right"), (150, 4, "right"), (40, 20, "right"), (40, 4, "left"),
    (150, 4, "holes")])
def test_loss_and_gradient_of_long_sentences(time, tags, padding):
    layer, h, mask, y = make(4, time, tags, seed=1, padding=padding)
    losses, (dh, *others) = loss_and_gradients(layer, h, mask, y)
    transitions, start, end = weights(layer)
    totals = [np.zeros((tags, tags)), np.zeros(tags), np.zeros(tags)]
    for b, real in enumerate(mask):
        assert not dh[b, ~real].any()
        if not real.any():
            continue
        gold, emissions = y[b, real], h[b, real].astype("float64")
        log_z, gamma, *parts = forward_backward(emissions, transitions, start, end)
        gold_score = start[gold[0]] + end[gold[-1]] + transitions[gold[:-1], gold[1:]].sum()
        gold_score += emissions[np.arange(len(gold)), gold].sum()
        assert losses[b] == pytest.approx(log_z - gold_score, rel=2e-5)
        np.testing.assert_allclose(dh[b, real], gamma - np.eye(tags)[gold], atol=5e-5)
        for i, j in itertools.pairwise(gold):
            parts[0][i, j] -= 1
        parts[1][gold[0]] -= 1
        parts[2][gold[-1]] -= 1
        totals = [total + part for total, part in zip(totals, parts)]
    for found, expected in zip(others, totals):
        np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow",
                    reason="the other backends have the plain path only")
@pytest.mark.parametrize("padding", ["right", "left", "holes"])
@pytest.mark.parametrize("scale, constraints, scaled", [
    (1, None, True), (300, None, False), (1, BMES, False)])
def test_the_fast_path_agrees_with_the_plain_one_on_both_its_branches(scale, constraints, scaled, padding):
    import tensorflow as tf

    from common import crf

    layer, h, mask, _ = make(5, 12, 4, constraints=constraints, scale=scale, padding=padding)
    potentials = layer.potentials(h, mask)
    scores, real, transitions = crf.unpack(potentials)
    steps, real = tf.transpose(scores, (1, 0, 2)), tf.transpose(real)[..., None]
    state = real * (1 + tf.cast(tf.cumsum(real) > 1, "float32"))
    _, _, exact = crf._scaled_forward(steps, state, transitions)
    assert bool(exact) == scaled
    results = []
    for partition in (crf.fast_log_partition, crf.log_partition):
        with tf.GradientTape() as tape:
            tape.watch(potentials)
            log_z = partition(potentials)
        gradient = tape.gradient(log_z, potentials, output_gradients=tf.range(5.0))
        results.append((numpy(log_z), numpy(gradient)[..., :-1]))
    (fast, fast_gradient), (plain, plain_gradient) = results
    np.testing.assert_allclose(fast, plain, rtol=1e-5)
    np.testing.assert_allclose(fast_gradient, plain_gradient, atol=1e-4 if scale == 1 else 1e-2)


@settings(max_examples=20 if keras.backend.backend() == "tensorflow" else 3, deadline=None)
@given(st.sampled_from([1, 4]), st.sampled_from([1, 3]), st.sampled_from([1, 3]), st.integers(0, 99))
def test_padding_changes_nothing(time, tags, extra, seed):
    """Each shape is compiled anew, so there are few."""
    layer, h, mask, y = make(3, time, tags, seed)
    garbage = np.full((3, extra, tags), np.nan, "float32")
    long_h, long_mask = np.concatenate([h, garbage], 1), np.pad(mask, [(0, 0), (0, extra)])
    long_y = np.pad(y, [(0, 0), (0, extra)], constant_values=10 ** 6)
    short_tags, short = layer(h, mask=mask)
    long_tags, long = layer(long_h, mask=long_mask)
    np.testing.assert_array_equal(numpy(long_tags)[:, :time], numpy(short_tags))
    short_loss, long_loss = numpy(crf_loss(y, short)), numpy(crf_loss(long_y, long))
    np.testing.assert_allclose(long_loss, short_loss, rtol=1e-6, atol=1e-6)
    assert np.isfinite(numpy(long)).all()


@pytest.mark.parametrize("constraints", [None, BMES])
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_huge_scores_stay_finite(size, constraints):
    layer, h, mask, y = make(4, 30, 4, constraints=constraints)
    h[:, ::2] *= size
    losses, gradients = loss_and_gradients(layer, h, mask, y)
    assert np.isfinite(losses).all() and (losses > -1).all()
    assert all(np.isfinite(g).all() for g in gradients)


def test_constraints_that_leave_one_path_or_none():
    one = {"transitions": np.roll(np.eye(3), 1, axis=1) > 0, "start": [True, False, False],
           "end": [True] * 3}
    layer, h, mask, _ = make(3, 6, 3, constraints=one)
    tags, potentials = layer(h, mask=mask)
    length = mask.sum(axis=1)
    for b in range(3):
        np.testing.assert_array_equal(numpy(tags)[b, :length[b]], np.arange(length[b]) % 3)
    only = np.tile(np.arange(6) % 3, (3, 1))
    losses, gradients = loss_and_gradients(layer, h, mask, only)
    np.testing.assert_allclose(losses, 0, atol=1e-4)
    assert all(np.abs(g).max() < 1e-4 for g in gradients)
    none = {**one, "end": [False, False, True]}
    layer, h, mask, y = make(3, 4, 3, constraints=none)
    losses, gradients = loss_and_gradients(layer, h, np.ones_like(mask), y)
    assert np.isfinite(losses).all() and all(np.isfinite(g).all() for g in gradients)


def test_accuracy_counts_real_steps_by_their_weight():
    y, decoded = np.array([[1, 2, 0], [3, 3, 3]]), np.array([[1, 3, -1], [3, 3, 0]])
    of_sentences, of_steps = np.array([1.0, 0.0]), np.array([[0, 1, 9], [1, 0, 0]])
    for weight, share in [(None, 3 / 5), (of_sentences, 1 / 2), (of_steps, 1 / 2)]:
        metric = TagAccuracy()
        metric.update_state(y, decoded, weight)
        assert float(metric.result()) == pytest.approx(share)
    metric.reset_state()
    metric.update_state(np.eye(4)[y], decoded)
    assert float(metric.result()) == pytest.approx(3 / 5)


def build(tags=4, jit_compile="auto"):
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(30, 16, mask_zero=True)(inputs)
    decoded, potentials = CRF(tags)(keras.layers.Dense(tags)(x))
    model = keras.Model(inputs, [decoded, potentials])
    model.compile(keras.optimizers.Adam(0.05), loss=[None, crf_loss], metrics=[TagAccuracy(), None],
                  jit_compile=jit_compile)
    return model


def sentences(lengths, time, seed=0):
    """Characters whose tag is decided by them and by the character before."""
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 30, (len(lengths), time)) * (np.arange(time) < np.array(lengths)[:, None])
    return x, (x % 2) * 2 + np.pad(x % 2, [(0, 0), (1, 0)])[:, :-1]


@pytest.mark.parametrize("whole", [COMPILED_CRF])
def test_a_step_compiled_as_a_whole_is_the_same_step(whole):
    x, y = sentences([4, 2, 3], 4)           # on PyTorch Keras takes two rows for the targets of two outputs
    results = []
    for jit_compile in (False, whole):
        keras.utils.set_random_seed(0)
        model = build(jit_compile=jit_compile)
        for _ in range(3):
            results.append(float(model.train_on_batch(x, y, return_dict=True)["loss"]))
    assert results[:3] == pytest.approx(results[3:], rel=1e-4)


def test_fit_with_one_target_then_save_load_and_continue(tmp_path):
    keras.utils.set_random_seed(0)
    x, y = sentences([9, 7, 5, 3] * 16, 9)
    model = build()
    history = model.fit(x, y, epochs=15, batch_size=16, verbose=0).history
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    [name] = [name for name in history if name.endswith("accuracy")]
    assert history[name][-1] > 0.97
    one_hot = model.evaluate(x, keras.utils.to_categorical(y, 4), verbose=0, return_dict=True)
    assert one_hot == pytest.approx(model.evaluate(x, y, verbose=0, return_dict=True), rel=1e-4)
    short, _ = model.predict(x[:2, :4], verbose=0)          # another length
    assert short.shape == (2, 4)
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "data.npz", x=x, y=y, tags=model.predict(x, verbose=0)[0])
    run_elsewhere("""
import keras, numpy as np, common.crf
data = np.load("data.npz")
model = keras.models.load_model("m.keras")
np.testing.assert_array_equal(model.predict(data["x"], verbose=0)[0], data["tags"])
before = model.evaluate(data["x"], data["y"], verbose=0, return_dict=True)["loss"]
assert model.fit(data["x"], data["y"], verbose=0, epochs=2).history["loss"][-1] < before
""", tmp_path)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="SavedModel is TensorFlow's")
def test_an_exported_model_decodes_with_its_mask(tmp_path):
    import tensorflow as tf

    model = build()
    x, _ = sentences([6, 2], 6)
    keras.Model(model.inputs[0], model.outputs[0]).export(tmp_path / "served", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "served")
    served = loaded.serve(x.astype("int32"))
    np.testing.assert_array_equal(numpy(served), model.predict(x, verbose=0)[0])
    assert (numpy(served)[1, 2:] == -1).all()
    for lengths in [[1], [9, 0, 4], [30, 2, 30, 1, 17]]:            # other batch sizes and lengths
        x, _ = sentences(lengths, max(lengths))
        served = loaded.serve(x.astype("int32"))
        np.testing.assert_array_equal(numpy(served), model.predict(x, verbose=0)[0])


@pytest.mark.parametrize("padding", ["right", "left", "holes"])
def test_the_decoder_that_exports_agrees_with_the_plain_one(padding, monkeypatch):
    layer, h, mask, _ = make(6, 40, 5, seed=7, padding=padding)
    potentials = layer.potentials(h, mask)
    tags = numpy(viterbi(potentials))
    monkeypatch.setattr("common.crf.scan", ops.scan)
    monkeypatch.setattr("common.crf.best_tag", lambda scores: ops.cast(ops.argmax(scores, axis=0), "int32"))
    np.testing.assert_array_equal(tags, numpy(viterbi(potentials)))


def test_frozen_shared_nested_and_followed_by_layers():
    x, y = sentences([5, 3, 4, 5], 5)
    crf, first, second = CRF(4), keras.Input((None, 8)), keras.Input((None, 8))
    dense = keras.layers.Dense(4)
    tags, one = crf(dense(first))
    two = crf(dense(second))[1]
    after = keras.layers.Embedding(4, 2)(ops.maximum(tags, 0))
    inner = keras.Model([first, second], [one, two, after])
    outer_inputs = [keras.Input((None, 8)), keras.Input((None, 8))]
    outer = keras.Model(outer_inputs, inner(outer_inputs))
    outer.compile("adam", loss=[crf_loss, crf_loss, None])
    h = np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")
    crf.trainable = False
    outer.compile("sgd", loss=[crf_loss, crf_loss, None])
    before = [numpy(weight) for weight in crf.weights], numpy(dense.kernel)
    outer.fit([h, h], [y, y, y], verbose=0)
    for old, new in zip(before[0], crf.weights):
        np.testing.assert_array_equal(old, numpy(new))
    assert np.abs(before[1] - numpy(dense.kernel)).max() > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_recursions_are_float32_under_any_policy(policy):
    layer = CRF(3, dtype=policy)
    h = np.random.default_rng(0).normal(size=(2, 300, 3)).astype("float32")
    tags, potentials = layer(ops.cast(h, "bfloat16" if "bfloat16" in policy else "float16"))
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} == {"float32"}
    assert keras.backend.standardize_dtype(potentials.dtype) == "float32"
    reference = CRF(3)
    reference.build((None, None, 3))
    reference.set_weights(layer.get_weights())
    y = np.zeros((2, 300), "int32")
    expected = crf_loss(y, reference(h)[1])
    np.testing.assert_allclose(numpy(crf_loss(y, potentials)), numpy(expected), rtol=0.01)


def test_constraints_of_the_schemes():
    assert BMES["start"] == [True, False, False, True]
    assert BMES["end"] == [False, False, True, True]
    assert BMES["transitions"] == [[False, True, True, False], [False, True, True, False],
                                   [True, False, False, True], [True, False, False, True]]
    labels = ["O", "B-P", "I-P", "B-L", "I-L"]
    bio = tag_constraints(labels)
    assert bio["start"] == [True, True, False, True, False] and all(bio["end"])
    assert [labels[i] for i in range(5) if bio["transitions"][i][2]] == ["B-P", "I-P"]
    assert np.array(bio["transitions"])[:, [0, 1, 3]].all()


@pytest.mark.parametrize("call, message", [
    (lambda: CRF(3)(np.zeros((2, 5, 4), "float32")), r"\(batch, time, 3\)"),
    (lambda: CRF(3)(np.zeros((2, 3), "float32")), r"\(batch, time, 3\)"),
    (lambda: CRF(3, BMES), r"shape \(3, 3\)"),
    (lambda: CRF(4, {**BMES, "end": [False] * 4}), "some of them True"),
    (lambda: tag_constraints(["B", "I", "M"]), "one scheme"),
    (lambda: crf_loss(np.array([[0, 3]]), CRF(3)(np.zeros((1, 2, 3), "float32"))[1]),
     r"Received: tags\[0, 1\]=3"),
    (lambda: check_tags([[0, -1]], 3, [[True, True]]), r"Received: tags\[0, 1\]=-1"),
    (lambda: check_tags([[0, 9, 0.5], [0, 0, 0]], 3, [[1, 0, 1], [0, 1, 1]]), r"Received: tags\[0, 2\]=0.5"),
    (lambda: check_tags([0, 1], 3), "one shape"),
])
def test_wrong_use_is_named(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert re.search(r"Received: .*=", str(error.value))
