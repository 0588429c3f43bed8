"""Linear-chain conditional random field (CRF): a layer, its exact loss and its decoder for Keras 3.

Copy this file into any Keras 3 project; it needs keras and numpy alone.

    inputs = keras.Input((None,), dtype="int32")                          # characters, 0 is padding
    x = keras.layers.Embedding(5000, 128, mask_zero=True)(inputs)
    tags, potentials = CRF(4)(keras.layers.Dense(4)(x))
    model = keras.Model(inputs, [tags, potentials])
    model.compile("adam", loss=[None, CRFLoss()], metrics=[TagAccuracy(), None])
    model.fit(characters, y)                          # y: integer tags, anything behind the mask

Article: 苏剑林, 简明条件随机场CRF介绍, https://kexue.fm/archives/5542

The whole CRF of the article is the next four functions. `potentials` is one tensor that holds all a
CRF knows about a batch, so that a loss can be computed from it alone. Its rows 0 … T−1 are the
scores h(y_t; x) of the tags at each step, with the mask as last column. Its last K rows are the
scores g(y_t, y_{t+1}) of transitions. Steps that the mask leaves out are skipped, wherever they
stand: a transition leads from a real step to the next real one.
"""
# kexue-keras common/crf.py, version 1.1 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import keras
import numpy as np
from keras import ops

# The score of what constraints exclude: e^FORBIDDEN is 0 in float32, and no sum of it is infinite.
FORBIDDEN = -1e9
MOST_TAGS = 2 ** 30
REDUCTIONS = ("sum_over_batch_size", "token_mean", "sum", "mean", "mean_with_sample_weight", "none", None)


def log_partition(potentials):
    """log Z(x), (batch,): logarithm of the sum of e^score over all paths, by the recursion (10), which is
    (9) as a matrix product, in logarithms; ops.scan is the RNN of (11), with α = log Z_t as its state.

    This is the recursion to read. On TensorFlow the loss takes fast_log_partition, at the end of this file:
    the same number, by matrix products, with a gradient of its own.
    """
    _, mask, transitions = unpack(potentials)

    def step(alpha, inputs):
        h_t, state = inputs[:, :-1], inputs[:, -1:]
        after = ops.logsumexp(alpha[:, :, None] + transitions, axis=1)         # over the tag before
        alpha = advance(state, alpha, after, h_t)
        return alpha, alpha

    steps = time_major(potentials)
    alpha, _ = ops.scan(step, ops.zeros_like(steps[0, :, :-1]), steps)
    return ops.logsumexp(alpha, axis=-1) * ops.minimum(ops.sum(mask, axis=1), 1)


def path_score(potentials, tags):
    """f(y; x), equation (4): the scores of a path's tags and of its transitions; tags (batch, T)
    integers, result (batch,). NaN where a tag at a real step is not one of 0 … K−1."""
    h, mask, transitions = unpack(potentials)
    k = h.shape[-1]
    tags = ops.reshape(ops.cast(tags, "int32"), ops.shape(mask))
    valid = ops.logical_and(tags >= 0, tags < k)
    y = ops.one_hot(_carried(ops.where(valid, tags, -1), mask), k, dtype="float32")
    pairs = ops.sum(ops.matmul(y[:, :-1], transitions) * y[:, 1:], axis=2)
    score = ops.sum(ops.sum(h * y, axis=2) * mask, axis=1) + ops.sum(pairs * mask[:, 1:], axis=1)
    wrong = ops.any(ops.logical_and(mask > 0, ops.logical_not(valid)), axis=1)
    return ops.where(wrong, float("nan"), score)


def log_likelihood(potentials, tags):
    """log P(tags|x) in nats, minus equation (7): at most 0; tags (batch, T), result (batch,).

    About FORBIDDEN where the path, or every path, is forbidden; NaN as path_score.
    """
    partition = fast_log_partition if keras.backend.backend() == "tensorflow" else log_partition
    log_z = partition(potentials)
    # Where nothing is allowed, the difference of two numbers of size 1e9 would look like a loss.
    return path_score(potentials, tags) - ops.where(log_z < FORBIDDEN / 2, 0.0, log_z)


def viterbi(potentials):
    """The path of highest score, (batch, T) int32, −1 where the mask is False.

    Only scores are kept on the way. The best tag before is found once more on the way back, which
    is cheaper than to store a pointer for every tag.
    """
    _, mask, transitions = unpack(potentials)

    def forward(best, inputs):
        """best is (K, batch): with the batch last, processors take it in vectors."""
        h_t, state = inputs[:-1], inputs[-1:]
        pairs = best[:, None] + transitions[:, :, None]
        after = ops.max(pairs, axis=0, initial=-float("inf"))    # initial: for batches of no rows
        best = advance(state, best, after, h_t)
        return best, best

    def backward(tag, inputs):
        best, real_after = inputs[:-1], inputs[-1] > 0
        before = best_tag(best + ops.take(transitions, tag, axis=1))
        tag = ops.where(real_after, before, tag)
        return tag, tag

    steps = ops.transpose(time_major(potentials), (0, 2, 1))
    last, scores = scan(forward, ops.zeros_like(steps[0, :-1]), steps)
    scores = ops.concatenate([scores, next_step(steps)[:, -1:]], axis=1)
    _, tags = scan(backward, best_tag(last), scores, reverse=True)
    tags = ops.reshape(ops.transpose(tags)[:, :ops.shape(mask)[1]], ops.shape(mask))
    return ops.where(mask > 0, tags, -1)


