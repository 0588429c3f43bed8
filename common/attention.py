"""Attention over sequences: each step looks at all others (SelfAttention), at another sequence
(CrossAttention), or all are pooled to one vector (AttentionPooling1D). Long sequences go by chunks,
in memory that grows linearly with their length.

Copy this file into any Keras 3 project; it needs keras alone.

    characters = keras.Input((None,), dtype="int32")                      # 0 is padding
    x = keras.layers.Embedding(5000, 128, mask_zero=True)(characters)
    y = SelfAttention(num_heads=4, rotary=True)(keras.layers.LayerNormalization()(x))
    x = keras.layers.Add()([x, y])                                        # (batch, time, 128), masked
    vector = AttentionPooling1D()(x)                                      # (batch, 128)

Articles: 苏剑林, 《Attention is All You Need》浅读, https://kexue.fm/archives/4765;
Transformer升级之路：2、博采众长的旋转式位置编码, https://kexue.fm/archives/8265;
基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409
"""
# kexue-keras common/attention.py, version 1.1 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class SelfAttention(keras.layers.Layer):
    """Each step's mean of all steps' values, weighted by how well its query fits their keys.

        [Q, K, V] = x W + b                                  one product of matrices for all three
        y = [softmax(Q₁K₁ᵀ / √d) V₁, …, softmax(QₕKₕᵀ / √d) Vₕ] Wₒ + bₒ             h heads at once

    Symbols: W = kernel, b = bias, Wₒ = output_kernel, bₒ = output_bias, h = num_heads,
        d = head_dim.

    Args:
        num_heads, head_dim: h and d; d is channels / h by default.
        causal: a step sees itself and earlier ones only.
        rotary: queries and keys are turned by their positions, see `rotate`; d must be even.
        dropout: share of the weights that training drops; it scales the others up by
            1 / (1 − share).
        use_bias, kernel_initializer: b and bₒ, or none; initializer of W and Wₒ.
        plain_length: sequences longer than this go by chunks, see `attend`. With None no sequence
            does, with 0 all do.
        seed: integer seed of the dropout.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, time, channels). Padding may hold anything, even NaN.
        mask: (batch, time), True at real steps, by default the one that Keras hands on; or
            (batch, time, time), True where a query, on axis 1, may see a key. No numbers to add.

    Output:
        (batch, time, channels), zero at padding, with the mask. `empty_cache` and `decode` compute
        it step by step.

    Raises:
        ValueError: num_heads, head_dim, plain_length or dropout out of range; inputs that are not
            (batch, time, channels) as at build time; channels that the heads do not divide; rotary
            with an odd d; another mask than above.

    Precision: products are in the compute dtype and added up in float32; scores, softmax and
        rotation are in float32 under any policy.

    Example:
        layer = SelfAttention(num_heads=4, rotary=True)
        x, mask = np.random.normal(size=(2, 7, 16)), np.arange(7) < np.array([[7], [4]])
        print(layer(x, mask=mask).shape)             # (2, 7, 16)

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, num_heads, head_dim=None, causal=False, rotary=False, dropout=0.0,
                 use_bias=True, kernel_initializer="glorot_uniform", plain_length=2048, seed=None,
                 **kwargs):
        super().__init__(**kwargs)
        _check_integer("num_heads", num_heads, least=1)
        _check_integer("head_dim", head_dim, least=1, optional=True)
        _check_integer("plain_length", plain_length, least=0, optional=True)
        if not 0 <= dropout < 1:
            raise ValueError("dropout expects a share from 0 to below 1. "
                             f"Received: dropout={dropout}")
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.causal = causal
        self.rotary = rotary
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.plain_length = plain_length
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None
        self.supports_masking = True

    def build(self, input_shape):
        self.size = _head_size(self, input_shape)
        channels, width = input_shape[-1], self.num_heads * self.size
        self.kernel, self.bias = _dense(self, "", channels, 3 * width)
        self.output_kernel, self.output_bias = _dense(self, "output_", width, channels)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})

    def call(self, inputs, mask=None, training=False):
        _check_mask(self, "mask", mask, inputs.shape, pairs=True)
        padding = self.compute_mask(inputs, mask)
        q, k, v = _heads(self, _clean(inputs, padding), self.kernel, self.bias, 3)
        if self.rotary:
            q, k = rotate(q), rotate(k)
        seed = self.seed_generator.next() if training and self.dropout else None
        y = attend(q, k, v, mask, self.causal, self.dropout, seed, self.plain_length)
        return _clean(_merge(self, y), padding)

    def compute_mask(self, inputs, mask=None):
        if mask is None or len(mask.shape) == 2:
            return mask
        return None    # a mask of pairs says nothing about padding

    def compute_output_spec(self, inputs, mask=None, training=False):
        _check_mask(self, "mask", mask, inputs.shape, pairs=True)
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "causal": self.causal,
            "rotary": self.rotary,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "plain_length": self.plain_length,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


# --------------------------------------------------------------------------------- the computation

def attend(q, k, v, mask=None, causal=False, dropout=0.0, seed=None, plain_length=2048):
    """softmax(QKᵀ/√d) V for every head: by the backend's kernel, with all scores at once, or by chunks.

    Args:
        q, k, v: (batch, queries, heads, d) and (batch, keys, heads, d).
        mask: True where a key may be seen: (batch, keys) or (batch, queries, keys). A query that
            sees none gets zeros.
        causal: query t sees keys 0 … t only; as many queries as keys.
        dropout, seed: share of the weights to drop, and a seed tensor, which SeedGenerator.next()
            gives. Without a seed none is dropped.
        plain_length: if queries · keys exceed its square, and the backend has no kernel that would
            do, no (queries × keys) tensor comes into being, neither forward nor backward. See
            `_by_chunks`.

    Output:
        (batch, queries, heads, d), in the dtype of v.
    """
    pairwise = mask is not None and len(mask.shape) == 3
    if mask is not None:
        mask = ops.cast(mask, "bool")
        mask = mask[:, None] if pairwise else mask[:, None, None]    # (batch, 1, queries or 1, keys)
    if causal or pairwise:
        k, v = _hide(k, v)
    queries, keys = q.shape[1], k.shape[1]
    if plain_length is None:
        short = True
    elif queries is None or keys is None:
        short = None            # TensorFlow, where a batch's length may be known only when it comes
    else:
        short = queries * keys <= plain_length ** 2
    # Kernels of cuDNN and PyTorch take any length without a mask; they turn a mask into numbers for
    # all pairs.
    if seed is None and (mask is None or short):
        y = _by_kernel(q, k, v, mask, causal)
        if y is not None:
            return y
    if short is None:
        return ops.cond(ops.shape(q)[1] * ops.shape(k)[1] <= plain_length ** 2,
                        lambda: _at_once(q, k, v, mask, causal, dropout, seed),
                        lambda: _by_chunks(q, k, v, mask, causal, dropout, seed))
    compute = _at_once if short else _by_chunks
    return compute(q, k, v, mask, causal, dropout, seed)


def _at_once(q, k, v, mask, causal, dropout, seed):
    """The formula, with all scores in memory."""
    scores = _scores("bthd,bshd->bhts", q, k)
    visible = _visible(mask, causal, q, k)
    if visible is not None:
        hidden = -float("inf")      # exp(−∞) is exactly 0, and its gradient too
        if mask is not None:
            # Only a query that sees no key would divide 0 by 0: it gets scores of 0.
            sees_a_key = ops.any(visible, axis=-1, keepdims=True)
            hidden = ops.where(sees_a_key, hidden, 0.0)
        scores = ops.where(visible, scores, hidden)
    weights = ops.softmax(scores, axis=-1)
    if seed is not None:
        weights = _drop(weights, dropout, seed)
    y = ops.cast(_product("bhts,bshd->bthd", ops.cast(weights, v.dtype), v), v.dtype)
    return y if mask is None else _without_blind(y, visible)


def _by_kernel(q, k, v, mask, causal):
    """attend by the backend's own kernel, or None where it has none for these inputs.

    JAX has cuDNN's flash attention, on a GPU and in half precision. PyTorch has
    scaled_dot_product_attention, everywhere. TensorFlow has none: its
    keras.ops.dot_product_attention is the formula over again.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        return _by_torch(q, k, v, mask, causal)
    elif backend == "jax":
        try:
            y = ops.dot_product_attention(q, k, v, mask=mask, is_causal=causal,
                                          flash_attention=True)
        except (ImportError, NotImplementedError, RuntimeError, ValueError):
            return None             # no GPU, no cuDNN, float32, or large heads
    else:
        return None
    return y if mask is None else _without_blind(y, _visible(mask, causal, q, k))


