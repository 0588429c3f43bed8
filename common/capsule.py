"""Capsules with dynamic routing between vectors, and the margin loss, for Keras 3.

Copy this file into any Keras 3 project; it needs keras alone. Capsules that are matrices, with EM
routing, are in matrix_capsule.py.

    x = keras.Input((None, None, 1))
    h = keras.layers.Conv2D(128, 3, activation="relu")(x)
    u = keras.layers.Reshape((-1, 128))(h)           # every position is one capsule of 128 numbers
    v = Capsule(10, 16)(u)
    model = keras.Model(x, CapsuleLength()(v))       # ten lengths in [0, 1), one for each class
    model.compile("adam", MarginLoss())              # targets: class numbers, or k-hot for several classes

Articles: 苏剑林, 揭开迷雾，来一顿美味的Capsule盛宴, https://kexue.fm/archives/4819;
再来一顿贺岁宴：从K-Means到Capsule, https://kexue.fm/archives/5112

The routing of 5112 is a few lines and stands first: `squash` and `dynamic_routing`.
"""
# kexue-keras common/capsule.py, version 1.2 (2026-11-29), Apache-2.0; changes: CHANGELOG.md

import math

import keras
from keras import ops

MOST_ROUTINGS = 100
EPSILON = 1e-9           # beside squared lengths: what would be 0/0 is 0, with a finite gradient


def squash(x, axis=-1, constant=0.5):
    """‖x‖² / (½ + ‖x‖²) · x/‖x‖: (3) of 4819 with the author's ½ in place of the 1 of Sabour et al., which
    shrinks short vectors less. `constant` is the ½.

    x/‖x‖ has no gradient at 0: without EPSILON a single capsule of zeros, such as a relu that is
    off, makes all of it NaN. It is computed in float32, since in float16 EPSILON is 0 and a length
    of 256 has a square of ∞. x, (..., d), is of any float type, and the result is of the same one.
    """
    wide = ops.cast(x, "float32")
    square = ops.sum(ops.square(wide), axis=axis, keepdims=True)
    factor = square * ops.rsqrt(square + EPSILON) / (constant + square)
    return ops.cast(wide * factor, x.dtype)


def dynamic_routing(collect, agree, start, routings, between="direction", accumulate=False, constant=0.5):
    """Section 动态路由 of 5112: v_j is the sum of the votes û_ij of all inputs i, weighted by how well
    each agrees with it.

    Args:
        collect: c → s, s_j = Σ_i c_ij û_ij; c is (batch, k, n), s is (batch, k, d).
        agree: v → b, b_ij = ⟨û_ij, v_j⟩, (batch, k, n).
        start: the first c, 1/k everywhere.
        routings: how often s is computed; the first time from `start`.
        between, accumulate, constant: see Capsule.

    Returns:
        v (batch, k, d) after the squash, and the last c, whose sum over j is 1.
    """
    b, c = ops.zeros_like(start), start
    s = collect(c)
    for _ in range(routings - 1):
        v = direction(s) if between == "direction" else squash(s, constant=constant)
        # b is replaced, not added to as in Sabour et al.: more rounds then converge instead of
        # hardening c to 0 and 1.
        b = b + agree(v) if accumulate else agree(v)
        c = ops.softmax(b, axis=1)                                   # over the classes j
        s = collect(c)                                               # eq. (13)
    return squash(s, constant=constant), c


def direction(x):
    """x/‖x‖, and 0 for 0."""
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + EPSILON)