def scan(step, start, inputs, reverse=False):
    """ops.scan for a step that puts out its state; on TensorFlow a loop that exports to ONNX and LiteRT.

    tf2onnx does not know the loop of ops.scan, and puts the states of a loop that writes backward in the
    wrong order, without an error: here they are written forward. docs/export.md replaces this loop.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.scan(step, start, inputs, reverse=reverse)
    count = tf.shape(inputs)[0]
    states = tf.TensorArray(start.dtype, count, element_shape=start.shape)

    def body(i, state, states):
        state, _ = step(state, inputs[count - 1 - i if reverse else i])
        return i + 1, state, states.write(i, state)

    _, state, states = tf.while_loop(lambda i, *_: i < count, body, (0, start, states), parallel_iterations=1)
    states = states.stack()
    return state, states[::-1] if reverse else states


def best_tag(scores):
    """The numbers of the best tags, (batch,) int32, for scores (K, batch)."""
    if keras.backend.backend() == "tensorflow":
        # ops.argmax tells −0 from 0 by their bits, which ONNX cannot.
        return tf.argmax(scores, axis=0, output_type="int32")
    return ops.cast(ops.argmax(scores, axis=0), "int32")


def unpack(potentials):
    """potentials → scores h (batch, T, K), mask (batch, T) of 0.0 and 1.0, transitions (K, K), in
    float32."""
    k = potentials.shape[-1] - 1
    if keras.backend.standardize_dtype(potentials.dtype) != "float32":
        # In float16 what is FORBIDDEN has become −inf.
        potentials = ops.maximum(ops.cast(potentials, "float32"), FORBIDDEN)
    transitions = ops.sum(potentials[:1, -k:, :-1], axis=0)    # of the first row, if there is one
    transitions = ops.reshape(transitions, (k, k))             # TensorFlow loses the first k if T is unknown
    return potentials[:, :-k, :-1], potentials[:, :-k, -1], transitions


def pack(h, mask, transitions):
    """The other way round: scores, mask and transitions in one tensor (batch, T + K, K + 1)."""
    steps = ops.concatenate([h, ops.expand_dims(mask, -1)], axis=-1)
    rows = ops.pad(transitions, [[0, 0], [0, 1]])
    rows = ops.broadcast_to(rows, (ops.shape(h)[0], *rows.shape))
    return ops.concatenate([steps, rows], axis=1)


def time_major(potentials):
    """What ops.scan walks over, (T, batch, K + 1): the scores of the steps, and in the last column 0
    at steps to skip, 1 at the first real step of a row, 2 at those that follow another one.

    Where T is 0 or not known yet, a step to skip follows, since TensorFlow has no loop of no steps.
    """
    h, mask, _ = unpack(potentials)
    numbers, first, _ = _ends(mask)
    state = mask * (1 + ops.cast(numbers > first, "float32"))
    steps = ops.concatenate([h, ops.expand_dims(state, -1)], axis=-1)
    if potentials.shape[1] in (None, h.shape[-1]):
        steps = ops.pad(steps, [[0, 0], [0, 1], [0, 0]])
    return ops.transpose(steps, (1, 0, 2))


def next_step(steps):
    """Time-major steps, moved by one: at each step what stands at the next one; zeros at the last."""
    return ops.concatenate([steps[1:], ops.zeros_like(steps[:1])], axis=0)


def advance(state, before, after, h_t, first=0.0):
    """A step of a recursion forward: `before` as it is at a step to skip, first + h_t at a first step,
    and after + h_t elsewhere; state is the last column of time_major."""
    return ops.where(state > 0, ops.where(state > 1, after, first) + h_t, before)


def _ends(mask):
    """The numbers of the steps, (T,), and of the first and the last real one, (batch, 1); float32."""
    steps = ops.arange(ops.shape(mask)[1], dtype="float32")
    some = {"axis": 1, "keepdims": True}
    first = ops.min(ops.where(mask > 0, steps, 1e9), initial=1e9, **some)
    return steps, first, ops.max(ops.where(mask > 0, steps, -1.0), initial=-1.0, **some)


def _carried(tags, mask):
    """Tags in which each skipped step repeats the tag of the last real step before it; −1 at steps
    without one. What is behind the last real step is −1, too."""
    unknown = -2
    steps, first, last = _ends(mask)
    inside = ops.logical_and(steps > first, steps < last)
    tags = ops.where(mask > 0, tags, ops.where(inside, unknown, -1))

    def fill(tags):
        before = ops.pad(tags, [[0, 0], [1, 0]], constant_values=-1)[:, :-1]
        return ops.where(tags == unknown, before, tags)

    # As many rounds as the longest hole has steps: none, where padding is on the right or the left.
    [tags] = ops.while_loop(lambda tags: ops.any(tags == unknown), lambda tags: (fill(tags),), (tags,))
    return tags


@keras.saving.register_keras_serializable(package="kexue")
class CRF(keras.layers.Layer):
    """Linear-chain conditional random field with one transition matrix for all steps.

        P(y|x) = e^f(y; x) / Z(x)                                                      equation (5)
        f(y; x) = Σ_t h(y_t; x) + Σ_t g(y_t, y_{t+1}) + s(y₁) + e(y_n)                 equation (4)

    The article has no scores s and e of start and end.

    Symbols: h = emissions, g = self.transitions, s, e = self.start, self.end, K = num_tags,
        T = steps.

    Args:
        num_tags: K.
        constraints: None, or a dict with booleans "transitions" (K × K), "start" (K) and "end" (K),
            as tag_constraints makes it. What is False never happens, in training and in decoding.
            An entry that is missing allows everything.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        emissions: (batch, T, K), real numbers, no softmax. T may differ from batch to batch. −inf
            forbids a tag at a step.
        mask: (batch, T), True at real steps. By default the mask that Keras hands on; give it
            explicitly after layers that drop masks, such as Conv1D. Steps that are False are
            skipped, wherever they stand: a transition leads from a real step to the next real one.
            A row without any True has log-likelihood 0.

    Output:
        tags: (batch, T) int32, the path of highest score (Viterbi), −1 where the mask is False.
        potentials: (batch, T + K, K + 1) float32, all that a loss or a decoder needs, see the top
            of this file. Give it to crf_loss, marginals, k_best, viterbi, log_likelihood.

    Raises:
        ValueError: num_tags that is no positive integer; constraints of another size, without any
            allowed tag, or with other numbers than 0 and 1; emissions that are not (batch, T, K); a
            mask that is not (batch, T). Called eagerly also a mask with other numbers than 0 and
            1, such as a mask to add. A compiled graph cannot raise: there, such steps are NaN.

    Precision: float32 under any dtype policy and any floatx, also for the weights. Scores up to
        ±1e4 give finite losses and gradients. Second derivatives are those of log_partition.

    Example:
        mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
        tags, potentials = CRF(4)(np.random.normal(size=(2, 5, 4)), mask=mask)
        print(crf_loss(np.zeros((2, 5), "int32"), potentials))     # −log p of 0 0 0 0 0, and of 0 0 0
        print(marginals(potentials)[0].shape)                      # (5, 4), rows sum to one
        print(tags)

    Reference: 苏剑林, 简明条件随机场CRF介绍, https://kexue.fm/archives/5542;
        Lafferty et al., Conditional Random Fields, ICML 2001
    """

    def __init__(self, num_tags, constraints=None, **kwargs):
        super().__init__(**kwargs, autocast=False)
        integer = isinstance(num_tags, (int, np.integer)) and not isinstance(num_tags, bool)
        if not integer or num_tags < 1:
            raise ValueError(f"num_tags expects a positive integer. Received: num_tags={num_tags!r}")
        self.num_tags = int(num_tags)
        self.supports_masking = True
        k = self.num_tags
        allowed = {"transitions": np.ones((k, k), bool), "start": np.ones(k, bool), "end": np.ones(k, bool)}
        if constraints is not None:
            allowed = _read_constraints(constraints, allowed)
        self.penalties = {name: np.where(value, 0, FORBIDDEN).astype("float32")
                          for name, value in allowed.items()}
        if constraints is not None:
            constraints = {name: value.tolist() for name, value in allowed.items()}    # as JSON has them
        self.constraints = constraints

    def build(self, input_shape):
        self._check(input_shape)
        k, options = self.num_tags, {"dtype": "float32", "autocast": False}
        self.transitions = self.add_weight(name="transitions", shape=(k, k),
                                           initializer="glorot_uniform", **options)
        self.start = self.add_weight(name="start", shape=(k,), initializer="zeros", **options)
        self.end = self.add_weight(name="end", shape=(k,), initializer="zeros", **options)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: k})

    def _check(self, shape, mask=None):
        """Refuses shapes of emissions and mask, as far as they are known."""
        shape = tuple(shape)
        if len(shape) != 3 or shape[-1] != self.num_tags:
            raise ValueError(f"{self.name} expects emissions of shape (batch, time, {self.num_tags}), "
                             f"a score for each tag. Received: shape={shape}")
        if mask is not None and not _fits(mask.shape, shape[:2]):
            raise ValueError(f"{self.name} expects a mask of shape (batch, time), as the emissions of shape "
                             f"{shape} have it. Received: mask.shape={tuple(mask.shape)}")

    def call(self, emissions, mask=None):
        potentials = self.potentials(emissions, mask)
        return viterbi(potentials), potentials

    def potentials(self, emissions, mask=None):
        """Everything about a batch in one tensor, (batch, T + K, K + 1)."""
        self._check(emissions.shape, mask)
        start = self.start + self.penalties["start"]
        end = self.end + self.penalties["end"]
        transitions = self.transitions + self.penalties["transitions"]
        h = ops.maximum(ops.cast(emissions, "float32"), FORBIDDEN)   # finite, since 0 · −inf is NaN
        real, h = _read_mask(mask, h)
        numbers, first, last = _ends(real)
        first, last = ops.cast(numbers == first, "float32"), ops.cast(numbers == last, "float32")
        h += ops.expand_dims(first, -1) * start + ops.expand_dims(last, -1) * end
        return pack(h, real, transitions)

    def compute_mask(self, inputs, mask=None):
        # Keras would multiply a loss on a masked output by the mask. Potentials carry it already.
        return None

    def compute_output_spec(self, emissions, mask=None):
        self._check(emissions.shape, mask)
        batch, time = emissions.shape[:2]
        rows = None if time is None else time + self.num_tags
        return (keras.KerasTensor((batch, time), "int32"),
                keras.KerasTensor((batch, rows, self.num_tags + 1), "float32"))

    def compute_output_shape(self, input_shape):
        batch, time, k = input_shape
        rows = None if time is None else time + k
        return (batch, time), (batch, rows, k + 1)

    def get_config(self):
        return {
            **super().get_config(),
            "num_tags": self.num_tags,
            "constraints": self.constraints,
        }


def _fits(shape, expected):
    """Whether a shape is the expected one, as far as both are known."""
    pairs = zip(shape, expected)
    return len(shape) == len(expected) and all(a == b or None in (a, b) for a, b in pairs)


def _read_mask(mask, h):
    """real (batch, T), 0.0 or 1.0, and the scores h, which become 0 at steps that are not real."""
    if mask is None:
        return ops.ones_like(h[..., 0]), h
    values = _concrete(mask)
    if values is not None and not np.isin(values, [0, 1]).all():
        row, step = np.argwhere(~np.isin(values, [0, 1]))[0]
        raise ValueError("mask expects True at real steps and False at others. "
                         f"Received: mask[{row}, {step}]={values[row, step]}")
    dtype = keras.backend.standardize_dtype(mask.dtype)
    mask = ops.reshape(mask, ops.shape(h)[:2])
    if dtype != "bool":
        neither = ops.logical_and(mask != 0, mask != 1)
        h = ops.where(neither[..., None], float("nan"), h)
    real = ops.cast(ops.cast(mask, "bool"), "float32")
    return real, ops.where(ops.expand_dims(real, -1) > 0, h, 0.0)        # 0 even where padding holds NaN


def _read_constraints(constraints, defaults):
    """Constraints as a user gives them → a dict of three boolean arrays."""
    if not isinstance(constraints, dict) or not set(constraints) <= set(defaults):
        raise ValueError(f"constraints expects a dict with some of the keys {sorted(defaults)}. "
                         f"Received: constraints={constraints!r}")
    allowed = dict(defaults)
    for name, value in constraints.items():
        value, shape = np.asarray(value), defaults[name].shape
        if value.shape != shape or not np.isin(value, [0, 1]).all() or not value.any():
            raise ValueError(f"constraints[{name!r}] expects booleans of shape {shape}, some of them True. "
                             f"Received: shape={value.shape}, constraints[{name!r}]={value.tolist()}")
        allowed[name] = value.astype(bool)
    return allowed


@keras.saving.register_keras_serializable(package="kexue")
def crf_loss(y_true, potentials):
    """−log p(y_true) in nats for each sentence: the loss for the CRF's second output. Keras takes the
    batch's mean, weighted by a sample_weight of shape (batch,).

    Steps have no weights, since the loss is no sum over steps: leave steps out by the mask. A function
    cannot see the weights that Keras multiplies it by; CRFLoss does, and refuses those of steps. Use
    no class_weight: Keras makes weights of sentences from it, by the position of the largest tag.

    Args:
        y_true: integer tags (batch, T) or (batch, T, 1), or one-hot (batch, T, K). At real steps
            they must be 0 … K−1; where the mask is False they may be anything.
        potentials: the second output of CRF.

    Output:
        (batch,). NaN for a sentence with a real step whose target is no tag: a number with a
        fraction, outside of 0 … K−1, or a row that is not one-hot.

    Raises:
        ValueError: targets of another shape. Called eagerly also targets that would give NaN, see
            check_tags.
    """
    mask, k = _check_potentials(potentials)
    tags = _read_tags(y_true, mask, k)
    known = _concrete(mask)
    if known is not None and _concrete(y_true) is not None and not _are_stand_ins(y_true):
        check_tags(_readable(y_true, tags), k, known > 0)
    return -log_likelihood(potentials, tags)


@keras.saving.register_keras_serializable(package="kexue")
def partial_crf_loss(y_true, potentials):
    """−log Σ p(y) in nats over all paths y that agree with what is known of each sentence.

    For sentences of which only some tags are labelled, or some steps have several possible tags.

    Args:
        y_true: 0 and 1 (batch, T, K), 1 at each tag that a step may have; or integer tags (batch, T) or
            (batch, T, 1), where −1 is an unknown tag. Where the mask is False it may be anything.
        potentials: the second output of CRF.

    Output:
        (batch,). Where some path is allowed: 0 if nothing is known, crf_loss if every tag is, and about 1e9
        if no allowed path agrees. NaN for a sentence with a real step that may have no tag, or whose
        target is no tag.

    Raises:
        ValueError: targets of another shape. Called eagerly also targets that would give NaN.

    Reference: Tsuboi et al., Training Conditional Random Fields Using Incomplete Annotations, COLING 2008
    """
    mask, k = _check_potentials(potentials)
    possible = _read_sets(y_true, mask, k)
    real = mask[..., None] > 0
    without = ops.logical_and(mask > 0, ops.logical_not(ops.any(possible, axis=-1)))
    known = _concrete(without)
    if known is not None and known.any():
        row, step = np.argwhere(known)[0]
        target = _concrete(y_true)[row, step].tolist()
        raise ValueError("y_true expects 0 and 1 with a 1 at each tag that a step may have, or tags "
                         f"−1 to {k - 1}. Received: y_true[{row}, {step}]={target}")
    h, mask, transitions = unpack(potentials)
    h = ops.where(ops.logical_or(possible, ops.logical_not(real)), h, FORBIDDEN)
    partition = fast_log_partition if keras.backend.backend() == "tensorflow" else log_partition
    log_z, log_z_of_some = partition(potentials), partition(pack(h, mask, transitions))
    # As in log_likelihood, where nothing is allowed.
    loss = ops.where(log_z < FORBIDDEN / 2, 0.0, log_z) - log_z_of_some
    return ops.where(ops.any(without, axis=1), float("nan"), loss)


@keras.saving.register_keras_serializable(package="kexue")
class CRFLoss(keras.losses.Loss):
    """crf_loss or partial_crf_loss as a class, which refuses weights that it cannot use.

    Args:
        reduction: "sum_over_batch_size", the mean over sentences; "token_mean", the sum divided by the
            number of real steps; or another one of Keras' losses.
        partial: True where y_true says which tags are possible, as partial_crf_loss has it.

    Call arguments:
        y_true, y_pred: as crf_loss or partial_crf_loss has them.
        sample_weight: None, or weights of sentences (batch,) or (batch, 1).

    Output:
        −log p(y_true) in nats, reduced. With "token_mean" a sentence of weight w counts as w sentences,
        in the sum and in the number of steps.

    Raises:
        ValueError: another reduction; partial that is not True or False; weights of steps, (batch, T); what
            crf_loss and partial_crf_loss raise.

    Precision: float32 under any floatx.

    Example:
        tags, potentials = CRF(4)(np.zeros((2, 5, 4), "float32"))
        loss = CRFLoss()                                  # model.compile("adam", loss=[None, CRFLoss()])
        print(loss(np.zeros((2, 5), "int32"), potentials, sample_weight=np.array([1.0, 0.5])))

    Reference: 苏剑林, 简明条件随机场CRF介绍, https://kexue.fm/archives/5542
    """

    def __init__(self, reduction="sum_over_batch_size", partial=False, name="crf_loss", dtype="float32"):
        if not isinstance(partial, bool):
            raise ValueError(f"partial expects True or False. Received: partial={partial!r}")
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction expects one of {', '.join(map(str, REDUCTIONS))}. "
                             f"Received: reduction={reduction!r}")
        self.token_mean = reduction == "token_mean"
        keras_reduction = "mean_with_sample_weight" if self.token_mean else reduction
        super().__init__(name=name, reduction=keras_reduction, dtype=dtype)
        self.partial = partial

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight, dtype="float32")
            if tuple(sample_weight.shape[1:]) not in ((), (1,)):
                raise ValueError("sample_weight expects weights of sentences, (batch,): leave steps out by "
                                 "the mask of CRF. "
                                 f"Received: sample_weight.shape={tuple(sample_weight.shape)}")
        if self.token_mean:
            # Keras' mean of loss / steps with these weights: the sum of losses divided by that of steps.
            weight = 1.0 if sample_weight is None else ops.reshape(sample_weight, (-1,))
            sample_weight = weight * _num_steps(y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        loss = partial_crf_loss(y_true, y_pred) if self.partial else crf_loss(y_true, y_pred)
        return loss / ops.maximum(_num_steps(y_pred), 1.0) if self.token_mean else loss

    def get_config(self):
        reduction = "token_mean" if self.token_mean else self.reduction
        mine = {"reduction": reduction, "partial": self.partial, "dtype": self.dtype}
        return {**super().get_config(), **mine}


def _num_steps(potentials):
    """How many real steps a sentence has, (batch,)."""
    mask, _ = _check_potentials(ops.convert_to_tensor(potentials, dtype="float32"))
    return ops.sum(mask, axis=1)


def _check_potentials(potentials):
    """The mask (batch, T) and the number of tags of what should be the second output of CRF."""
    if len(potentials.shape) != 3:
        raise ValueError("potentials expect the second output of CRF, (batch, T + K, K + 1). "
                         f"Received: potentials.shape={tuple(potentials.shape)}")
    _, mask, transitions = unpack(potentials)
    return mask, transitions.shape[0]


def _read_sets(y_true, steps, num_tags):
    """Partial targets → booleans (batch, T, K), False at all tags where a target is none."""
    tags = _read_tags(y_true, steps, num_tags, "0 and 1")
    if len(y_true.shape) == 3 and y_true.shape[2] != 1:
        # reshaped, which ends a graph whose sizes differ
        y = ops.reshape(ops.cast(y_true, "float32"), (*ops.shape(steps), num_tags))
        ones, zeros = y == 1, y == 0
        return ops.logical_and(ones, ops.all(ops.logical_or(ones, zeros), axis=-1, keepdims=True))
    unknown = ops.reshape(ops.equal(y_true, -1), ops.shape(steps))
    # one_hot of a number that is no tag is an error on PyTorch
    allowed = ops.equal(tags[..., None], ops.arange(num_tags, dtype="int32"))
    return ops.logical_or(allowed, unknown[..., None])


def _read_tags(y_true, steps, num_tags=None, kind="one-hot tags"):
    """Targets → integer tags (batch, T), −1 where a target is no tag.

    steps is a tensor (batch, T). Without num_tags, one-hot targets may have any number of classes. `kind` is
    for the message: what targets of rank 3 are.
    """
    if getattr(y_true.shape, "rank", 0) is None:
        # TensorFlow forgets the rank where one compiled function has seen targets of several ranks.
        raise ValueError("y_true expects targets of one rank in every call of a compiled model. "
                         "Received: y_true.shape=unknown")
    shape, expected = tuple(y_true.shape), tuple(steps.shape)
    classes = shape[2] if len(shape) == 3 else 1
    if not _fits(shape[:2], expected) or len(shape) > 3 or classes not in (1, num_tags or classes):
        raise ValueError(f"y_true expects integer tags (batch, time) or (batch, time, 1), or {kind} "
                         f"(batch, time, {num_tags or 'tags'}), where (batch, time) is {expected}. "
                         f"Received: y_true.shape={shape}")
    if classes != 1:
        y = ops.cast(y_true, "float32")
        ones = ops.sum(ops.cast(y == 1, "int32"), axis=-1)
        others = ops.sum(ops.cast(y != 0, "int32"), axis=-1)
        one_hot = ops.logical_and(ones == 1, others == 1)
        tags = ops.where(one_hot, ops.cast(ops.argmax(y, axis=-1), "int32"), -1)
    else:
        small = ops.logical_and(y_true >= -1, y_true < MOST_TAGS)      # others would become other numbers
        tags = ops.where(small, ops.cast(y_true, "int32"), -2)
        if "float" in keras.backend.standardize_dtype(y_true.dtype):
            tags = ops.where(ops.floor(y_true) == y_true, tags, -1)
    return ops.reshape(tags, ops.shape(steps))             # which ends a graph whose sizes differ


def _readable(y_true, tags):
    """The tags as an array for a message: as they were given, where that says more than −1."""
    values = np.squeeze(_concrete(y_true))
    tags = _concrete(tags)
    return values.reshape(tags.shape) if values.size == tags.size else tags


def check_tags(tags, num_tags, mask=None):
    """Raises a ValueError where integer tags or their mask are not what CRF expects. Call it on data
    before training on them.

    Args:
        tags: (batch, T) integers, 0 … num_tags − 1 at real steps.
        num_tags: K.
        mask: (batch, T), True at real steps; None where all are real.
    """
    tags = np.asarray(tags)
    mask = np.ones(tags.shape, bool) if mask is None else np.asarray(mask).astype(bool)
    if tags.ndim != 2 or tags.shape != mask.shape:
        raise ValueError("tags and mask expect one shape (batch, time). "
                         f"Received: shapes={tags.shape} and {mask.shape}")
    is_tag = (tags >= 0) & (tags < num_tags) & (tags == np.floor(tags))
    wrong = np.argwhere(mask & ~is_tag)
    if len(wrong):
        row, step = wrong[0]
        raise ValueError(f"tags expect integers 0 to {num_tags - 1} where the mask is True, or one-hot rows. "
                         f"Received: tags[{row}, {step}]={tags[row, step]}")


def _are_stand_ins(tensor):
    """Whether the values may be those from which Keras infers shapes on PyTorch, nothing but ones."""
    return keras.backend.backend() == "torch" and bool((_concrete(tensor) == 1).all())


def _concrete(tensor):
    """The tensor's values, or None inside a graph that is being compiled."""
    try:
        return ops.convert_to_numpy(tensor)
    except Exception:    # each backend has an exception of its own for this
        return None