def _by_torch(q, k, v, mask, causal):
    """attend by scaled_dot_product_attention.

    It hides a key by adding −∞ to its score, and NaN stays NaN. So a key that holds no number gets zeros
    first, and whoever sees that key gets NaN afterwards. On a CPU its scores overflow in float16.
    """
    dtype = v.dtype
    if keras.backend.standardize_dtype(dtype) == "float16" and q.device.type == "cpu":
        q, k, v = [ops.cast(t, "float32") for t in (q, k, v)]
    if mask is None and not causal:
        return ops.cast(ops.dot_product_attention(q, k, v), dtype)
    no_number = ops.logical_not(ops.all(ops.isfinite(k), axis=(2, 3)))                # (batch, keys)
    k = ops.where(no_number[..., None, None], ops.zeros_like(k), k)
    if mask is None:
        y = ops.dot_product_attention(q, k, v, is_causal=True)
        seen = ops.cumsum(ops.cast(no_number, "int32"), axis=1) > 0
    else:
        visible = _visible(mask, causal, q, k)
        y = ops.dot_product_attention(q, k, v, mask=visible)
        y = _without_blind(y, visible)
        seen = ops.any(ops.logical_and(visible[:, 0], no_number[:, None]), axis=-1)
    return ops.cast(ops.where(seen[..., None, None], float("nan"), y), dtype)