@keras.saving.register_keras_serializable(package="kexue")
class Capsule(keras.layers.Layer):
    """Clusters n input vectors into k output vectors, one for each class, by dynamic routing.

        v_j ← 1/k Σ_i û_ij
        repeatedly  c_ij = softmax_j ⟨û_ij, v_j/‖v_j‖⟩,  v_j ← Σ_i c_ij û_ij
        output      squash(v_j)

    with votes û_ij = W_j u_i (shared) or W_ji u_i, section 一个对策 of 5112. The length of v_j says
    how sure class j is. For one image, with all votes û written out, (n, k, d), that is

        b = np.zeros((n, k))
        for _ in range(routings):
            e = np.exp(b)
            c = e / e.sum(axis=1, keepdims=True)                     # softmax over the classes j
            v = (c[:, :, None] * votes).sum(axis=0)                  # Σ_i c_ij û_ij, (k, d)
            v_hat = v / np.linalg.norm(v, axis=1, keepdims=True)
            b = (votes * v_hat).sum(axis=2)                          # ⟨û_ij, v_j/‖v_j‖⟩
        square = (v ** 2).sum(axis=1, keepdims=True)
        v = square / (0.5 + square) * v_hat                          # squash

    Symbols: k = num_capsule, d = dim_capsule, n = inputs, W = self.kernel, c = couplings.

    Args:
        num_capsule: k.
        dim_capsule: d.
        routings: how often the weighted sum is computed, the first time from the uniform start, as
            the author's code counts. 1 is the closed form squash(W_j Σ_i u_i / k).
        between: what agrees with the votes between the rounds: "direction", v_j/‖v_j‖ as in 5112, or
            "squash", squash(v_j) as in 4819.
        accumulate: whether ⟨û_ij, v_j⟩ is added to the b_ij of the rounds before, as in Sabour et al.;
            c_ij then goes to 0 or 1 as the rounds go on.
        squash_constant: what stands beside ‖v‖² in the squash: the author's ½, or the paper's 1.
        share_weights: True for one W_j for all inputs, whose number may then be unknown and differ
            from batch to batch; False for a W_ji for each input.
        kernel_initializer: of W.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        u: (batch, n, input_dim).
        mask: (batch, n), False at inputs that do not vote. By default the mask that Keras hands on.

    Output:
        v, (batch, k, d), each of length below 1. `layer.route(u, mask)` of a built layer returns
        the couplings c (batch, k, n) beside it.

    Raises:
        ValueError: u is not (batch, n, input_dim), n is unknown without shared weights, or a size
            is not positive.

    Precision: the routing is computed in float32 under any dtype policy; v is cast to the layer's
        compute dtype.

    Example:
        u = np.random.normal(size=(2, 64, 128)).astype("float32")
        v = Capsule(10, 16)(u)
        print(v.shape, CapsuleLength()(v).shape)     # (2, 10, 16) (2, 10)

    Reference: 苏剑林, 再来一顿贺岁宴：从K-Means到Capsule, https://kexue.fm/archives/5112;
        Sabour, Frosst, Hinton, Dynamic Routing Between Capsules, https://arxiv.org/abs/1710.09829
    """

    def __init__(self, num_capsule, dim_capsule, routings=3, share_weights=True,
                 kernel_initializer="glorot_uniform", between="direction", accumulate=False,
                 squash_constant=0.5, **kwargs):
        super().__init__(**kwargs)
        _check_positive(self.name, num_capsule=num_capsule, dim_capsule=dim_capsule,
                        routings=routings)
        if routings > MOST_ROUTINGS:
            raise ValueError(f"{self.name} expects routings up to {MOST_ROUTINGS}: each is a part of the "
                             f"graph. Received: routings={routings}")
        if between not in ("direction", "squash"):
            raise ValueError(f"{self.name} expects between to be direction or squash. "
                             f"Received: between={between!r}")
        _check_number(self.name, squash_constant=squash_constant)
        self.num_capsule = int(num_capsule)
        self.dim_capsule = int(dim_capsule)
        self.routings = int(routings)
        self.share_weights = share_weights
        self.between = between
        self.accumulate = bool(accumulate)
        self.squash_constant = float(squash_constant)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def build(self, input_shape):
        fits = len(input_shape) == 3 and input_shape[2] is not None
        if self.share_weights:
            expected = "(batch, n, input_dim)"
        else:
            expected = "(batch, n, input_dim), n known without shared weights"
            fits = fits and bool(input_shape[1])
        if not fits:
            raise ValueError(f"{self.name} expects inputs of shape {expected}. "
                             f"Received: shape={tuple(input_shape)}")
        _, n, input_dim = input_shape
        size = self.num_capsule * self.dim_capsule
        shape = (input_dim, size) if self.share_weights else (n, input_dim, size)
        self.kernel = self.add_weight(name="kernel", shape=shape, autocast=False,
                                      initializer=self.kernel_initializer)
        axes = {2: input_dim} if self.share_weights else {1: n, 2: input_dim}
        self.input_spec = keras.layers.InputSpec(ndim=3, axes=axes)

    def check(self, u, mask):
        """ValueError unless u, and the mask, have shapes that the weights are for."""
        expected = (None, *self.kernel.shape[:-1])[-2:]
        if not _fits(u.shape[1:], expected):
            raise ValueError(f"{self.name} expects u of shape {(None, *expected)}. "
                             f"Received: shape={tuple(u.shape)}")
        if mask is not None and not _fits(mask.shape, u.shape[:2]):
            raise ValueError(f"{self.name} expects a mask of shape {tuple(u.shape[:2])}. "
                             f"Received: mask shape={tuple(mask.shape)}")

    def call(self, u, mask=None):
        v, _ = self.route(u, mask)
        return ops.cast(v, self.compute_dtype)

    def route(self, u, mask=None):
        """Returns v, (batch, k, d), and the couplings c, (batch, k, n), in float32."""
        u = ops.cast(u, "float32")
        mask = None if mask is None else ops.convert_to_tensor(mask)
        self.check(u, mask)
        if mask is not None:
            real = ops.cast(mask, "bool")[:, :, None]
            u = ops.where(real, u, 0.0)                  # the vote of a zero vector is zero
        batch, n, _ = ops.shape(u)
        k, d = self.num_capsule, self.dim_capsule
        kernel = ops.cast(self.kernel, "float32")
        kernel = ops.reshape(kernel, (*self.kernel.shape[:-1], k, d))
        start = ops.full((batch, k, n), 1 / k, dtype="float32")
        if self.share_weights:
            # One W_j for all i, so Σ_i c_ij W_j u_i = W_j Σ_i c_ij u_i, and
            # ⟨W_j u_i, v_j⟩ = ⟨u_i, W_jᵀ v_j⟩. The n · k votes are never computed: that takes less
            # than half of the products, and no tensor is larger than u.
            def collect(c):
                return ops.einsum("bki,ikd->bkd", ops.matmul(c, u), kernel)

            def agree(v):
                back = ops.einsum("bkd,ikd->bki", v, kernel)
                return ops.matmul(back, ops.transpose(u, (0, 2, 1)))
        else:
            votes = ops.einsum("bni,nikd->bknd", u, kernel)          # û_ij = W_ji u_i

            def collect(c):
                return ops.matmul(c[:, :, None, :], votes)[:, :, 0]

            def agree(v):
                return ops.matmul(votes, v[..., None])[..., 0]
        return dynamic_routing(collect, agree, start, self.routings, self.between, self.accumulate,
                               self.squash_constant)

    def compute_mask(self, inputs, mask=None):
        return None    # the outputs are classes, not steps

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_capsule, self.dim_capsule)

    def get_config(self):
        return {
            **super().get_config(),
            "num_capsule": self.num_capsule,
            "dim_capsule": self.dim_capsule,
            "routings": self.routings,
            "share_weights": self.share_weights,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "between": self.between,
            "accumulate": self.accumulate,
            "squash_constant": self.squash_constant,
        }