@keras.saving.register_keras_serializable(package="kexue")
class TagAccuracy(keras.metrics.Mean):
    """Share of real steps whose decoded tag, on the Viterbi path, is the right one: a metric for the
    CRF's first output.

    Call arguments of update_state:
        y_true: integer tags (batch, T) or (batch, T, 1), or one-hot (batch, T, K).
        y_pred: decoded tags (batch, T), −1 where the mask is False.
        sample_weight: None, of sentences (batch,) or of steps (batch, T).

    Raises:
        ValueError: y_true or y_pred of another shape. Called eagerly also targets at real steps that
            are no tags: negative, with a fraction, or not one-hot. In a graph they give NaN.

    Example:
        metric = TagAccuracy()
        metric.update_state(np.array([[1, 2, 0]]), np.array([[1, 3, -1]]))
        print(metric.result())    # 0.5

    Reference: 苏剑林, 简明条件随机场CRF介绍, https://kexue.fm/archives/5542
    """

    def __init__(self, name="tag_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        if len(y_pred.shape) != 2:
            raise ValueError("TagAccuracy expects the first output of CRF, tags of shape (batch, time). "
                             f"Received: y_pred.shape={tuple(y_pred.shape)}")
        y_pred = ops.cast(y_pred, "int32")
        tags = _read_tags(y_true, y_pred)
        known = _concrete(y_pred)
        if known is not None and _concrete(y_true) is not None:
            check_tags(_readable(y_true, tags), MOST_TAGS, known >= 0)
        right = ops.cast(ops.equal(tags, y_pred), "float32")
        right = ops.where(ops.logical_and(tags < 0, y_pred >= 0), float("nan"), right)
        weight = ops.cast(y_pred >= 0, "float32")
        if sample_weight is not None:                       # of sentences or of steps
            sample_weight = ops.cast(sample_weight, "float32")
            if sample_weight.shape:
                sample_weight = ops.reshape(sample_weight, (*sample_weight.shape[:1], -1))
            weight *= sample_weight
        # Flat, since Mean would weigh the rows of a short batch as those of a long one.
        return super().update_state(ops.reshape(right, (-1,)), ops.reshape(weight, (-1,)))


def marginals(potentials):
    """p(y_t = k | x) for every step, (batch, T, K), by forward and backward recursion; zeros where the
    mask is False."""
    _, mask, transitions = unpack(potentials)

    def forward(alpha, inputs):
        after = ops.logsumexp(alpha[:, :, None] + transitions, axis=1)
        alpha = advance(inputs[:, -1:], alpha, after, inputs[:, :-1])
        return alpha, alpha

    def backward(beta, inputs):
        before = ops.logsumexp(transitions + (beta + inputs[:, :-1])[:, None, :], axis=2)
        beta = ops.where(inputs[:, -1:] > 0, before, beta)
        return beta, beta

    steps = time_major(potentials)
    nothing = ops.zeros_like(steps[0, :, :-1])
    _, alphas = ops.scan(forward, nothing, steps)
    _, betas = ops.scan(backward, nothing, next_step(steps), reverse=True)
    p = ops.transpose(ops.softmax(alphas + betas, axis=-1), (1, 0, 2))
    return p[:, :ops.shape(mask)[1]] * mask[..., None]


def k_best(potentials, k):
    """The k paths of highest score, best first: paths (batch, k, T) int32 and their log-probabilities
    (batch, k).

    Where a sentence has fewer than k paths, the rest has log-probability −inf and tags 0. Steps where the
    mask is False have tag 0. Works in graphs; gradients flow through the log-probabilities.

    Raises:
        ValueError: k that is no positive integer; potentials of another shape. Called eagerly also
            potentials whose last column is no mask, such as emissions; in a graph they give NaN.
    """
    _check_k(k)
    mask, num_tags = _check_potentials(potentials)
    valid = _are_potentials(potentials, mask, num_tags)
    known = _concrete(valid)
    if known is not None and not known.all():
        row = int(np.argmin(known))
        raise ValueError("potentials expect the second output of CRF, whose last column is the mask. "
                         f"Received: potentials[{row}, :, -1]={_concrete(potentials)[row, :, -1]}")
    _, _, transitions = unpack(potentials)
    steps = time_major(potentials)
    rows = ops.shape(steps)[1]
    one = np.where(np.arange(k) == 0, 0, -np.inf).astype("float32")    # so many paths end in a first tag
    none = np.where(np.arange(num_tags * k) == 0, 0, -np.inf).astype("float32").reshape(num_tags, k)

    def forward(carry, inputs):
        """carry: the scores of the k best paths that end in each tag, (batch, K, k), and the places in
        the carry before where these paths come from."""
        (best, _), h_t, state = carry, inputs[:, :-1, None], inputs[:, -1:, None]
        pairs = best[:, None] + ops.transpose(transitions)[:, :, None]           # (batch, to, from, k)
        after, before = ops.top_k(ops.reshape(pairs, (rows, num_tags, num_tags * k)), k)
        carry = advance(state, best, after, h_t, first=one), ops.cast(before, "int32")
        return carry, carry

    def backward(place, inputs):
        """place is (batch, k): number of the tag, times k, plus the rank among the paths that end there."""
        before = ops.take_along_axis(inputs[:, :-1], place, axis=1)
        return ops.where(inputs[:, -1:] > 1, before, place), place

    best = ops.zeros_like(steps[0, :, :-1, None]) + ops.convert_to_tensor(none)
    (best, _), (_, before) = ops.scan(forward, (best, ops.zeros_like(best, dtype="int32")), steps)
    score, place = ops.top_k(ops.reshape(best, (rows, num_tags * k)), k)
    before = ops.reshape(before, (ops.shape(steps)[0], rows, num_tags * k))
    before = ops.concatenate([before, ops.cast(steps[:, :, -1:], "int32")], axis=-1)
    _, places = ops.scan(backward, ops.cast(place, "int32"), before, reverse=True)
    possible, log_z = score > FORBIDDEN / 2, log_partition(potentials)[:, None]
    log_p = ops.where(possible, score - log_z, -float("inf"))
    wrong = ops.logical_or(ops.logical_not(valid)[:, None], ops.isnan(log_z))
    log_p = ops.where(wrong, float("nan"), log_p)
    paths = ops.transpose(places // k, (1, 2, 0))[:, :, :ops.shape(mask)[1]]
    chosen = ops.logical_and(possible[:, :, None], mask[:, None] > 0)
    return ops.where(chosen, paths, 0), log_p


@keras.saving.register_keras_serializable(package="kexue")
class KBest(keras.layers.Layer):
    """k_best as a layer, for functional models that put out the k best paths.

    Args:
        k: number of paths.
        **kwargs: name and so on, as for any Keras layer.

    Call arguments:
        potentials: the second output of CRF, (batch, T + K, K + 1).

    Output:
        paths (batch, k, T) int32 and their log-probabilities (batch, k), best first, as k_best has them.

    Raises:
        ValueError: k that is no positive integer; potentials of another shape.

    Precision: float32 under any dtype policy and any floatx.

    Example:
        emissions = keras.Input((None, 4))
        tags, potentials = CRF(4)(emissions)
        model = keras.Model(emissions, KBest(3)(potentials))
        paths, log_p = model.predict(np.zeros((2, 5, 4)))
        print(np.exp(log_p))                              # the three highest of 4⁵ probabilities

    Reference: Huang and Chiang, Better k-best Parsing, IWPT 2005
    """

    def __init__(self, k, **kwargs):
        super().__init__(**kwargs, autocast=False)
        _check_k(k)
        self.k = int(k)

    def build(self, input_shape):
        self.compute_output_shape(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: input_shape[-1]})

    def call(self, potentials):
        self.compute_output_shape(potentials.shape)
        return k_best(potentials, self.k)

    def compute_output_spec(self, potentials):
        paths, log_p = self.compute_output_shape(potentials.shape)
        return keras.KerasTensor(paths, "int32"), keras.KerasTensor(log_p, "float32")

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape)
        if len(shape) != 3 or shape[2] is None or shape[2] < 2 or (shape[1] or shape[2]) < shape[2] - 1:
            raise ValueError(f"{self.name} expects the second output of CRF, (batch, T + K, K + 1). "
                             f"Received: shape={shape}")
        steps = None if shape[1] is None else shape[1] - (shape[2] - 1)
        return (shape[0], self.k, steps), (shape[0], self.k)

    def get_config(self):
        return {**super().get_config(), "k": self.k}


