"""Linear-chain conditional random field (CRF): a layer, its exact loss and its decoder for Keras 3.

Copy this file into any Keras 3 project; it needs keras and numpy alone.

    inputs = keras.Input((None,), dtype="int32")                          # characters, 0 is padding
    x = keras.layers.Embedding(5000, 128, mask_zero=True)(inputs)
    tags, potentials = CRF(4)(keras.layers.Dense(4)(x))
    model = keras.Model(inputs, [tags, potentials])
    model.compile("adam", loss=[None, crf_loss], metrics=[TagAccuracy(), None])
    model.fit(characters, y)                                              # y: integer tags, anything behind the mask

Article: 苏剑林, 简明条件随机场CRF介绍, https://kexue.fm/archives/5542

The whole CRF of the article is the next four functions. `potentials` is one tensor that holds all a CRF knows about a
batch, so that a loss can be computed from it alone: rows 0 … T−1 are the scores h(y_t; x) of the tags at each step, with the
mask as last column; the last K rows are the scores g(y_t, y_{t+1}) of transitions.
"""

import keras
import numpy as np
from keras import ops

FORBIDDEN = -1e9    # score of what constraints exclude: e^FORBIDDEN is 0 in float32, and no sum of it is infinite


def log_partition(potentials):
    """log Z(x): logarithm of the sum of e^score over all paths, by the recursion (9) in logarithms; (batch,)."""
    h, mask, transitions = unpack(potentials)

    def step(alpha, inputs):
        h_t, real = inputs[:, :-1], inputs[:, -1:] > 0
        after = ops.logsumexp(alpha[:, :, None] + transitions, axis=1) + h_t    # over the tag before
        alpha = ops.where(real, after, alpha)                                   # padding changes nothing
        return alpha, alpha

    steps = time_major(potentials)
    alpha, _ = ops.scan(step, h[:, 0], steps[1:])
    return ops.logsumexp(alpha, axis=-1) * mask[:, 0]


def path_score(potentials, tags):
    """f(y; x), equation (4): the scores of a path's tags and of its transitions; tags (batch, T), result (batch,)."""
    h, mask, transitions = unpack(potentials)
    y = ops.one_hot(tags, h.shape[-1], dtype="float32") * mask[..., None]
    pairs = ops.sum(ops.matmul(y[:, :-1], transitions) * y[:, 1:], axis=(1, 2))
    return ops.sum(h * y, axis=(1, 2)) + pairs


def log_likelihood(potentials, tags):
    """log P(tags|x) in nats, minus equation (7): at most 0; tags (batch, T), result (batch,)."""
    partition = fast_log_partition if keras.backend.backend() == "tensorflow" else log_partition
    return path_score(potentials, tags) - partition(potentials)


def viterbi(potentials):
    """The path of highest score, (batch, T) int32, −1 behind the mask; only scores are kept on the way, and the best tag
    before is found once more on the way back: cheaper than storing a pointer for every tag."""
    h, mask, transitions = unpack(potentials)

    def forward(best, inputs):                      # best (K, batch): with the batch last, processors take it in vectors
        h_t, real = inputs[:-1], inputs[-1:] > 0
        best = ops.where(real, ops.max(best[:, None] + transitions[:, :, None], axis=0) + h_t, best)
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
    _, tags = ops.scan(backward, last, ops.concatenate([scores, steps[1:, -1:]], axis=1), reverse=True)
    tags = ops.transpose(ops.concatenate([tags, last[None]], axis=0))
    return ops.where(mask > 0, tags, -1)


def unpack(potentials):
    """potentials → scores h (batch, T, K), mask (batch, T) of 0.0 and 1.0, transitions (K, K)."""
    k = potentials.shape[-1] - 1
    return potentials[:, :-k, :-1], potentials[:, :-k, -1], ops.reshape(potentials[0, -k:, :-1], (k, k))


def time_major(potentials):
    """Scores and mask of the steps as ops.scan walks over them, (T, batch, K + 1)."""
    return ops.transpose(potentials[:, :1 - potentials.shape[-1]], (1, 0, 2))