def _visible(mask, causal, q, k):
    """True where a query may see a key, to be broadcast to (batch, heads, queries, keys); None
    where each sees all."""
    if not causal:
        return mask
    queries, keys = ops.arange(ops.shape(q)[1]), ops.arange(ops.shape(k)[1])
    earlier = (keys <= queries[:, None])[None, None]
    return earlier if mask is None else ops.logical_and(mask, earlier)


def _without_blind(y, visible):
    """y, (batch, queries, heads, d), with zeros for the queries that see no key."""
    sees_a_key = ops.swapaxes(ops.any(visible, axis=-1), 1, 2)[..., None]
    return ops.where(sees_a_key, y, ops.zeros_like(y))


def _hide(k, v):
    """k and v without what a weight of 0 would spread to queries that may not see it: 0 · NaN is NaN.

    Where v holds NaN or infinities, v gets zeros and k gets NaN. Whoever sees that key still gets
    NaN, as an overflow should show.
    """
    sound = ops.all(ops.isfinite(v), axis=-1, keepdims=True)
    k = ops.where(sound, k, ops.full_like(k, float("nan")))
    return k, ops.where(sound, v, ops.zeros_like(v))


def _scores(equation, q, k):
    """QKᵀ / √d, in float32. Half-precision queries divided by √d would be rounded once more."""
    scale = q.shape[-1] ** -0.5
    if keras.backend.backend() == "jax":
        return _product(equation, q, k) * scale          # one pass with what follows
    return _product(equation, ops.cast(q, "float32") * scale, k)


def _product(equation, a, b):
    """einsum of two tensors, added up and returned in float32."""
    if keras.backend.backend() == "jax":
        import jax.numpy as jnp

        # Half-precision cores with float32 sums.
        return jnp.einsum(equation, a, b, preferred_element_type="float32")
    return ops.einsum(equation, ops.cast(a, "float32"), ops.cast(b, "float32"))


class _Seed(keras.random.SeedGenerator):
    """A seed tensor in the form that Keras' random functions take: it gives the same numbers each
    time, forward and backward."""

    def __init__(self, value):
        self.value = value
        self._initial_seed = 0      # PyTorch's dropout takes None for a wish to be random

    def next(self, ordered=True):
        return self.value


def _drop(weights, rate, seed):
    return keras.random.dropout(weights, rate, seed=_Seed(seed))


# ------------------------------------------------------------------------------------------- chunks

CHUNK = 512          # queries and keys whose scores are in memory at one time