@keras.saving.register_keras_serializable(package="kexue")
class CapsuleLength(keras.layers.Layer):
    """‖v_j‖ of every capsule: the 特征显著性 that a capsule network takes for the probability that
    class j is there.

    Args:
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        v: (..., d).

    Output:
        (...), float32 under any dtype policy. At v = 0 it is 3e-5 with gradient 0, where √‖v‖² has
        none.

    Example:
        print(CapsuleLength()(np.array([[[3.0, 4.0], [0.0, 0.0]]])))     # [[5, 0.00003]]

    Reference: 苏剑林, 揭开迷雾，来一顿美味的Capsule盛宴, https://kexue.fm/archives/4819
    """

    def call(self, v):
        square = ops.sum(ops.square(ops.cast(v, "float32")), axis=-1)
        return ops.sqrt(square + EPSILON)

    def compute_output_spec(self, v):
        return keras.KerasTensor(v.shape[:-1], "float32")

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]


@keras.saving.register_keras_serializable(package="kexue")
class Mask(keras.layers.Layer):
    """Keeps the capsules of the classes that are there, for a decoder that draws the image from them.

        y = [T_1 v_1, …, T_k v_k]

    T is what the targets say, or, where v comes alone, 1 for the longest v_j and 0 for the others. So one
    layer serves training and prediction. 4819 has no formula for it and calls what follows 重构网络.

    Symbols: T = y_true.

    Args:
        longest: how many capsules are kept where no targets come: 1, or how many things an image shows.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: v, (batch, k, d); or a list [v, y_true], where y_true is k-hot, (batch, k), or the numbers of
            single classes, (batch,) or (batch, 1). Soft labels weigh their capsules.

    Output:
        (batch, k · d), capsule after capsule.

    Raises:
        ValueError: inputs of other shapes, fewer capsules than `longest`, targets outside of [0, 1], or
            numbers without a class; in a graph such values make the row NaN.

    Precision: lengths are compared in float32, and class numbers are not rounded, under any dtype policy. Of
        equal lengths the first counts. The output is of the layer's compute dtype.

    Example:
        v = np.random.normal(size=(2, 10, 16)).astype("float32")
        longest, known = Mask()(v), Mask()([v, np.array([3, 7])])
        print(np.flatnonzero(known[0]))                                       # 48 to 63
        image = keras.layers.Dense(784, "sigmoid")(known)

    Reference: Sabour, Frosst, Hinton, Dynamic Routing Between Capsules, https://arxiv.org/abs/1710.09829,
        section 4.1; 苏剑林, 揭开迷雾，来一顿美味的Capsule盛宴, https://kexue.fm/archives/4819
    """

    def __init__(self, longest=1, **kwargs):
        super().__init__(**kwargs, autocast=False)           # which would round class numbers
        _check_positive(self.name, longest=longest)
        self.longest = int(longest)

    def call(self, inputs):
        self.compute_output_shape(_shapes(inputs))
        v, *targets = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        square = _comparable_squares(v)
        if targets:
            there = _k_hot(targets[0], square)
            valid = ops.abs(there - 0.5) < 0.50001
            _refuse_if_known(valid, there, "k-hot rows, with numbers from 0 to 1")
            there = ops.where(ops.all(valid, axis=-1, keepdims=True), there, math.nan)
            there = ops.reshape(there, ops.shape(square))    # what a graph does not know is not broadcast
        else:
            which = ops.argsort(-square, axis=-1)[:, :self.longest]        # stable: the first of equal ones
            there = ops.sum(ops.one_hot(which, v.shape[1], dtype="float32"), axis=1)
        y = ops.cast(v, self.compute_dtype) * ops.cast(there, self.compute_dtype)[..., None]
        return ops.reshape(y, (ops.shape(v)[0], v.shape[1] * v.shape[2]))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(self.compute_output_shape(_shapes(inputs)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        several = input_shape and isinstance(input_shape[0], (list, tuple))
        v, *targets = shapes = input_shape if several else [input_shape]
        right = len(v) == 3 and None not in v[1:] and v[1] >= self.longest and len(targets) < 2
        if right and targets:
            allowed = [(v[0], v[1]), (v[0],), (v[0], 1)]
            right = any(_fits(targets[0], shape) for shape in allowed)
        if not right:
            raise ValueError(f"{self.name} expects v (batch, k, d) of at least longest={self.longest} "
                             "capsules, or a list of v and y (batch, k), (batch,) or (batch, 1). "
                             f"Received: shapes={[tuple(shape) for shape in shapes]}")
        return (v[0], v[1] * v[2])

    def get_config(self):
        return {**super().get_config(), "longest": self.longest}


@keras.saving.register_keras_serializable(package="kexue")
def margin_loss(y_true, lengths, upper=0.9, lower=0.1, weight=0.25):
    """A sum over the classes, section 我的实验 of 4819:

        Σ_c T_c max(0, 0.9 − ‖v_c‖)² + 0.25 (1 − T_c) max(0, ‖v_c‖ − 0.1)²

    Every class is a question of its own, so an image may hold two digits.

    Args:
        y_true: T, k-hot, (batch, classes); or the numbers of single classes, (batch,) or (batch, 1).
        lengths: ‖v_c‖, (batch, classes).
        upper, lower, weight: 0.9, 0.1 and 0.25 of the formula.

    Returns:
        (batch,), float32.

    Raises:
        ValueError: targets of another shape, outside of [0, 1], or numbers without a class; in a graph
            such values make the loss NaN.
    """
    p = ops.cast(lengths, "float32")
    y = _k_hot(y_true, p)
    valid = ops.abs(y - 0.5) < 0.50001
    _refuse_if_known(valid, y, "k-hot rows, with numbers from 0 to 1")
    too_short = y * ops.square(ops.relu(upper - p))
    too_long = weight * (1 - y) * ops.square(ops.relu(p - lower))
    return ops.sum(ops.where(valid, too_short + too_long, math.nan), axis=-1)


@keras.saving.register_keras_serializable(package="kexue")
class MarginLoss(keras.losses.Loss):
    """`margin_loss` as a class that saves and loads with a model, options included.

    Args:
        upper, lower, weight: as in the function.
        name, reduction, dtype: as in any Keras loss; float32 by default.

    Raises:
        ValueError: an option that is not a number of at least 0.

    Example:
        model = keras.Sequential([keras.Input((64, 128)), Capsule(10, 16), CapsuleLength()])
        model.compile("adam", MarginLoss(weight=0.5))
        model.fit(np.zeros((4, 64, 128)), np.array([3, 1, 4, 1]), verbose=0)
        model.save("model.keras")

    Reference: 苏剑林, 揭开迷雾，来一顿美味的Capsule盛宴, https://kexue.fm/archives/4819
    """

    def __init__(self, upper=0.9, lower=0.1, weight=0.25, name="margin_loss", reduction="sum_over_batch_size",
                 dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")
        _check_number("MarginLoss", upper=upper, lower=lower, weight=weight)
        self.upper = float(upper)
        self.lower = float(lower)
        self.weight = float(weight)

    def call(self, y_true, y_pred):
        return margin_loss(y_true, y_pred, self.upper, self.lower, self.weight)

    def get_config(self):
        return {
            **super().get_config(),
            "upper": self.upper,
            "lower": self.lower,
            "weight": self.weight,
            "dtype": self.dtype,
        }


def _k_hot(y_true, scores):
    """y_true as (batch, classes): k-hot rows as they are, class numbers (batch,) or (batch, 1) one-hot. Of
    numbers that are no class the row is NaN."""
    y, shape = ops.convert_to_tensor(y_true), tuple(scores.shape)
    if shape[-1] == 1 and len(y.shape) == len(shape) - 1:
        y = y[..., None]                        # of a single class each label says whether it is there
    if _fits(y.shape, shape):
        # Where a graph does not know a size, reshape refuses what arithmetic would repeat.
        y = ops.reshape(y, ops.shape(scores)) if None in tuple(y.shape) else y
        return ops.cast(y, "float32")
    if _fits(y.shape, (*shape[:-1], 1)):
        y = y[..., 0]
    if not _fits(y.shape, shape[:-1]):
        raise ValueError(f"y_true expects rows of one number a class, {shape}, or class numbers, "
                         f"{shape[:-1]} or {(*shape[:-1], 1)}. Received: shape={tuple(y.shape)}")
    classes = ops.shape(scores)[-1]
    number = ops.cast(y, "float32")[..., None]
    one_hot = ops.cast(number == ops.arange(classes, dtype="float32"), "float32")
    there = ops.sum(one_hot, axis=-1) > 0
    _refuse_if_known(there, y, f"classes, whole numbers from 0 to {classes - 1}")
    return ops.where(there[..., None], one_hot, math.nan)


def _comparable_squares(v):
    """‖v_j‖² in units of the row's largest number, (batch, k): no square is infinite, nor all of them 0."""
    v = ops.cast(v, "float32")
    largest = ops.max(ops.abs(v), axis=(1, 2), keepdims=True, initial=0.0)
    return ops.sum(ops.square(v / ops.where(largest > 0, largest, 1.0)), axis=-1)


def _shapes(inputs):
    """The shape of a tensor, or those of a list of tensors."""
    if isinstance(inputs, (list, tuple)):
        return [tuple(x.shape) for x in inputs]
    return tuple(inputs.shape)


def _fits(shape, expected):
    """Whether shapes are the same as far as both are known."""
    if len(shape) != len(expected):
        return False
    return all(a == b or a is None or b is None for a, b in zip(shape, expected))


def _refuse_if_known(valid, y, expected):
    """ValueError where values are known and one is wrong. In a graph they are not."""
    try:
        right = bool(ops.all(valid))
    except (TypeError, RuntimeError):
        return
    if not right:
        wrong = ops.convert_to_numpy(y)[~ops.convert_to_numpy(valid)]
        raise ValueError(f"y_true expects {expected}. Received: y_true={wrong[0]}")


def _check_number(name, **options):
    """ValueError unless all are numbers of at least 0."""
    for option, value in options.items():
        number = hasattr(value, "__float__") and not isinstance(value, bool)
        if not number or not 0 <= value < math.inf:
            raise ValueError(f"{name} expects {option} to be a number of at least 0. "
                             f"Received: {option}={value!r}")


def _check_positive(layer, **settings):
    """NumPy's integers will do, too."""
    for name, value in settings.items():
        integer = hasattr(value, "__index__") and not isinstance(value, bool)
        if not integer or value <= 0:
            raise ValueError(f"{layer} expects {name} to be an integer above 0. "
                             f"Received: {name}={value}")
