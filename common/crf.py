"""Linear-chain conditional random field (CRF): a layer, its exact loss and its decoder for Keras 3.

Copy this file into any Keras 3 project; it needs keras and numpy alone.

    inputs = keras.Input((None,), dtype="int32")                          # characters, 0 is padding
    x = keras.layers.Embedding(5000, 128, mask_zero=True)(inputs)
    tags, potentials = CRF(4)(keras.layers.Dense(4)(x))
    model = keras.Model(inputs, [tags, potentials])
    model.compile("adam", loss=[None, crf_loss], metrics=[TagAccuracy(), None])
    model.fit(characters, y)                          # y: integer tags, anything behind the mask

Article: 苏剑林, 简明条件随机场CRF介绍, https://kexue.fm/archives/5542

The whole CRF of the article is the next four functions. `potentials` is one tensor that holds all a
CRF knows about a batch, so that a loss can be computed from it alone. Its rows 0 … T−1 are the
scores h(y_t; x) of the tags at each step, with the mask as last column. Its last K rows are the
scores g(y_t, y_{t+1}) of transitions.
"""
# kexue-keras common/crf.py, version 1.0 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import keras
import numpy as np
from keras import ops

# The score of what constraints exclude: e^FORBIDDEN is 0 in float32, and no sum of it is infinite.
FORBIDDEN = -1e9


def log_partition(potentials):
    """log Z(x), (batch,): logarithm of the sum of e^score over all paths, by the recursion (9) in
    logarithms."""
    h, mask, transitions = unpack(potentials)

    def step(alpha, inputs):
        h_t, real = inputs[:, :-1], inputs[:, -1:] > 0
        after = ops.logsumexp(alpha[:, :, None] + transitions, axis=1) + h_t   # over the tag before
        alpha = ops.where(real, after, alpha)                                  # unchanged by padding
        return alpha, alpha

    steps = time_major(potentials)
    alpha, _ = ops.scan(step, h[:, 0], steps[1:])
    return ops.logsumexp(alpha, axis=-1) * mask[:, 0]


def path_score(potentials, tags):
    """f(y; x), equation (4): the scores of a path's tags and of its transitions; tags (batch, T),
    result (batch,)."""
    h, mask, transitions = unpack(potentials)
    y = ops.one_hot(tags, h.shape[-1], dtype="float32") * mask[..., None]
    pairs = ops.sum(ops.matmul(y[:, :-1], transitions) * y[:, 1:], axis=(1, 2))
    return ops.sum(h * y, axis=(1, 2)) + pairs


def log_likelihood(potentials, tags):
    """log P(tags|x) in nats, minus equation (7): at most 0; tags (batch, T), result (batch,)."""
    partition = fast_log_partition if keras.backend.backend() == "tensorflow" else log_partition
    return path_score(potentials, tags) - partition(potentials)


def viterbi(potentials):
    """The path of highest score, (batch, T) int32, −1 behind the mask.

    Only scores are kept on the way. The best tag before is found once more on the way back, which
    is cheaper than to store a pointer for every tag.
    """
    h, mask, transitions = unpack(potentials)

    def forward(best, inputs):
        """best is (K, batch): with the batch last, processors take it in vectors."""
        h_t, real = inputs[:-1], inputs[-1:] > 0
        after = ops.max(best[:, None] + transitions[:, :, None], axis=0) + h_t
        best = ops.where(real, after, best)
        return best, best

    def backward(tag, inputs):
        best, real_after = inputs[:-1], inputs[-1] > 0
        before = ops.argmax(best + ops.take(transitions, tag, axis=1), axis=0)
        tag = ops.where(real_after, ops.cast(before, "int32"), tag)
        return tag, tag

    steps = ops.transpose(time_major(potentials), (0, 2, 1))
    last, scores = ops.scan(forward, steps[0, :-1], steps[1:])
    scores = ops.concatenate([steps[:1, :-1], scores], axis=0)[:-1]
    last = ops.cast(ops.argmax(last, axis=0), "int32")
    scores_and_mask = ops.concatenate([scores, steps[1:, -1:]], axis=1)
    _, tags = ops.scan(backward, last, scores_and_mask, reverse=True)
    tags = ops.transpose(ops.concatenate([tags, last[None]], axis=0))
    return ops.where(mask > 0, tags, -1)