def _by_chunks(q, k, v, mask, causal, dropout, seed):
    """The formula, block of queries by block of keys. The softmax's largest score m and sum l run along:

        m′ = max(m, max S),  p = exp(S − m′)
        l′ = l e^(m − m′) + Σ p,  y′ = y e^(m − m′) + p V;  at the end y / l

    The gradient computes p again, as exp(S − L) with the logarithm L = m + log l of the whole sum.
    Besides that it needs the output alone: with dY the gradient that comes,
    ∂S = p ⊗ (dY Vᵀ − Σ dY ⊗ Y). It has no gradient of its own.

    Reference: Dao et al., FlashAttention, https://arxiv.org/abs/2205.14135;
        Milakov, Gimelshein, Online normalizer calculation for softmax,
        https://arxiv.org/abs/1805.02867
    """
    batch, heads, size = ops.shape(q)[0], q.shape[2], q.shape[3]
    queries, keys = _length(q, 1), _length(k, 1)
    rows, columns = _block_length(queries), _block_length(keys)
    if mask is None:
        mask = ops.ones((1, 1, 1, keys), "bool")
    # The mask becomes (blocks of queries or 1, blocks of keys, batch or 1, 1, rows or 1, columns).
    # What fills the last block is False.
    if mask.shape[2] == 1:
        mask = ops.transpose(_split(mask, 3, columns), (3, 0, 1, 2, 4))[None]
    else:
        mask = ops.transpose(_split(_split(mask, 3, columns), 2, rows), (2, 4, 0, 1, 3, 5))

    def blocks(x, length):
        """(batch, time, heads, d) → (blocks, batch, heads, length, d)."""
        return ops.transpose(_split(x, 1, length), (1, 0, 3, 2, 4))

    def whole(x, time, dtype):
        """The way back."""
        x = ops.transpose(x, (1, 0, 3, 2, 4))
        return ops.cast(ops.reshape(x, (batch, -1, heads, size))[:, :time], dtype)

    @ops.custom_gradient
    def attention(q, k, v):
        q_blocks, k_blocks, v_blocks = blocks(q, rows), blocks(k, columns), blocks(v, columns)
        y_blocks, logs = _forward(q_blocks, k_blocks, v_blocks, mask, seed, causal, dropout)

        def gradient(*arguments, upstream=None):
            dy = arguments[0] if upstream is None else upstream
            dq, dk, dv = _backward(q_blocks, k_blocks, v_blocks, y_blocks, logs, blocks(dy, rows),
                                   mask, seed, causal, dropout)
            return whole(dq, queries, q.dtype), whole(dk, keys, k.dtype), whole(dv, keys, v.dtype)

        return whole(y_blocks, queries, v.dtype), gradient

    return attention(q, k, v)


def _length(x, axis):
    """How long an axis is: a number where that is known, else a tensor."""
    return x.shape[axis] or ops.shape(x)[axis]


def _block_length(length):
    """CHUNK, or the whole of a sequence that is known to be shorter."""
    return min(CHUNK, length) if isinstance(length, int) else CHUNK


def _split(x, axis, size):
    """x with the axis cut into blocks of `size`, the last one filled up with zeros: one axis more."""
    shape = list(ops.shape(x))
    before, after = shape[:axis], shape[axis + 1:]
    fill = ops.zeros((*before, -_length(x, axis) % size, *after), x.dtype)
    return ops.reshape(ops.concatenate([x, fill], axis=axis), (*before, -1, size, *after))


def _block(q, k, mask, causal, i, j):
    """The scores of block i of the queries and block j of the keys, −∞ where hidden."""
    visible = mask[i if mask.shape[0] != 1 else 0, j]
    if causal:
        row = i * q.shape[-2] + ops.arange(q.shape[-2])
        column = j * k.shape[-2] + ops.arange(k.shape[-2])
        visible = ops.logical_and(visible, column <= row[:, None])
    return ops.where(visible, _scores("bhtd,bhsd->bhts", q[i], k[j]), -float("inf"))


def _forward(q, k, v, mask, seed, causal, dropout):
    """Blocks of the output, (blocks, batch, heads, rows, d), and of L, (blocks, batch, heads, rows, 1).

    All in float32.
    """
    count = ops.shape(k)[0]

    def row(i, state):
        def column(j, state):
            m, total, y = state
            scores = _block(q, k, mask, causal, i, j)
            new = ops.maximum(m, ops.max(scores, axis=-1, keepdims=True))
            p, shrink = ops.exp(scores - new), ops.exp(m - new)
            total = total * shrink + ops.sum(p, axis=-1, keepdims=True)
            if seed is not None:            # dropout is on the weights, after their sum
                p = _drop(p, dropout, _block_seed(seed, i * count + j))
            y = y * shrink + _product("bhts,bhsd->bhtd", ops.cast(p, v.dtype), v[j])
            return new, total, y

        zeros = ops.cast(ops.zeros_like(q[i]), "float32")
        start = ops.full_like(zeros[..., :1], -3e38)                 # −∞ − −∞ would be NaN
        stop = i + 1 if causal else count
        m, total, y = ops.fori_loop(0, stop, column, (start, zeros[..., :1], zeros))
        total = ops.where(total == 0, ops.ones_like(total), total)   # queries that see no key
        return _put(state[0], i, y / total), _put(state[1], i, m + ops.log(total))

    zeros = ops.cast(ops.zeros_like(q), "float32")
    return ops.fori_loop(0, ops.shape(q)[0], row, (zeros, zeros[..., :1]))