def _are_potentials(potentials, mask, num_tags):
    """Whether the last column is a mask, and 0 beside the transitions; (batch,)."""
    is_mask = ops.all(ops.logical_or(mask == 0, mask == 1), axis=1)
    return ops.logical_and(is_mask, ops.all(potentials[:, -num_tags:, -1] == 0, axis=1))


def _check_k(k):
    if not isinstance(k, (int, np.integer)) or isinstance(k, bool) or k < 1:
        raise ValueError(f"k expects a positive integer. Received: k={k!r}")


def tag_constraints(labels, scheme=None):
    """What may follow what, for tags of a scheme, as CRF's `constraints`.

    Args:
        labels: names of the tags in their order, such as ["B", "M", "E", "S"] or
            ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"].
        scheme: "BMES", which may have O, too; "BIO"; "BIOES"; "BIOUL", where L is E and U is S; or
            "IOB1", where B stands only between two neighbours of one type. None finds out which it
            is, by the letters, but for IOB1, whose letters are those of BIO.

    Raises:
        ValueError: labels that are not of one scheme, or another scheme.
    """
    kinds = [label.partition("-")[0] for label in labels]
    types = [label.partition("-")[2] for label in labels]
    letters = {"BIO": "BIO", "BMES": "BMESO", "BIOES": "BIOES", "BIOUL": "BIOUL", "IOB1": "BIO"}
    fitting = [name for name, known in letters.items() if set(kinds) <= set(known)]
    if scheme not in (None, *letters):
        raise ValueError(f"scheme expects None or one of {list(letters)}. Received: scheme={scheme!r}")
    if not fitting or scheme not in (None, *fitting):
        raise ValueError(f"labels expect one scheme, {scheme or 'one of ' + ', '.join(letters)}, with types "
                         f"after a dash. Received: labels={labels}")
    scheme = scheme or fitting[0]
    if scheme == "IOB1":
        inside, opens, continues = {"B"}, set(), {"B", "I"}
    elif scheme == "BIO":                                 # has no tag that must be continued
        inside, opens, continues = {"I"}, set(), {"B", "I"}
    else:
        inside, opens, continues = {"M", "I", "E", "L"}, {"B", "M", "I"}, {"B", "M", "I"}

    def allowed(a, b):
        if kinds[b] in inside:
            return kinds[a] in continues and types[a] == types[b]
        return kinds[a] not in opens

    numbers = range(len(labels))
    transitions = []
    for a in numbers:
        transitions.append([allowed(a, b) for b in numbers])
    return {
        "transitions": transitions,
        "start": [kind not in inside for kind in kinds],
        "end": [kind not in opens for kind in kinds],
    }