def unpack(potentials):
    """potentials → scores h (batch, T, K), mask (batch, T) of 0.0 and 1.0, transitions (K, K)."""
    k = potentials.shape[-1] - 1
    transitions = ops.reshape(potentials[0, -k:, :-1], (k, k))
    return potentials[:, :-k, :-1], potentials[:, :-k, -1], transitions


def time_major(potentials):
    """Scores and mask of the steps as ops.scan walks over them, (T, batch, K + 1)."""
    k = potentials.shape[-1] - 1
    return ops.transpose(potentials[:, :-k], (1, 0, 2))


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
        constraints: None, or a dict with boolean lists "transitions" (K × K), "start" (K) and
            "end" (K), as tag_constraints makes it. What is False never happens, in training and in
            decoding.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        emissions: (batch, T, K), real numbers, no softmax. T may differ from batch to batch.
        mask: (batch, T), True at real steps, which stand on the left. By default the mask that
            Keras hands on; give it explicitly after layers that drop masks, such as Conv1D. From
            its first False on, a row is padding. A row without any True has log-likelihood 0.

    Output:
        tags: (batch, T) int32, the path of highest score (Viterbi), −1 behind the mask.
        potentials: (batch, T + K, K + 1) float32, all that a loss or a decoder needs, see the top
            of this file. Give it to crf_loss, marginals, k_best, viterbi, log_likelihood.

    Raises:
        ValueError: emissions that are not (batch, T, K); constraints of another size or without any
            allowed tag. Called eagerly also a mask with a hole, see check_tags. A compiled graph
            cannot raise: there, padding begins at the hole.

    Precision: float32 under any dtype policy, also for the weights. Scores up to ±1e4 give finite
        losses and gradients.

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
        self.num_tags, self.constraints = num_tags, constraints
        self.supports_masking = True
        shapes = {"transitions": (num_tags, num_tags), "start": (num_tags,), "end": (num_tags,)}
        self.penalties = {}
        for name, shape in shapes.items():
            allowed = np.ones(shape, bool)
            if constraints is not None:
                allowed = np.asarray(constraints[name], bool)
            if allowed.shape != shape or not allowed.any():
                raise ValueError(f"constraints[{name!r}] expects booleans of shape {shape}, some of "
                                 f"them True. Received: shape={allowed.shape}")
            self.penalties[name] = np.where(allowed, 0, FORBIDDEN).astype("float32")

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] != self.num_tags:
            raise ValueError(f"{self.name} expects emissions of shape (batch, time, {self.num_tags}), "
                             f"a score for each tag. Received: shape={tuple(input_shape)}")
        k, options = self.num_tags, {"dtype": "float32", "autocast": False}
        self.transitions = self.add_weight(name="transitions", shape=(k, k),
                                           initializer="glorot_uniform", **options)
        self.start = self.add_weight(name="start", shape=(k,), initializer="zeros", **options)
        self.end = self.add_weight(name="end", shape=(k,), initializer="zeros", **options)

    def call(self, emissions, mask=None):
        potentials = self.potentials(emissions, mask)
        return viterbi(potentials), potentials

    def potentials(self, emissions, mask=None):
        """Everything about a batch in one tensor, (batch, T + K, K + 1)."""
        start = self.start + self.penalties["start"]
        end = self.end + self.penalties["end"]
        transitions = self.transitions + self.penalties["transitions"]
        h = ops.cast(emissions, "float32")
        if mask is None:
            mask = ops.ones_like(h[..., 0], "bool")
        else:
            values = _concrete(mask)
            if values is not None:
                check_tags(np.zeros(values.shape, "int32"), self.num_tags, values)
            mask = ops.cast(mask, "bool")
        # A hole in the mask and all behind it is padding. On TensorFlow cumprod forgets the rank.
        real = ops.reshape(ops.cumprod(ops.cast(mask, "float32"), axis=1), ops.shape(h)[:2])
        h = ops.where(real[..., None] > 0, h, 0.0)                 # even where padding holds NaN
        nothing = ops.zeros_like(real[:, :1])
        first = real * (1 - ops.concatenate([nothing, real[:, :-1]], axis=1))
        last = real * (1 - ops.concatenate([real[:, 1:], nothing], axis=1))
        h += first[..., None] * start + last[..., None] * end
        steps = ops.concatenate([h, real[..., None]], axis=-1)
        rows = ops.pad(transitions, [[0, 0], [0, 1]])[None] + ops.zeros_like(h[:, :1, :1])
        return ops.concatenate([steps, rows], axis=1)

    def compute_mask(self, inputs, mask=None):
        # Keras would multiply a loss on a masked output by the mask. Potentials carry it already.
        return None

    def compute_output_spec(self, emissions, mask=None):
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