def _backward(q, k, v, y, logs, dy, mask, seed, causal, dropout):
    """Blocks of ∂Q, ∂K and ∂V from those of ∂Y; float32."""
    delta = ops.sum(ops.cast(dy, "float32") * y, axis=-1, keepdims=True)
    count = ops.shape(k)[0]

    def column(j, state):
        def row(i, state):
            dq, dk, dv = state
            p = ops.exp(_block(q, k, mask, causal, i, j) - logs[i])
            dropped, dp = p, _product("bhtd,bhsd->bhts", dy[i], v[j])
            if seed is not None:
                keep = _drop(ops.ones_like(p), dropout, _block_seed(seed, i * count + j))
                dropped, dp = p * keep, dp * keep
            ds = ops.cast(p * (dp - delta[i]) * q.shape[-1] ** -0.5, q.dtype)
            dv = dv + _product("bhts,bhtd->bhsd", ops.cast(dropped, q.dtype), dy[i])
            dk = dk + _product("bhts,bhtd->bhsd", ds, q[i])
            dq = _put(dq, i, dq[i] + _product("bhts,bhsd->bhtd", ds, k[j]))
            return dq, dk, dv

        dq, all_dk, all_dv = state
        zeros = ops.cast(ops.zeros_like(k[j]), "float32")
        start = j if causal else 0
        dq, dk, dv = ops.fori_loop(start, ops.shape(q)[0], row, (dq, zeros, zeros))
        return dq, _put(all_dk, j, dk), _put(all_dv, j, dv)

    zeros = tuple(ops.cast(ops.zeros_like(x), "float32") for x in (q, k, v))
    return ops.fori_loop(0, count, column, zeros)


def _put(blocks, i, block):
    return ops.slice_update(blocks, (i, 0, 0, 0, 0), block[None])


def _block_seed(seed, number):
    """Another seed for each block; the first of the two numbers is nobody's counter."""
    return seed + ops.cast(ops.stack([number + 1, 0]), seed.dtype)


if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # XLA makes one pass of exp, mask and sums, and writes blocks in place.
    _forward = tf.function(_forward, jit_compile=True)
    _backward = tf.function(_backward, jit_compile=True)
    # Or a gradient of one's own would not work within a branch of ops.cond.
    _by_chunks = tf.function(_by_chunks)
elif keras.backend.backend() == "jax":
    import jax

    # Outside of a compiled step, each call would compile anew otherwise.
    _forward = jax.jit(_forward, static_argnames=("causal", "dropout"))
    _backward = jax.jit(_backward, static_argnames=("causal", "dropout"))


# ---------------------------------------------------------------------------------------- positions