if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def fast_log_partition(potentials):
        """log_partition with its gradient from one forward-backward recursion, which XLA compiles by
        itself.

        It is compiled inside a model whose other layers XLA would slow down. XLA compiles once for
        each length, so let lengths come from few buckets. benchmarks/crf_layer measures it beside
        the plain recursion.
        """
        return _log_partition(*unpack(potentials))

    @tf.custom_gradient
    def _log_partition(h, mask, transitions):
        # This function has its own gradient: a tape must not try to differentiate what XLA compiled.
        constants = tuple(map(tf.stop_gradient, (h, mask, transitions)))
        log_z, gamma, *parts = _forward_backward(*constants)

        def gradient(upstream):
            """d log Z / d score is how often the score is used, on average over p(y|x)."""
            weights = tf.stop_gradient(upstream)
            used = weights[:, None, None] * gamma, _count(weights, constants[2], *parts)

            @tf.custom_gradient
            def counts(upstream, h, transitions):
                def second(*upstreams):
                    return _second_derivative(upstream, h, mask, transitions, upstreams)

                return used, second

            of_h, of_transitions = counts(upstream, h, transitions)
            return of_h, tf.zeros_like(mask), of_transitions

        return log_z, gradient

    def _second_derivative(weights, h, mask, transitions, upstreams):
        """By automatic differentiation of the plain recursion, by weights, h and transitions."""
        inputs = [weights, h, transitions]
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs[1:])
                log_z = log_partition(pack(h, mask, transitions))
            slopes = inner.gradient(log_z, inputs[1:], output_gradients=weights)
        return outer.gradient(slopes, inputs, output_gradients=list(upstreams),
                              unconnected_gradients="zero")

    @tf.function(jit_compile=True)
    def _forward_backward(h, mask, transitions):
        """log Z (batch,), p(y_t) (batch, T, K), and what _count takes: follows, left, right, exact."""
        time = tf.shape(mask)[1]
        more = tf.maximum(2 - time, 1)               # steps: a loop of no steps does not compile
        padding = [[0, more], [0, 0], [0, 0]]
        h = tf.pad(tf.transpose(h, (1, 0, 2)), padding)
        steps = tf.pad(tf.transpose(mask)[:, :, None], padding)
        numbers = tf.range(time + more)[:, None, None]
        first = tf.reduce_min(tf.where(steps > 0, numbers, time + more), axis=0)
        follows = steps * tf.cast(numbers > first, steps.dtype)         # a real step before it
        alphas, norms, exact = _scaled_forward(h, steps + follows, transitions)
        # Probabilities that are scaled at every step need matrix products and no logarithms. But
        # one below 1e-38 would be lost, and with it a path that later steps may leave as the only
        # one. While every tag keeps 1e-25 nothing is lost. Where scores range further, or
        # constraints forbid something, the recursion runs on logarithms.
        log_z, gamma, left, right = tf.cond(
            exact,
            lambda: _scaled_backward(h, steps, follows, transitions, alphas, norms),
            lambda: _in_log_space(h, steps + follows, follows, transitions))
        gamma = tf.transpose((gamma * steps)[:time], (1, 0, 2))
        some = tf.minimum(tf.reduce_sum(mask, axis=1), 1)
        return log_z * some, gamma, follows[1:, :, 0], left, right, exact

    @tf.function(jit_compile=True)
    def _count(weights, transitions, follows, left, right, exact):
        """Expected number of each transition, (K, K), over the weighted sentences (batch,).

        A transition at step t has the probability left · e^transitions · right if exact, and else
        the softmax over all pairs of left + transitions + right. The former is one matrix product
        for all steps and sentences.
        """
        def summed_in_log_space():
            def add(counts, inputs):
                before, after, weight = inputs
                pairs = before[:, :, None] + transitions + after[:, None, :]
                p = tf.nn.softmax(tf.reshape(pairs, (tf.shape(pairs)[0], -1)))
                p = tf.reshape(p, tf.shape(pairs))
                return counts + tf.einsum("b,bij->ij", weight, p)

            return tf.foldl(add, (left, right, follows * weights), tf.zeros_like(transitions))

        def multiplied():
            k = left.shape[-1]
            weighted = tf.reshape(left * weights[:, None], (-1, k))
            pairs = tf.matmul(weighted, tf.reshape(right, (-1, k)), transpose_a=True)
            return tf.exp(transitions - tf.reduce_max(transitions)) * pairs

        return tf.cond(exact, multiplied, summed_in_log_space)

    def _scaled_forward(h, state, transitions):
        p = tf.exp(transitions - tf.reduce_max(transitions))
        e = tf.exp(h - tf.reduce_max(h, axis=-1, keepdims=True))

        def step(carry, inputs):
            (alpha, _), (e_t, state_t) = carry, inputs
            after = tf.where(state_t > 1, tf.matmul(alpha, p), 1) * e_t
            norm = tf.reduce_sum(after, axis=-1, keepdims=True)
            real = state_t > 0
            return tf.where(real, after / norm, alpha), tf.where(real, norm, 1)

        norm = tf.reduce_sum(e[0], axis=-1, keepdims=True)
        alpha = e[0] / norm
        alphas, norms = tf.scan(step, (e[1:], state[1:]), (alpha, norm))
        alphas = tf.concat([alpha[None], alphas], axis=0)
        norms = tf.concat([norm[None], norms], axis=0)
        exact = tf.reduce_all(alphas > 1e-25) & (tf.reduce_min(transitions) > FORBIDDEN / 2)
        return alphas, norms, exact

    def _scaled_backward(h, steps, follows, transitions, alphas, norms):
        h_max, t_max = tf.reduce_max(h, axis=-1, keepdims=True), tf.reduce_max(transitions)
        p, e = tf.exp(transitions - t_max), tf.exp(h - h_max)

        def step(carry, inputs):
            (beta, _), (weight, follows_t) = carry, inputs
            weighted = weight * beta * follows_t
            before = tf.matmul(weighted, p, transpose_b=True)
            return tf.where(follows_t > 0, before, beta), weighted

        last = tf.ones_like(h[0])
        betas, weighted = tf.scan(step, (e[1:] / norms[1:], follows[1:]),
                                  (last, tf.zeros_like(last)), reverse=True)
        betas = tf.concat([betas, last[None]], axis=0)
        log_z = tf.reduce_sum(steps * (tf.math.log(norms) + h_max), axis=0)
        log_z += t_max * tf.reduce_sum(follows, axis=0)
        return log_z[:, 0], alphas * betas, alphas[:-1], weighted

    def _in_log_space(h, state, follows, transitions):
        def forward(alpha, inputs):
            h_t, state_t = inputs
            after = tf.reduce_logsumexp(alpha[:, :, None] + transitions, axis=1)
            return advance(state_t, alpha, after, h_t)

        def backward(beta, inputs):
            h_t, follows_t = inputs
            before = tf.reduce_logsumexp(transitions + (h_t + beta)[:, None, :], axis=2)
            return tf.where(follows_t > 0, before, beta)

        alphas = tf.scan(forward, (h[1:], state[1:]), h[0])
        alphas = tf.concat([h[:1], alphas], axis=0)
        last = tf.zeros_like(h[0])
        betas = tf.scan(backward, (h[1:], follows[1:]), last, reverse=True)
        betas = tf.concat([betas, last[None]], axis=0)
        log_z = tf.reduce_logsumexp(alphas[-1], axis=-1)
        return log_z, tf.nn.softmax(alphas + betas), alphas[:-1], (h + betas)[1:]