@keras.saving.register_keras_serializable(package="kexue")
def crf_loss(y_true, potentials):
    """−log p(y_true) in nats for each sentence: the loss for the CRF's second output. Keras takes the
    batch's mean.

    Args:
        y_true: integer tags (batch, T), or one-hot (batch, T, K); behind the mask anything. At real
            steps they must be 0 … K−1. A compiled graph cannot raise: there, any other tag counts
            with score 0, and the result is no likelihood.
        potentials: the second output of CRF.

    Raises:
        ValueError: called eagerly with tags out of range, see check_tags.
    """
    if len(y_true.shape) == 3:
        y_true = ops.argmax(y_true, axis=-1)
    tags = _concrete(y_true)
    known = None if tags is None else _concrete(potentials)
    if known is not None:
        check_tags(tags, known.shape[-1] - 1, known[:, :tags.shape[1], -1] > 0)
    return -log_likelihood(potentials, ops.cast(y_true, "int32"))


def check_tags(tags, num_tags, mask=None):
    """Raises a ValueError where integer tags or their mask are not what CRF expects. Call it on data
    before training on them.

    Args:
        tags: (batch, T) integers, 0 … num_tags − 1 at real steps.
        num_tags: K.
        mask: (batch, T), True at real steps, which stand on the left of each row; None where all
            are real.
    """
    tags = np.asarray(tags)
    mask = np.ones(tags.shape, bool) if mask is None else np.asarray(mask).astype(bool)
    if tags.ndim != 2 or tags.shape != mask.shape:
        raise ValueError("tags and mask expect one shape (batch, time). "
                         f"Received: shapes={tags.shape} and {mask.shape}")
    holes = np.argwhere(mask[:, 1:] & ~mask[:, :-1])
    if len(holes):
        row, step = holes[0]
        raise ValueError("mask expects True on the left and False behind it in every row. "
                         f"Received: row {row} with a hole before step {step + 1}")
    wrong = np.argwhere(mask & ((tags < 0) | (tags >= num_tags)))
    if len(wrong):
        row, step = wrong[0]
        raise ValueError(f"tags expect 0 to {num_tags - 1} where the mask is True. "
                         f"Received: {tags[row, step]} in row {row} at step {step}")


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

    Example:
        metric = TagAccuracy()
        metric.update_state(np.array([[1, 2, 0]]), np.array([[1, 3, -1]]))
        print(metric.result())    # 0.5

    Reference: 苏剑林, 简明条件随机场CRF介绍, https://kexue.fm/archives/5542
    """

    def __init__(self, name="tag_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        if len(y_true.shape) == 3:
            y_true = ops.argmax(y_true, axis=-1)
        right = ops.cast(ops.equal(ops.cast(y_true, "int32"), y_pred), "float32")
        weight = ops.cast(y_pred >= 0, "float32")
        if sample_weight is not None:                       # of sentences or of steps
            sample_weight = ops.cast(sample_weight, "float32")
            if sample_weight.shape:
                sample_weight = ops.reshape(sample_weight, (*sample_weight.shape[:1], -1))
            weight *= sample_weight
        return super().update_state(right, weight)


def marginals(potentials):
    """p(y_t = k | x) for every step, (batch, T, K), by forward and backward recursion; zeros behind
    the mask."""
    h, mask, transitions = unpack(potentials)

    def forward(alpha, inputs):
        after = ops.logsumexp(alpha[:, :, None] + transitions, axis=1) + inputs[:, :-1]
        alpha = ops.where(inputs[:, -1:] > 0, after, alpha)
        return alpha, alpha

    def backward(beta, inputs):
        before = ops.logsumexp(transitions + (beta + inputs[:, :-1])[:, None, :], axis=2)
        beta = ops.where(inputs[:, -1:] > 0, before, beta)
        return beta, beta

    steps = time_major(potentials)
    _, alphas = ops.scan(forward, h[:, 0], steps[1:])
    _, betas = ops.scan(backward, ops.zeros_like(h[:, 0]), steps[1:], reverse=True)
    alphas = ops.concatenate([h[None, :, 0], alphas], axis=0)
    betas = ops.concatenate([betas, ops.zeros_like(h[None, :, 0])], axis=0)
    return ops.transpose(ops.softmax(alphas + betas, axis=-1), (1, 0, 2)) * mask[..., None]


def k_best(potentials, k):
    """The k paths of highest score, best first: paths (batch, k, T) int32 and their
    log-probabilities (batch, k).

    In NumPy, for looking at a model, not for training. Where a sentence has fewer than k paths, the
    rest has log-probability −inf and tags 0.
    """
    parts = [ops.convert_to_numpy(part).astype("float64") for part in unpack(potentials)]
    h, mask, transitions = parts
    log_z = ops.convert_to_numpy(log_partition(potentials))
    paths = np.zeros((len(h), k, h.shape[1]), "int32")
    log_p = np.full((len(h), k), -np.inf)
    for b, length in enumerate(mask.sum(axis=1).astype(int)):
        if not length:
            log_p[b, 0] = 0
            continue
        best = _best_paths(h[b, :length], transitions, k)
        for rank, (score, path) in enumerate(best):
            log_p[b, rank] = score - log_z[b]
            paths[b, rank, :length] = path
    return paths, log_p


def _best_paths(h, transitions, k):
    """Yields score and path of the at most k best paths of one sentence, best first; h is (T, K)."""
    tags = h.shape[1]
    scores, pointers = h[0][:, None], []                       # (K, kept paths that end in this tag)
    for h_t in h[1:]:
        every = scores[:, None, :] + transitions[:, :, None]                     # (from, to, kept)
        every = every.transpose(1, 0, 2).reshape(tags, -1)                       # (to, from × kept)
        order = np.argsort(-every, axis=1, kind="stable")[:, :k]
        pointers.append((order // scores.shape[1], order % scores.shape[1]))
        scores = np.take_along_axis(every, order, axis=1) + h_t[:, None]
    for place in np.argsort(-scores, axis=None, kind="stable")[:k]:
        tag, kept = np.unravel_index(place, scores.shape)
        score, path = scores[tag, kept], [tag]
        if score < FORBIDDEN / 2:
            return
        for tags_before, kept_before in reversed(pointers):
            tag, kept = tags_before[tag, kept], kept_before[tag, kept]
            path.append(tag)
        yield score, path[::-1]


def tag_constraints(labels):
    """What may follow what, for tags of the BIO or the BMES scheme, as CRF's `constraints`.

    Args:
        labels: names of the tags in their order, such as ["B", "M", "E", "S"] or
            ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"].

    Raises:
        ValueError: a label begins with none of B, M, E, S, I, O, or I and M stand together.
    """
    kinds = [label.partition("-")[0] for label in labels]
    if not set(kinds) <= set("BMES") and not set(kinds) <= set("BIO"):
        raise ValueError("labels expect one scheme, B M E S or B I O, with types after a dash. "
                         f"Received: labels={labels}")
    types = [label.partition("-")[2] for label in labels]
    if "E" in kinds or "S" in kinds:
        inside, opens, continues = {"M", "E"}, {"B", "M"}, {"B", "M"}
    else:                                                 # B I O has no tag that must be continued
        inside, opens, continues = {"I"}, set(), {"B", "I"}

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
        h, mask, transitions = map(tf.stop_gradient, (h, mask, transitions))
        log_z, gamma, *parts = _forward_backward(h, mask, transitions)

        def gradient(upstream):
            """d log Z / d score is how often the score is used, on average over p(y|x)."""
            counts = _count(upstream, mask, transitions, *parts)
            return upstream[:, None, None] * gamma, tf.zeros_like(mask), counts

        return log_z, gradient

    @tf.function(jit_compile=True)
    def _forward_backward(h, mask, transitions):
        """log Z (batch,), p(y_t) (batch, T, K), and of what _count takes left, right and exact."""
        padding = [[0, 1], [0, 0], [0, 0]]    # of one step, since a loop of no steps does not compile
        h = tf.pad(tf.transpose(h, (1, 0, 2)), padding)
        steps = tf.pad(tf.transpose(mask)[:, :, None], padding)
        alphas, norms, exact = _scaled_forward(h, steps > 0, transitions)
        # Probabilities that are scaled at every step need matrix products and no logarithms. But
        # one below 1e-38 would be lost, and with it a path that later steps may leave as the only
        # one. While every tag keeps 1e-25 nothing is lost. Where scores range further, or
        # constraints forbid something, the recursion runs on logarithms.
        log_z, gamma, left, right = tf.cond(
            exact,
            lambda: _scaled_backward(h, steps, transitions, alphas, norms),
            lambda: _in_log_space(h, steps > 0, transitions))
        gamma = tf.transpose((gamma * steps)[:-1], (1, 0, 2))
        return log_z * mask[:, 0], gamma, left, right, exact

    @tf.function(jit_compile=True)
    def _count(weights, mask, transitions, left, right, exact):
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

            real = tf.pad(tf.transpose(mask)[1:], [[0, 1], [0, 0]])
            return tf.foldl(add, (left, right, real * weights), tf.zeros_like(transitions))

        def multiplied():
            k = left.shape[-1]
            weighted = tf.reshape(left * weights[:, None], (-1, k))
            pairs = tf.matmul(weighted, tf.reshape(right, (-1, k)), transpose_a=True)
            return tf.exp(transitions - tf.reduce_max(transitions)) * pairs

        return tf.cond(exact, multiplied, summed_in_log_space)

    def _scaled_forward(h, real, transitions):
        p = tf.exp(transitions - tf.reduce_max(transitions))
        e = tf.exp(h - tf.reduce_max(h, axis=-1, keepdims=True))

        def step(carry, inputs):
            (alpha, _), (e_t, real_t) = carry, inputs
            after = tf.matmul(alpha, p) * e_t
            norm = tf.reduce_sum(after, axis=-1, keepdims=True)
            return tf.where(real_t, after / norm, alpha), tf.where(real_t, norm, tf.ones_like(norm))

        norm = tf.reduce_sum(e[0], axis=-1, keepdims=True)
        alpha = e[0] / norm
        alphas, norms = tf.scan(step, (e[1:], real[1:]), (alpha, norm))
        alphas = tf.concat([alpha[None], alphas], axis=0)
        norms = tf.concat([norm[None], norms], axis=0)
        exact = tf.reduce_all(alphas > 1e-25) & (tf.reduce_min(transitions) > FORBIDDEN / 2)
        return alphas, norms, exact

    def _scaled_backward(h, steps, transitions, alphas, norms):
        h_max, t_max = tf.reduce_max(h, axis=-1, keepdims=True), tf.reduce_max(transitions)
        p, e = tf.exp(transitions - t_max), tf.exp(h - h_max)

        def step(carry, inputs):
            (beta, _), (weight, step_t) = carry, inputs
            weighted = weight * beta * step_t
            before = tf.matmul(weighted, p, transpose_b=True)
            return tf.where(step_t > 0, before, beta), weighted

        last = tf.ones_like(h[0])
        betas, weighted = tf.scan(step, (e[1:] / norms[1:], steps[1:]), (last, tf.zeros_like(last)),
                                  reverse=True)
        betas = tf.concat([betas, last[None]], axis=0)
        log_z = tf.reduce_sum(steps * (tf.math.log(norms) + h_max), axis=0)
        log_z += t_max * tf.reduce_sum(steps[1:], axis=0)
        return log_z[:, 0], alphas * betas, alphas[:-1], weighted

    def _in_log_space(h, real, transitions):
        def forward(alpha, inputs):
            h_t, real_t = inputs
            after = tf.reduce_logsumexp(alpha[:, :, None] + transitions, axis=1) + h_t
            return tf.where(real_t, after, alpha)

        def backward(beta, inputs):
            h_t, real_t = inputs
            before = tf.reduce_logsumexp(transitions + (h_t + beta)[:, None, :], axis=2)
            return tf.where(real_t, before, beta)

        alphas = tf.scan(forward, (h[1:], real[1:]), h[0])
        alphas = tf.concat([h[:1], alphas], axis=0)
        last = tf.zeros_like(h[0])
        betas = tf.scan(backward, (h[1:], real[1:]), last, reverse=True)
        betas = tf.concat([betas, last[None]], axis=0)
        log_z = tf.reduce_logsumexp(alphas[-1], axis=-1)
        return log_z, tf.nn.softmax(alphas + betas), alphas[:-1], (h + betas)[1:]