def rotate(x, positions=None, base=10000.0):
    """Rotary positions: pairs of channels are turned by an angle that grows with the position, so
    that the product of a query and a key depends on their distance alone.

        (x₂ᵢ, x₂ᵢ₊₁) → (x₂ᵢ cos tθᵢ − x₂ᵢ₊₁ sin tθᵢ, x₂ᵢ sin tθᵢ + x₂ᵢ₊₁ cos tθᵢ)
        θᵢ = base^(−2i/d)

    Args:
        x: queries or keys, (batch, time, heads, d), d even.
        positions: t, (time,); 0, 1, 2, … by default.
        base: of the angles.

    Output:
        as x, in its dtype. It is computed in float32, since not every position beyond 2,048 is a
        float16 number.

    Reference: 苏剑林, Transformer升级之路：2、博采众长的旋转式位置编码,
        https://kexue.fm/archives/8265; Su et al., RoFormer, https://arxiv.org/abs/2104.09864
    """
    d = x.shape[-1]
    positions = ops.arange(ops.shape(x)[1]) if positions is None else positions
    theta = base ** (-2 * ops.arange(d // 2, dtype="float32") / d)
    angles = ops.cast(positions, "float32")[:, None, None] * theta       # (time, 1, d / 2)
    even, odd = ops.cast(x[..., ::2], "float32"), ops.cast(x[..., 1::2], "float32")
    turned = ops.stack([even * ops.cos(angles) - odd * ops.sin(angles),
                        even * ops.sin(angles) + odd * ops.cos(angles)], axis=-1)
    return ops.cast(ops.reshape(turned, ops.shape(x)), x.dtype)


# ------------------------------------------------------------------------------------- step by step

def empty_cache(layer, batch, length):
    """For `decode`: keys and values of a built, causal SelfAttention for `length` steps, of which
    none is known yet."""
    shape = (batch, length, layer.num_heads, layer.size)
    return ops.zeros(shape, layer.compute_dtype), ops.zeros(shape, layer.compute_dtype)


def decode(layer, inputs, cache, index):
    """The outputs of the next steps, whose keys and values join those of all steps before them.

        cache = empty_cache(layer, batch, length)
        for t in range(length):
            y, cache = decode(layer, x[:, t:t + 1], cache, t)        # y is layer(x)[:, t:t + 1]

    Args:
        layer: a built, causal SelfAttention.
        inputs: (batch, steps, channels), one step or several, without padding.
        cache: what empty_cache or the last call gave.
        index: how many steps came before, an integer or an integer tensor; index + steps is at most
            the cache's length.

    Returns:
        (outputs, the new cache).

    Raises:
        ValueError: a layer that is not causal: its outputs would change with every later step.
    """
    if not layer.causal:
        raise ValueError(f"decode expects a causal layer. Received: {layer.name} with causal=False")
    q, k, v = _heads(layer, ops.cast(inputs, layer.compute_dtype), layer.kernel, layer.bias, 3)
    positions = index + ops.arange(q.shape[1])
    if layer.rotary:
        q, k = rotate(q, positions), rotate(k, positions)
    keys, values = cache
    keys = ops.slice_update(keys, (0, index, 0, 0), k)
    values = ops.slice_update(values, (0, index, 0, 0), v)
    mask = (ops.arange(keys.shape[1]) <= positions[:, None])[None, None]
    y = _at_once(q, keys, values, mask, causal=False, dropout=0.0, seed=None)
    return _merge(layer, y), (keys, values)


# --------------------------------------------------------------------------------- another sequence

@keras.saving.register_keras_serializable(package="kexue")
class CrossAttention(SelfAttention):
    """Each step's mean of another sequence's values, weighted by how well its query fits their keys:
    SelfAttention with

        Q = x W + b,  [K, V] = c W′ + b′

    Symbols: c = context, W′ = context_kernel, b′ = context_bias, and those of SelfAttention.

    Args:
        those of SelfAttention without causal and rotary, which ask for common positions.

    Call arguments:
        inputs: (batch, time, channels), the steps that ask.
        context: (batch, keys, channels of its own), the steps that answer.
        inputs_mask, context_mask: (batch, time) and (batch, keys), True at real steps; by default
            the masks that Keras hands on. Padding may hold anything, even NaN. Without a real step
            in the context the output is bₒ.

    Output:
        (batch, time, channels), zero at the padding of the inputs, with their mask.

    Example:
        layer = CrossAttention(num_heads=4)
        x, context = np.random.normal(size=(2, 7, 16)), np.random.normal(size=(2, 30, 24))
        print(layer(x, context).shape)               # (2, 7, 16)

    Reference: Vaswani et al., Attention Is All You Need, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, num_heads, head_dim=None, **kwargs):
        for name in ("causal", "rotary"):
            if kwargs.pop(name, False):
                raise ValueError(f"{name} expects sequences with common positions: use SelfAttention. "
                                 f"Received: {name}=True")
        super().__init__(num_heads, head_dim, **kwargs)

    def build(self, inputs_shape, context_shape):
        self.size = _head_size(self, inputs_shape)
        _check_sequences(self, context_shape)
        channels, width = inputs_shape[-1], self.num_heads * self.size
        self.kernel, self.bias = _dense(self, "", channels, width)
        self.context_kernel, self.context_bias = _dense(
            self, "context_", context_shape[-1], 2 * width)
        self.output_kernel, self.output_bias = _dense(self, "output_", width, channels)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})

    def check(self, inputs, context, inputs_mask, context_mask):
        """Raises ValueError where the context is not what the layer was built for, or a mask not of
        its sequences."""
        _check_sequences(self, context.shape, self.context_kernel.shape[0])
        if None not in (inputs.shape[0], context.shape[0]) and inputs.shape[0] != context.shape[0]:
            raise ValueError(f"{self.name} expects as many contexts as inputs, {inputs.shape[0]}. "
                             f"Received: context.shape={tuple(context.shape)}")
        _check_mask(self, "inputs_mask", inputs_mask, inputs.shape)
        _check_mask(self, "context_mask", context_mask, context.shape)

    def call(self, inputs, context, inputs_mask=None, context_mask=None, training=False):
        self.check(inputs, context, inputs_mask, context_mask)
        x, context = _clean(inputs, inputs_mask), _clean(context, context_mask)
        q, = _heads(self, x, self.kernel, self.bias, 1)
        k, v = _heads(self, context, self.context_kernel, self.context_bias, 2)
        seed = self.seed_generator.next() if training and self.dropout else None
        y = attend(q, k, v, context_mask, False, self.dropout, seed, self.plain_length)
        return _clean(_merge(self, y), inputs_mask)

    def compute_mask(self, inputs, mask=None):
        return mask

    def compute_output_spec(self, inputs, context, inputs_mask=None, context_mask=None, training=False):
        self.check(inputs, context, inputs_mask, context_mask)
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def compute_output_shape(self, inputs_shape, context_shape):
        return tuple(inputs_shape)


# --------------------------------------------------------------------- what both layers are made of

def _check_integer(name, value, least, optional=False):
    if value is None and optional:
        return
    if not isinstance(value, int) or value < least:
        or_none = ", or None" if optional else ""
        raise ValueError(f"{name} expects an integer of at least {least}{or_none}. "
                         f"Received: {name}={value!r}")


def _check_sequences(layer, shape, channels=None):
    right = len(shape) == 3 and shape[-1] is not None
    if not right or channels not in (None, shape[-1]):
        of_them = "" if channels is None else f" with channels={channels}"
        raise ValueError(f"{layer.name} expects sequences of shape (batch, time, channels){of_them}. "
                         f"Received: shape={tuple(shape)}")


def _check_mask(layer, name, mask, shape, pairs=False):
    """Raises ValueError unless the mask is None, (batch, time) or, with pairs, (batch, time, time), as
    far as sizes are known."""
    if mask is None:
        return
    batch, time = shape[:2]
    pairwise = pairs and len(mask.shape) == 3
    if pairwise and mask.shape[0] == 1:       # one mask for all sequences
        batch = 1
    expected = (batch, time, time) if pairwise else (batch, time)
    right = len(mask.shape) == len(expected)
    right = right and all(None in sizes or sizes[0] == sizes[1] for sizes in zip(mask.shape, expected))
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if not right or not (dtype == "bool" or "int" in dtype):
        or_pairs = " or (batch, time, time)" if pairs else ""
        raise ValueError(f"{layer.name} expects {name} of shape (batch, time){or_pairs}, for inputs of "
                         f"shape {tuple(shape)}, of booleans or of integers 0 and 1: True where a step "
                         f"may be seen. Received: {name}.shape={tuple(mask.shape)}, {name}.dtype={dtype}")


def _head_size(layer, shape):
    """d, for inputs of this shape."""
    _check_sequences(layer, shape)
    channels = shape[-1]
    if layer.head_dim is None and channels % layer.num_heads:
        raise ValueError(f"{layer.name} expects channels that are a multiple of "
                         f"num_heads={layer.num_heads}, or a head_dim. Received: channels={channels}")
    size = layer.head_dim or channels // layer.num_heads
    if layer.rotary and size % 2:
        raise ValueError(f"{layer.name} turns channels in pairs, so it expects an even head_dim. "
                         f"Received: head_dim={size}")
    return size


def _dense(layer, name, inputs, outputs):
    """Kernel and bias of a dense layer, or None for the bias."""
    kernel = layer.add_weight(name=f"{name}kernel", shape=(inputs, outputs),
                              initializer=layer.kernel_initializer)
    bias = None
    if layer.use_bias:
        bias = layer.add_weight(name=f"{name}bias", shape=(outputs,), initializer="zeros")
    return kernel, bias


def _heads(layer, x, kernel, bias, parts):
    """x W + b → `parts` tensors (batch, time, heads, d).

    Nothing is transposed: products and kernels take heads where they are.
    """
    y = _affine(layer, x, kernel, bias)
    shape = (*ops.shape(x)[:2], layer.num_heads, layer.size)
    return [ops.reshape(part, shape) for part in ops.split(y, parts, axis=-1)]


def _merge(layer, y):
    """The heads side by side, (batch, time, heads, d) → (batch, time, channels)."""
    y = ops.reshape(y, (*ops.shape(y)[:2], layer.num_heads * layer.size))
    return _affine(layer, y, layer.output_kernel, layer.output_bias)


def _affine(layer, x, kernel, bias):
    y = ops.matmul(x, ops.cast(kernel, layer.compute_dtype))
    return y if bias is None else y + ops.cast(bias, layer.compute_dtype)


# --------------------------------------------------------------------------------------- one vector

@keras.saving.register_keras_serializable(package="kexue")
class AttentionPooling1D(keras.layers.Layer):
    """The mean of a sequence's vectors, weighted by a softmax over time that a small network computes.

        y = Σᵢ λᵢ xᵢ
        λᵢ = softmaxᵢ(αᵀ Act(W xᵢ))                                        eq. (4)
        λᵢ = softmaxᵢ(αᵀ Act(W xᵢ + b))                                    eq. (5), with use_bias

    Eq. (5) adds β to every score besides; a softmax does not see a constant, so there is none here.

    Symbols: W = kernel, b = bias, α = direction, λ = the result of `distribution`.

    Args:
        units: rows of W; None, the default, keeps the channels of the input.
        activation: Act. The article takes tanh and advises a bias with swish.
        use_bias: adds b.
        kernel_initializer: initializer of W and α.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, time, channels). time may differ from batch to batch.
        mask: (batch, time), True at real steps. By default the mask that Keras hands on. What
            padding holds, even NaN, never reaches the output. A sequence of padding alone gives
            zeros.

    Output:
        (batch, channels), without a mask. `distribution(inputs, mask)` gives λ, (batch, time), in
        float32.

    Raises:
        ValueError: units below 1, an input that is not (batch, time, channels) or has other channels
            than the layer was built for, or a mask that is not boolean or integer numbers of shape
            (batch, time).

    Precision: scores, softmax and the sum over time are in float32. Padding is left out of the
        softmax. To add −10¹² to its score instead, as is often done, gives −∞ in float16, and NaN
        where a sequence has no real step.

    Example:
        layer = AttentionPooling1D()
        x, mask = np.random.normal(size=(2, 7, 16)), np.arange(7) < np.array([[7], [4]])
        print(layer(x, mask=mask).shape)             # (2, 16)
        print(layer.distribution(x, mask)[1])        # 4 weights with sum 1, and zeros

    Reference: 苏剑林, 基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409;
        Wang et al., Gated Self-Matching Networks for Reading Comprehension and Question Answering
        (R-Net), ACL 2017
    """

    def __init__(self, units=None, activation="tanh", use_bias=False,
                 kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        _check_integer("units", units, least=1, optional=True)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def build(self, input_shape):
        _check_sequences(self, input_shape)
        channels = input_shape[-1]
        units = self.units or channels
        self.kernel, self.bias = _dense(self, "", channels, units)
        self.direction = self.add_weight(name="direction", shape=(units, 1),
                                         initializer=self.kernel_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})

    def call(self, inputs, mask=None):
        weights = self.distribution(inputs, mask)
        x = _clean(inputs, mask)
        y = ops.einsum("bt,btc->bc", weights, ops.cast(x, "float32"))
        return ops.cast(y, self.compute_dtype)

    def distribution(self, inputs, mask=None):
        """λ, (batch, time) in float32: it sums to 1 over the real steps and is exactly 0 at padding."""
        _check_sequences(self, inputs.shape, self.kernel.shape[0])
        _check_mask(self, "mask", mask, inputs.shape)
        x = ops.cast(_clean(inputs, mask), self.compute_dtype)
        hidden = self.activation(_affine(self, x, self.kernel, self.bias))
        direction = ops.cast(self.direction, "float32")
        scores = ops.matmul(ops.cast(hidden, "float32"), direction)[..., 0]
        if mask is None:
            return ops.softmax(scores, axis=-1)
        mask = ops.cast(mask, "bool")
        # Padding gets the lowest score there is, so that the largest is a real one and no exp
        # overflows; then it goes.
        scores = ops.where(mask, scores, ops.min(scores, axis=-1, keepdims=True))
        largest = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
        powers = ops.where(mask, ops.exp(scores - largest), 0.0)
        total = ops.sum(powers, axis=-1, keepdims=True)
        return powers / ops.maximum(total, keras.config.epsilon() ** 4)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_spec(self, inputs, mask=None):
        _check_mask(self, "mask", mask, inputs.shape)
        return keras.KerasTensor((inputs.shape[0], inputs.shape[-1]), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _clean(x, mask):
    """x with zeros at padding, even where it held NaN."""
    if mask is None:
        return x
    return ops.where(ops.cast(mask, "bool")[..., None], x, ops.zeros_like(x))