@keras.saving.register_keras_serializable(package="kexue")
class CRF(keras.layers.Layer):
    """Linear-chain conditional random field, equation (5): P(y|x) = e^f(y; x) / Z(x), one transition matrix for all steps.

        f(y; x) = Σ_t h(y_t; x) + Σ_t g(y_t, y_{t+1}) + s(y₁) + e(y_n)        equation (4), and scores of start and end

    Symbols: h = emissions, g = self.transitions, s, e = self.start, self.end, K = num_tags, T = steps.

    Args:
        num_tags: K.
        constraints: None, or a dict with boolean lists "transitions" (K × K), "start" (K) and "end" (K), as tag_constraints
            makes it: what is False never happens, in training and in decoding.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        emissions: (batch, T, K), real numbers, no softmax. T may differ from batch to batch.
        mask: (batch, T), True at real steps, which stand on the left. By default the mask that Keras hands on; give it
            explicitly after layers that drop masks, such as Conv1D. From its first False on, a row is padding; a row
            without any True has log-likelihood 0.

    Output:
        tags: (batch, T) int32, the path of highest score (Viterbi), −1 behind the mask.
        potentials: (batch, T + K, K + 1) float32, all that a loss or a decoder needs, see the top of this file. Give it to
            crf_loss, marginals, k_best, viterbi, log_likelihood.

    Raises:
        ValueError: emissions are not (batch, T, K), constraints of another size or without any allowed tag; called eagerly
            also a mask with a hole, see check_tags. A compiled graph cannot raise: there, padding begins at the hole.

    Precision: float32 under any dtype policy, also for the weights. Scores up to ±1e4 give finite losses and gradients.

    Example:
        tags, potentials = CRF(4)(np.random.normal(size=(2, 5, 4)), mask=np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool))
        print(crf_loss(np.zeros((2, 5), "int32"), potentials))     # −log p of the path 0 0 0 0 0, and of 0 0 0
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
            allowed = np.ones(shape, bool) if constraints is None else np.asarray(constraints[name], bool)
            if allowed.shape != shape or not allowed.any():
                raise ValueError(f"constraints[{name!r}] expects booleans of shape {shape}, some of them True. "
                                 f"Received: shape={allowed.shape}")
            self.penalties[name] = np.where(allowed, 0, FORBIDDEN).astype("float32")

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] != self.num_tags:
            raise ValueError(f"{self.name} expects emissions of shape (batch, time, {self.num_tags}), a score for each tag. "
                             f"Received: shape={tuple(input_shape)}")
        for name, penalty in self.penalties.items():
            initializer = "glorot_uniform" if name == "transitions" else "zeros"
            setattr(self, name, self.add_weight(name=name, shape=penalty.shape, initializer=initializer, dtype="float32",
                                                autocast=False))

    def call(self, emissions, mask=None):
        potentials = self.potentials(emissions, mask)
        return viterbi(potentials), potentials

    def potentials(self, emissions, mask=None):
        """Everything about a batch in one tensor, (batch, T + K, K + 1)."""
        start, end, transitions = (getattr(self, name) + self.penalties[name] for name in ("start", "end", "transitions"))
        h = ops.cast(emissions, "float32")
        if mask is not None and (values := _concrete(mask)) is not None:
            check_tags(np.zeros(values.shape, "int32"), self.num_tags, values)
        mask = ops.ones_like(h[..., 0], "bool") if mask is None else ops.cast(mask, "bool")
        real = ops.cumprod(ops.cast(mask, "float32"), axis=1)      # a hole in the mask and all behind it is padding
        real = ops.reshape(real, ops.shape(h)[:2])                 # on TensorFlow cumprod forgets the rank
        h = ops.where(real[..., None] > 0, h, 0.0)                 # even where padding holds NaN
        before = ops.concatenate([ops.zeros_like(real[:, :1]), real[:, :-1]], axis=1)
        after = ops.concatenate([real[:, 1:], ops.zeros_like(real[:, :1])], axis=1)
        h += (real * (1 - before))[..., None] * start + (real * (1 - after))[..., None] * end   # first and last real step
        rows = ops.pad(transitions, [[0, 0], [0, 1]])[None] + ops.zeros_like(h[:, :1, :1])
        return ops.concatenate([ops.concatenate([h, real[..., None]], axis=-1), rows], axis=1)

    def compute_mask(self, inputs, mask=None):
        return None    # a loss on a masked output would be multiplied by the mask; potentials carry it already

    def compute_output_spec(self, emissions, mask=None):
        batch, time = emissions.shape[:2]
        rows = None if time is None else time + self.num_tags
        return (keras.KerasTensor((batch, time), "int32"),
                keras.KerasTensor((batch, rows, self.num_tags + 1), "float32"))

    def compute_output_shape(self, input_shape):
        batch, time, k = input_shape
        return (batch, time), (batch, None if time is None else time + k, k + 1)

    def get_config(self):
        return {**super().get_config(), "num_tags": self.num_tags, "constraints": self.constraints}


@keras.saving.register_keras_serializable(package="kexue")
def crf_loss(y_true, potentials):
    """−log p(y_true) in nats for each sentence: the loss for the CRF's second output; Keras takes the batch's mean.

    Args:
        y_true: integer tags (batch, T), or one-hot (batch, T, K); behind the mask anything. At real steps they must be
            0 … K−1: a compiled graph cannot raise, and any other tag counts with score 0, so the result is no likelihood.
        potentials: the second output of CRF.

    Raises:
        ValueError: called eagerly with tags out of range, see check_tags.
    """
    if len(y_true.shape) == 3:
        y_true = ops.argmax(y_true, axis=-1)
    if (values := _concrete(y_true)) is not None and (known := _concrete(potentials)) is not None:
        check_tags(values, known.shape[-1] - 1, known[:, :values.shape[1], -1] > 0)
    return -log_likelihood(potentials, ops.cast(y_true, "int32"))


def check_tags(tags, num_tags, mask=None):
    """Raises a ValueError where integer tags or their mask are not what CRF expects; for data, before training on them.

    Args:
        tags: (batch, T) integers, 0 … num_tags − 1 at real steps.
        num_tags: K.
        mask: (batch, T), True at real steps, which stand on the left of each row; None where all are real.
    """
    tags, mask = np.asarray(tags), np.ones(np.shape(tags), bool) if mask is None else np.asarray(mask).astype(bool)
    if tags.ndim != 2 or tags.shape != mask.shape:
        raise ValueError(f"tags and mask expect one shape (batch, time). Received: shapes={tags.shape} and {mask.shape}")
    for row, step in np.argwhere(mask[:, 1:] & ~mask[:, :-1])[:1]:
        raise ValueError(f"mask expects True on the left and False behind it in every row. Received: row {row} with a hole "
                         f"before step {step + 1}")
    for row, step in np.argwhere(mask & ((tags < 0) | (tags >= num_tags)))[:1]:
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
    """Share of real steps whose decoded tag is the right one: a metric for the CRF's first output, on the Viterbi path.

    Example:
        metric = TagAccuracy()
        metric.update_state(np.array([[1, 2, 0]]), np.array([[1, 3, -1]]))
        print(metric.result())    # 0.5

    Reference: 苏剑林, 简明条件随机场CRF介绍, https://kexue.fm/archives/5542
    """

    def __init__(self, name="tag_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.argmax(y_true, axis=-1) if len(y_true.shape) == 3 else y_true
        right = ops.cast(ops.equal(ops.cast(y_true, "int32"), y_pred), "float32")
        weight = ops.cast(y_pred >= 0, "float32")
        if sample_weight is not None:                       # of sentences or of steps
            sample_weight = ops.cast(sample_weight, "float32")
            weight *= ops.reshape(sample_weight, (*sample_weight.shape[:1], -1)) if sample_weight.shape else sample_weight
        return super().update_state(right, weight)


def marginals(potentials):
    """p(y_t = k | x) for every step, (batch, T, K); zeros behind the mask. Forward and backward recursion."""
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
    """The k paths of highest score, best first: paths (batch, k, T) int32 and their log-probabilities (batch, k).

    In NumPy, for looking at a model, not for training. Where a sentence has fewer than k paths, the rest has
    log-probability −inf and tags 0.
    """
    h, mask, transitions = (ops.convert_to_numpy(part).astype("float64") for part in unpack(potentials))
    log_z, tags = ops.convert_to_numpy(log_partition(potentials)), h.shape[-1]
    paths, log_p = np.zeros((len(h), k, h.shape[1]), "int32"), np.full((len(h), k), -np.inf)
    for b, length in enumerate(mask.sum(axis=1).astype(int)):
        if not length:
            log_p[b, 0] = 0
            continue
        scores, pointers = h[b, 0][:, None], []                    # (K, kept paths that end in this tag)
        for h_t in h[b, 1:length]:
            every = (scores[:, None, :] + transitions[:, :, None]).transpose(1, 0, 2).reshape(tags, -1)   # (to, from × kept)
            order = np.argsort(-every, axis=1, kind="stable")[:, :k]
            pointers.append((order // scores.shape[1], order % scores.shape[1]))
            scores = np.take_along_axis(every, order, axis=1) + h_t[:, None]
        for rank, place in enumerate(np.argsort(-scores, axis=None, kind="stable")[:k]):
            tag, kept = np.unravel_index(place, scores.shape)
            if scores[tag, kept] < FORBIDDEN / 2:
                break
            log_p[b, rank], path = scores[tag, kept] - log_z[b], [tag]
            for tags_before, kept_before in reversed(pointers):
                tag, kept = tags_before[tag, kept], kept_before[tag, kept]
                path.append(tag)
            paths[b, rank, :length] = path[::-1]
    return paths, log_p


def tag_constraints(labels):
    """What may follow what, for tags of the BIO or the BMES scheme, as CRF's `constraints`.

    Args:
        labels: names of the tags in their order, such as ["B", "M", "E", "S"] or ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"].

    Raises:
        ValueError: a label begins with none of B, M, E, S, I, O, or I and M stand together.
    """
    kinds = [label.partition("-")[0] for label in labels]
    if not set(kinds) <= set("BMES") and not set(kinds) <= set("BIO"):
        raise ValueError(f"labels expect one scheme, B M E S or B I O, with types after a dash. Received: labels={labels}")
    types = [label.partition("-")[2] for label in labels]
    inside = {"M", "E"} if "E" in kinds or "S" in kinds else {"I"}
    opens = {"B", "M"} if "E" in kinds or "S" in kinds else set()     # B I O has no tag that must be continued
    continues = {"B", "M"} if opens else {"B", "I"}

    def allowed(a, b):
        if kinds[b] in inside:
            return kinds[a] in continues and types[a] == types[b]
        return kinds[a] not in opens

    numbers = range(len(labels))
    return {"transitions": [[allowed(a, b) for b in numbers] for a in numbers],
            "start": [kinds[b] not in inside for b in numbers],
            "end": [kinds[a] not in opens for a in numbers]}


if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def fast_log_partition(potentials):
        """log_partition with its gradient from one forward-backward recursion that XLA compiles by itself.

        It is compiled inside a model whose other layers XLA would slow down. XLA compiles once for each length, so let
        lengths come from few buckets. benchmarks/crf_ours.py measures it beside the plain recursion.
        """
        return _log_partition(*unpack(potentials))

    @tf.custom_gradient
    def _log_partition(h, mask, transitions):
        # stop_gradient: this function is the gradient; a tape must not try to differentiate what XLA compiled
        h, mask, transitions = map(tf.stop_gradient, (h, mask, transitions))
        log_z, gamma, *parts = _forward_backward(h, mask, transitions)

        def gradient(upstream):    # d log Z / d score is how often the score is used, on average over p(y|x)
            return upstream[:, None, None] * gamma, tf.zeros_like(mask), _count(upstream, mask, transitions, *parts)

        return log_z, gradient

    @tf.function(jit_compile=True)
    def _forward_backward(h, mask, transitions):
        """log Z (batch,), p(y_t) (batch, T, K), and of what _count takes left, right and exact."""
        padding = [[0, 1], [0, 0], [0, 0]]    # one step of padding, since a loop of no steps does not compile
        h, steps = tf.pad(tf.transpose(h, (1, 0, 2)), padding), tf.pad(tf.transpose(mask)[:, :, None], padding)
        alphas, norms, exact = _scaled_forward(h, steps > 0, transitions)
        # Probabilities that are scaled at every step need matrix products and no logarithms. But one below 1e-38 would be
        # lost, and with it a path that later steps may leave as the only one. While every tag keeps 1e-25 nothing is lost;
        # where scores range further, or constraints forbid something, the recursion runs on logarithms.
        log_z, gamma, left, right = tf.cond(exact, lambda: _scaled_backward(h, steps, transitions, alphas, norms),
                                            lambda: _in_log_space(h, steps > 0, transitions))
        return log_z * mask[:, 0], tf.transpose((gamma * steps)[:-1], (1, 0, 2)), left, right, exact

    @tf.function(jit_compile=True)
    def _count(weights, mask, transitions, left, right, exact):
        """Expected number of each transition, (K, K), over the weighted sentences (batch,).

        A transition at step t has the probability left · e^transitions · right if exact, and else the softmax over all pairs
        of left + transitions + right: the former is one matrix product for all steps and sentences."""
        def summed_in_log_space():
            def add(counts, inputs):
                before, after, weight = inputs
                pairs = before[:, :, None] + transitions + after[:, None, :]
                p = tf.reshape(tf.nn.softmax(tf.reshape(pairs, (tf.shape(pairs)[0], -1))), tf.shape(pairs))
                return counts + tf.einsum("b,bij->ij", weight, p)

            real = tf.pad(tf.transpose(mask)[1:], [[0, 1], [0, 0]])
            return tf.foldl(add, (left, right, real * weights), tf.zeros_like(transitions))

        def multiplied():
            together = tf.reshape(left * weights[:, None], (-1, left.shape[-1])), tf.reshape(right, (-1, left.shape[-1]))
            return tf.exp(transitions - tf.reduce_max(transitions)) * tf.matmul(*together, transpose_a=True)

        return tf.cond(exact, multiplied, summed_in_log_space)

    def _scaled_forward(h, real, transitions):
        p, e = tf.exp(transitions - tf.reduce_max(transitions)), tf.exp(h - tf.reduce_max(h, axis=-1, keepdims=True))

        def step(carry, inputs):
            (alpha, _), (e_t, real_t) = carry, inputs
            after = tf.matmul(alpha, p) * e_t
            norm = tf.reduce_sum(after, axis=-1, keepdims=True)
            return tf.where(real_t, after / norm, alpha), tf.where(real_t, norm, tf.ones_like(norm))

        norm = tf.reduce_sum(e[0], axis=-1, keepdims=True)
        first = e[0] / norm, norm
        alphas, norms = (tf.concat([a[None], b], axis=0) for a, b in zip(first, tf.scan(step, (e[1:], real[1:]), first)))
        exact = tf.reduce_all(alphas > 1e-25) & (tf.reduce_min(transitions) > FORBIDDEN / 2)
        return alphas, norms, exact

    def _scaled_backward(h, steps, transitions, alphas, norms):
        h_max, t_max = tf.reduce_max(h, axis=-1, keepdims=True), tf.reduce_max(transitions)
        p, e = tf.exp(transitions - t_max), tf.exp(h - h_max)

        def step(carry, inputs):
            (beta, _), (weight, step_t) = carry, inputs
            weighted = weight * beta * step_t
            return tf.where(step_t > 0, tf.matmul(weighted, p, transpose_b=True), beta), weighted

        last = tf.ones_like(h[0]), tf.zeros_like(h[0])
        betas, weighted = tf.scan(step, (e[1:] / norms[1:], steps[1:]), last, reverse=True)
        betas = tf.concat([betas, last[0][None]], axis=0)
        log_z = tf.reduce_sum(steps * (tf.math.log(norms) + h_max), axis=0) + t_max * tf.reduce_sum(steps[1:], axis=0)
        return log_z[:, 0], alphas * betas, alphas[:-1], weighted

    def _in_log_space(h, real, transitions):
        def forward(alpha, inputs):
            h_t, real_t = inputs
            return tf.where(real_t, tf.reduce_logsumexp(alpha[:, :, None] + transitions, axis=1) + h_t, alpha)

        def backward(beta, inputs):
            h_t, real_t = inputs
            return tf.where(real_t, tf.reduce_logsumexp(transitions + (h_t + beta)[:, None, :], axis=2), beta)

        alphas = tf.concat([h[:1], tf.scan(forward, (h[1:], real[1:]), h[0])], axis=0)
        last = tf.zeros_like(h[0])
        betas = tf.concat([tf.scan(backward, (h[1:], real[1:]), last, reverse=True), last[None]], axis=0)
        return tf.reduce_logsumexp(alphas[-1], axis=-1), tf.nn.softmax(alphas + betas), alphas[:-1], (h + betas)[1:]
