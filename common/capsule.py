"""Capsules: dynamic routing between vectors, EM routing between matrices, and their losses, for Keras 3.

Copy this file, whole, into any Keras 3 project; it needs keras alone.

    x = keras.Input((None, None, 1))
    h = keras.layers.Conv2D(128, 3, activation="relu")(x)
    v = Capsule(10, 16)(keras.layers.Reshape((-1, 128))(h))              # every position is one capsule of 128 numbers
    model = keras.Model(x, CapsuleLength()(v))                           # ten lengths in [0, 1), one for each class
    model.compile("adam", margin_loss)                                   # targets: one-hot, or k-hot for several classes

Articles: 苏剑林, 揭开迷雾，来一顿美味的Capsule盛宴 https://kexue.fm/archives/4819, 再来一顿贺岁宴：从K-Means到Capsule
https://kexue.fm/archives/5112, 三味Capsule：矩阵Capsule与EM路由 https://kexue.fm/archives/5155

Both routings are a few lines and stand first: `dynamic_routing` for the vectors of 5112, `em_routing` with its `m_step` and
`log_density` for the matrices of 5155.
"""

import math

import keras
from keras import ops

EPSILON = 1e-9           # beside squared lengths: what would be 0/0 is 0, with a finite gradient
VARIANCE_FLOOR = 1e-4    # a parent with a single child has variance 0 and would have density ∞ there


# ---------------------------------------------------------------------------------------------------- dynamic routing

def squash(x, axis=-1):
    """‖x‖² / (½ + ‖x‖²) · x/‖x‖, eq. (1) of 5112 with the author's ½ in place of 1, which shrinks short vectors less.

    x/‖x‖ has no gradient at 0: without EPSILON a single capsule of zeros, such as a relu that is off, makes all of it NaN.
    Computed in float32, since in float16 EPSILON is 0 and a length of 256 has a square of ∞; x (..., d) of any float type,
    the result of the same one.
    """
    wide = ops.cast(x, "float32")
    square = ops.sum(ops.square(wide), axis=axis, keepdims=True)
    return ops.cast(wide * (square * ops.rsqrt(square + EPSILON) / (0.5 + square)), x.dtype)


def dynamic_routing(collect, agree, start, routings):
    """Section 动态路由 of 5112: v_j is the sum of the votes û_ij of all inputs i, weighted by how well each agrees with it.

    Args:
        collect: c → s, s_j = Σ_i c_ij û_ij; c is (batch, k, n), s is (batch, k, d).
        agree: v → b, b_ij = ⟨û_ij, v_j⟩, (batch, k, n).
        start: the first c, 1/k everywhere.
        routings: how often s is computed; the first time from `start`.

    Returns:
        v (batch, k, d) after the squash, and the last c, whose sum over j is 1.
    """
    c = start
    s = collect(c)
    for _ in range(routings - 1):
        # b is replaced, not added to as in Sabour et al.: more rounds then converge instead of hardening c to 0 and 1.
        direction = s * ops.rsqrt(ops.sum(ops.square(s), axis=-1, keepdims=True) + EPSILON)      # v_j ← v_j / ‖v_j‖
        c = ops.softmax(agree(direction), axis=1)                                                # over the classes j
        s = collect(c)                                                                           # eq. (13)
    return squash(s), c


@keras.saving.register_keras_serializable(package="kexue")
class Capsule(keras.layers.Layer):
    """Clusters n input vectors into k output vectors, one for each class, by dynamic routing.

        v_j ← 1/k Σ_i û_ij,  then repeatedly  c_ij = softmax_j ⟨û_ij, v_j/‖v_j‖⟩,  v_j ← Σ_i c_ij û_ij;  output squash(v_j)

    with votes û_ij = W_j u_i (shared) or W_ji u_i, section 一个对策 of 5112. The length of v_j says how sure class j is.

    Symbols: k = num_capsule, d = dim_capsule, n = inputs, W = self.kernel, c = couplings.

    Args:
        num_capsule: k.
        dim_capsule: d.
        routings: how often the weighted sum is computed, the first time from the uniform start, as the author's code
            counts. 1 is the closed form squash(W_j Σ_i u_i / k).
        share_weights: True for one W_j for all inputs, whose number may then be unknown and differ from batch to batch;
            False for a W_ji for each input.
        kernel_initializer: of W.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        u: (batch, n, input_dim).
        mask: (batch, n), False at inputs that do not vote. By default the mask that Keras hands on.

    Output:
        v, (batch, k, d), each of length below 1. `layer.route(u, mask)` of a built layer returns the couplings c
        (batch, k, n) beside it.

    Raises:
        ValueError: u is not (batch, n, input_dim), n is unknown without shared weights, or a size is not positive.

    Precision: the routing is computed in float32 under any dtype policy; v is cast to the layer's compute dtype.

    Example:
        u = np.random.normal(size=(2, 64, 128)).astype("float32")
        v = Capsule(10, 16)(u)
        print(v.shape, CapsuleLength()(v).shape)     # (2, 10, 16) (2, 10)

    Reference: 苏剑林, 再来一顿贺岁宴：从K-Means到Capsule, https://kexue.fm/archives/5112;
        Sabour, Frosst, Hinton, Dynamic Routing Between Capsules, https://arxiv.org/abs/1710.09829
    """

    def __init__(self, num_capsule, dim_capsule, routings=3, share_weights=True, kernel_initializer="glorot_uniform",
                 **kwargs):
        super().__init__(**kwargs)
        _check_positive(self.name, num_capsule=num_capsule, dim_capsule=dim_capsule, routings=routings)
        self.num_capsule, self.dim_capsule, self.routings = int(num_capsule), int(dim_capsule), int(routings)
        self.share_weights, self.kernel_initializer = share_weights, keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None or not (self.share_weights or input_shape[1]):
            n = "n" if self.share_weights else "n known without shared weights"
            raise ValueError(f"{self.name} expects inputs of shape (batch, n, input_dim), {n}. "
                             f"Received: shape={tuple(input_shape)}")
        k, d = self.num_capsule, self.dim_capsule
        shape = (input_shape[-1], k * d) if self.share_weights else (input_shape[1], input_shape[-1], k * d)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer, autocast=False)

    def call(self, u, mask=None):
        return ops.cast(self.route(u, mask)[0], self.compute_dtype)

    def route(self, u, mask=None):
        """Returns v, (batch, k, d), and the couplings c, (batch, k, n), in float32."""
        u = ops.cast(u, "float32")
        if mask is not None:
            u = ops.where(ops.cast(mask, "bool")[:, :, None], u, 0.0)    # the vote of a zero vector is zero
        batch, n, _ = ops.shape(u)
        k, d = self.num_capsule, self.dim_capsule
        kernel = ops.reshape(ops.cast(self.kernel, "float32"), (*self.kernel.shape[:-1], k, d))
        start = ops.full((batch, k, n), 1 / k, dtype="float32")
        if self.share_weights:
            # One W_j for all i, so that Σ_i c_ij W_j u_i = W_j Σ_i c_ij u_i and ⟨W_j u_i, v_j⟩ = ⟨u_i, W_jᵀ v_j⟩: the
            # n · k votes are never computed: less than half of the products, and no tensor larger than u.
            return dynamic_routing(lambda c: ops.einsum("bki,ikd->bkd", ops.matmul(c, u), kernel),
                                   lambda v: ops.matmul(ops.einsum("bkd,ikd->bki", v, kernel), ops.transpose(u, (0, 2, 1))),
                                   start, self.routings)
        votes = ops.einsum("bni,nikd->bknd", u, kernel)                                          # û_ij = W_ji u_i
        return dynamic_routing(lambda c: ops.matmul(c[:, :, None, :], votes)[:, :, 0],
                               lambda v: ops.matmul(votes, v[..., None])[..., 0], start, self.routings)

    def compute_mask(self, inputs, mask=None):
        return None    # the outputs are classes, not steps

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_capsule, self.dim_capsule)

    def get_config(self):
        return {**super().get_config(), "num_capsule": self.num_capsule, "dim_capsule": self.dim_capsule,
                "routings": self.routings, "share_weights": self.share_weights,
                "kernel_initializer": keras.initializers.serialize(self.kernel_initializer)}


@keras.saving.register_keras_serializable(package="kexue")
class CapsuleLength(keras.layers.Layer):
    """‖v_j‖ of every capsule: the 特征显著性 that a capsule network takes for the probability that class j is there.

    Args:
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        v: (..., d).

    Output:
        (...), float32 under any dtype policy. At v = 0 it is 3e-5 with gradient 0, where √‖v‖² has none.

    Example:
        print(CapsuleLength()(np.array([[[3.0, 4.0], [0.0, 0.0]]])))     # [[5, 0.00003]]

    Reference: 苏剑林, 揭开迷雾，来一顿美味的Capsule盛宴, https://kexue.fm/archives/4819
    """

    def call(self, v):
        return ops.sqrt(ops.sum(ops.square(ops.cast(v, "float32")), axis=-1) + EPSILON)

    def compute_output_spec(self, v):
        return keras.KerasTensor(v.shape[:-1], "float32")

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]


@keras.saving.register_keras_serializable(package="kexue")
def margin_loss(y_true, lengths):
    """Σ_c T_c max(0, 0.9 − ‖v_c‖)² + 0.25 (1 − T_c) max(0, ‖v_c‖ − 0.1)², section 我的实验 of 4819; a sum over the classes.

    Every class is a question of its own, so an image may hold two digits: y_true is k-hot, (batch, classes).
    """
    y, p = ops.cast(y_true, "float32"), ops.cast(lengths, "float32")
    return ops.sum(y * ops.square(ops.relu(0.9 - p)) + 0.25 * (1 - y) * ops.square(ops.relu(p - 0.1)), axis=-1)


# --------------------------------------------------------------------------------------------------------- EM routing

def em_routing(votes, activations, beta_u, beta_a, routings=3, inverse_temperature=0.01, rivals=None):
    """新动态路由（完整版） of 5155: parents M_j are the centres of a mixture of Gaussians that the children's votes fit.

    Args:
        votes: V_ij, (..., k, n, d): what each of the n children of a place says about each of its k parents' pose.
        activations: a_i of the children, (..., n).
        beta_u, beta_a: β_u and β_a, (k,).
        routings: how many M-steps, with an E-step before all but the first.
        inverse_temperature: λ.
        rivals: logits (..., k, n) → log Σ_j exp over all parents j that child i votes for, to broadcast with the logits. By
            default those of the same place; ConvCapsules has parents at several places compete for one child.

    Returns:
        M (..., k, d) and a (..., k).
    """
    rivals = rivals or (lambda logits: ops.logsumexp(logits, axis=-2, keepdims=True))
    log_children = ops.log(ops.maximum(activations, 1e-30))[..., None, :]                        # ln a_i^last
    logits = ops.zeros_like(votes[..., 0])                               # uniform: R_ij = 1/number of i's parents
    for iteration in range(routings):
        mean, log_variance, distance, amount = m_step(votes, log_children + logits - rivals(logits))
        log_a = log_activation(log_variance, amount, beta_u, beta_a, inverse_temperature)
        if iteration < routings - 1:
            logits = log_a[..., None] + log_density(distance, log_variance)                      # ln a_j p_ij
    return mean, ops.exp(log_a)


def m_step(votes, log_weights):
    """M_j, ln σ_j², the squares (V_ij − M_j)² and Σ_i a_i R_ij, from ln a_i R_ij, (..., k, n).

    In logarithms, since a parent that wins next to nothing, in 16 dimensions a common thing, still has a mean. Products
    with matrices of one row instead of sums: TensorFlow then writes no product as large as the votes.
    """
    log_amount = ops.logsumexp(log_weights, axis=-1, keepdims=True)
    r = ops.exp(log_weights - log_amount)[..., None, :]                                          # r_ij, (..., k, 1, n)
    mean = ops.matmul(r, votes)                                                                  # M_j = Σ_i r_ij V_ij
    distance = ops.square(votes - mean)
    variance = ops.matmul(r, distance)                                                           # σ_j² = Σ_i r_ij (V − M)²
    return mean[..., 0, :], ops.log(ops.maximum(variance[..., 0, :], VARIANCE_FLOOR)), distance, ops.exp(log_amount[..., 0])


def log_density(distance, log_variance):
    """ln p_ij = ln N(V_ij; M_j, σ_j²), the logarithm of eq. (10), (..., k, n): p_ij itself underflows for 16 dimensions."""
    precision = ops.exp(-log_variance)[..., None]                                                # (..., k, d, 1)
    normaliser = 0.5 * ops.sum(log_variance + math.log(2 * math.pi), axis=-1)
    return -0.5 * ops.matmul(distance, precision)[..., 0] - normaliser[..., None]


def log_activation(log_variance, amount, beta_u, beta_a, inverse_temperature):
    """ln a_j, a_j = sigmoid(λ (β_a − cost_j)), cost_j = (β_u + Σ_l ln σ_j^l) Σ_i a_i R_ij: eq. (15), with the
    sum of 新动态路由（完整版） for its Σ_i r_ij, which is 1 for every parent.

    ln σ and not ln σ²: Σ_l ln σ_j^l is the entropy of parent j's Gaussian, eq. (14), in which united votes are small.
    """
    cost = (beta_u + 0.5 * ops.sum(log_variance, axis=-1)) * amount
    return ops.log_sigmoid(inverse_temperature * (beta_a - cost))


class _MatrixCapsules(keras.layers.Layer):
    """What layers with EM routing share: W_ij, β_u, β_a, and a float32 that no policy changes."""

    def __init__(self, capsules, routings, inverse_temperature, **kwargs):
        super().__init__(**kwargs, autocast=False)
        _check_positive(self.name, capsules=capsules, routings=routings, inverse_temperature=inverse_temperature)
        self.capsules, self.routings, self.inverse_temperature = int(capsules), int(routings), float(inverse_temperature)

    def add_weights(self, children, pose):
        """W_ij, (children, capsules, p, p), and β_u and λβ_a, (capsules,).

        W_ij begins near the identity: a parent's pose is the mean of its children's votes, and after random matrices those
        cancel, so that poses shrink by √n in each layer and the variances of the classes begin at their floor.

        λβ_a is one number, the logit of a parent without children. Adam moves a weight by about its learning rate a step;
        of a β_a a small λ would leave nothing, and a class that nothing votes for would keep a score of ½.
        """
        noise = keras.initializers.RandomNormal(stddev=0.1)
        self.kernel = self.add_weight(
            name="kernel", shape=(children, self.capsules, pose, pose), dtype="float32", autocast=False,
            initializer=lambda shape, dtype=None: ops.eye(pose, dtype=dtype) + noise(shape, dtype))
        self.beta_u, self.lambda_beta_a = (
            self.add_weight(name=name, shape=(self.capsules,), initializer="zeros", dtype="float32", autocast=False)
            for name in ("beta_u", "lambda_beta_a"))

    @property
    def beta_a(self):
        return ops.convert_to_tensor(self.lambda_beta_a) / self.inverse_temperature

    def em(self, votes, activations, rivals=None):
        return em_routing(votes, activations, ops.convert_to_tensor(self.beta_u), self.beta_a, self.routings,
                          self.inverse_temperature, rivals)

    def check(self, input_shape):
        """The shape of the poses; ValueError unless inputs are [poses, activations] that fit."""
        try:
            (*places, capsules, rows, columns), activations = input_shape
            fits = (len(places) == 3 and tuple(activations) == (*places, capsules) and rows == columns and None not in
                    (capsules, rows))
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(f"{self.name} expects a list [poses, activations] of shapes (batch, height, width, capsules, "
                             f"p, p) and (batch, height, width, capsules). Received: shapes={input_shape}")
        return input_shape[0]

    def compute_output_spec(self, inputs, training=None):
        shapes = self.compute_output_shape([t.shape for t in inputs])
        return [keras.KerasTensor(shape, self.compute_dtype) for shape in shapes]

    def outputs(self, poses, activations):
        return [ops.cast(poses, self.compute_dtype), ops.cast(activations, self.compute_dtype)]

    def get_config(self):
        return {**super().get_config(), "capsules": self.capsules, "routings": self.routings,
                "inverse_temperature": self.inverse_temperature}


@keras.saving.register_keras_serializable(package="kexue")
class PrimaryCapsules(keras.layers.Layer):
    """The first matrix capsules: at every position of a feature map one Dense makes poses and activations.

    Args:
        capsules: matrix capsules at each position.
        pose: p, the poses are p × p matrices.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        x: (batch, height, width, channels), height and width may be unknown.

    Output:
        [poses, activations] of shapes (batch, height, width, capsules, p, p) and (batch, height, width, capsules);
        activations are in (0, 1), poses have no activation function.

    Raises:
        ValueError: x is not (batch, height, width, channels), or a size is not positive.

    Example:
        poses, activations = PrimaryCapsules(8)(np.random.normal(size=(2, 12, 12, 64)).astype("float32"))
        print(poses.shape, activations.shape)     # (2, 12, 12, 8, 4, 4) (2, 12, 12, 8)

    Reference: 苏剑林, 三味Capsule：矩阵Capsule与EM路由, https://kexue.fm/archives/5155;
        Hinton, Sabour, Frosst, Matrix Capsules with EM Routing, https://openreview.net/forum?id=HJWLfGWRb
    """

    def __init__(self, capsules, pose=4, **kwargs):
        super().__init__(**kwargs)
        _check_positive(self.name, capsules=capsules, pose=pose)
        self.capsules, self.pose = int(capsules), int(pose)
        self.dense = keras.layers.Dense(self.capsules * (self.pose ** 2 + 1), dtype=self.dtype_policy, name="dense")

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(f"{self.name} expects inputs of shape (batch, height, width, channels). "
                             f"Received: shape={tuple(input_shape)}")
        self.dense.build(input_shape)

    def call(self, x):
        h = self.dense(x)                                                # poses and activations in one product
        places, size = ops.shape(x)[:3], self.capsules * self.pose ** 2
        poses = ops.reshape(h[..., :size], (*places, self.capsules, self.pose, self.pose))
        return [poses, ops.sigmoid(h[..., size:])]

    def compute_output_shape(self, input_shape):
        places = tuple(input_shape[:3])
        return [(*places, self.capsules, self.pose, self.pose), (*places, self.capsules)]

    def compute_output_spec(self, x):
        return [keras.KerasTensor(shape, self.compute_dtype) for shape in self.compute_output_shape(x.shape)]

    def get_config(self):
        return {**super().get_config(), "capsules": self.capsules, "pose": self.pose}


@keras.saving.register_keras_serializable(package="kexue")
class ConvCapsules(_MatrixCapsules):
    """A convolution of matrix capsules: the parents at each place are routed from the children in a window, by EM routing.

        V_ij = P_i W_ij,  p_ij = N(V_ij; M_j, σ_j²),  R_ij = a_j p_ij / Σ_j a_j p_ij,  r_ij = a_i R_ij / Σ_i a_i R_ij
        M_j = Σ_i r_ij V_ij,  σ_j² = Σ_i r_ij (V_ij − M_j)²,  a_j = sigmoid(λ (β_a − (β_u + Σ_l ln σ_j^l) Σ_i a_i R_ij))

    新动态路由（完整版） of 5155, in logarithms, with a floor on σ². Windows overlap, so a child has parents at several
    places: Σ_j runs over all of them, and what one place takes of a child the others lack. (Many implementations
    normalise within a place; a child in four windows then counts four times.)

    Symbols: P_i, a_i = inputs, W = self.kernel, M_j, a_j = outputs, β_u, β_a = self.beta_u, self.beta_a.

    Args:
        capsules: parents at each place.
        kernel_size: height and width of the window.
        strides: step from window to window.
        routings: M-steps; 1 is the uniform start alone. With the paper's 3 the classes learn far more slowly.
        inverse_temperature: λ, one number: the article holds the paper's annealing to be unnecessary. cost_j grows with
            the number of children that a parent has for itself, so λ should fall with it.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: [poses, activations] of shapes (batch, height, width, children, p, p) and (batch, height, width, children).
            Height and width may be unknown and are at least kernel_size; windows lie inside ("valid").

    Output:
        [poses, activations] of shapes (batch, rows, columns, capsules, p, p) and (batch, rows, columns, capsules).

    Raises:
        ValueError: inputs of other shapes, or, where their size is known, smaller than the window.

    Precision: weights and routing are float32 under any dtype policy; outputs are cast to the layer's compute dtype.

    Memory: the votes are rows · columns · kernel_size² · children · capsules · p² numbers an image, and training keeps
        about 1 + routings times as much.

    Example:
        capsules = PrimaryCapsules(4)(np.random.normal(size=(2, 12, 12, 8)).astype("float32"))
        poses, activations = ConvCapsules(5, 3, strides=2)(capsules)
        print(poses.shape, activations.shape)     # (2, 5, 5, 5, 4, 4) (2, 5, 5, 5)

    Reference: 苏剑林, 三味Capsule：矩阵Capsule与EM路由, https://kexue.fm/archives/5155;
        Hinton, Sabour, Frosst, Matrix Capsules with EM Routing, https://openreview.net/forum?id=HJWLfGWRb;
        Gritzman, Avoiding Implementation Pitfalls of Matrix Capsules with EM Routing, https://arxiv.org/abs/1907.00652
    """

    def __init__(self, capsules, kernel_size=3, strides=1, routings=2, inverse_temperature=0.05, **kwargs):
        super().__init__(capsules, routings, inverse_temperature, **kwargs)
        _check_positive(self.name, kernel_size=kernel_size, strides=strides)
        self.kernel_size, self.strides = int(kernel_size), int(strides)

    def build(self, input_shape):
        _, *size, children, pose, _ = self.check(input_shape)
        if any(length is not None and length < self.kernel_size for length in size):
            raise ValueError(f"{self.name} expects at least {self.kernel_size} × {self.kernel_size} places, the size of its "
                             f"window. Received: {size[0]} × {size[1]}")
        self.add_weights(self.kernel_size ** 2 * children, pose)

    def call(self, inputs, training=None):
        poses, activations = (ops.cast(t, "float32") for t in inputs)
        batch, height, width, children = ops.shape(activations)
        pose = self.kernel.shape[-1]
        poses = self.windows(ops.reshape(poses, (batch, height, width, children * pose * pose)), pose, pose)
        votes = compiled(lambda poses: transform(poses, self.kernel), training)(poses)
        mean, a = compiled(self.route, training)(votes, activations)
        rows, columns = (count_windows(size, self.kernel_size, self.strides) for size in (height, width))
        return self.outputs(ops.reshape(mean, (batch, rows, columns, self.capsules, pose, pose)),
                            ops.reshape(a, (batch, rows, columns, self.capsules)))

    def windows(self, t, *rest):
        """(batch, height, width, ...) → (batch, places, n, ...)."""
        t = unfold(t, self.kernel_size, self.strides)
        return ops.reshape(t, (ops.shape(t)[0], ops.shape(t)[1] * ops.shape(t)[2], self.kernel.shape[0], *rest))

    def route(self, votes, activations):
        batch, height, width, children = ops.shape(activations)
        rows, columns = (count_windows(size, self.kernel_size, self.strides) for size in (height, width))

        def rivals(logits):       # log Σ exp over the parents of each child: at each place first, then over places
            window = (self.kernel_size, self.kernel_size)
            at_place = ops.reshape(ops.logsumexp(logits, axis=-2), (batch, rows, columns, *window, children))
            everywhere = ops.logsumexp(fold(at_place, self.strides, height, width), axis=(3, 4))
            return self.windows(everywhere)[:, :, None, :]

        return self.em(votes, self.windows(activations), rivals)

    def compute_output_shape(self, input_shape):
        batch, *size, _, pose, _ = input_shape[0]
        rows, columns = (length and count_windows(length, self.kernel_size, self.strides) for length in size)
        return [(batch, rows, columns, self.capsules, pose, pose), (batch, rows, columns, self.capsules)]

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size, "strides": self.strides}


@keras.saving.register_keras_serializable(package="kexue")
class ClassCapsules(_MatrixCapsules):
    """The last layer: one matrix capsule for each class, routed from the capsules of all positions, by EM routing.

    The formulas are those of ConvCapsules; W_ij is the same at every position, so that the number of positions is free. What
    that forgets, coordinate addition gives back: before routing, the position of the child is added to the first two
    elements of the last column of its vote, and children that agree on a class must agree on where it is, too.

    Symbols: as in ConvCapsules.

    Args:
        capsules: classes.
        routings: M-steps; 1 is the uniform start alone. With the paper's 3 the classes learn far more slowly.
        inverse_temperature: λ; smaller than in ConvCapsules, as a class has the children of all positions for itself.
        coordinate_scale: what one step from position to position adds; 0 leaves coordinates out. It is a length and not a
            share of the image: a digit is as large in an image of twice the height.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: [poses, activations] of shapes (batch, height, width, children, p, p) and (batch, height, width, children);
            height and width may be unknown.

    Output:
        [poses, activations] of shapes (batch, capsules, p, p) and (batch, capsules).

    Raises:
        ValueError: inputs of other shapes, or a size that is not positive.

    Precision: weights and routing are float32 under any dtype policy; outputs are cast to the layer's compute dtype.

    Example:
        capsules = PrimaryCapsules(4)(np.random.normal(size=(2, 5, 5, 8)).astype("float32"))
        poses, activations = ClassCapsules(10)(capsules)
        print(poses.shape, activations.shape)     # (2, 10, 4, 4) (2, 10)

    Reference: 苏剑林, 三味Capsule：矩阵Capsule与EM路由, https://kexue.fm/archives/5155;
        Hinton, Sabour, Frosst, Matrix Capsules with EM Routing, https://openreview.net/forum?id=HJWLfGWRb
    """

    def __init__(self, capsules, routings=2, inverse_temperature=0.005, coordinate_scale=0.1, **kwargs):
        super().__init__(capsules, routings, inverse_temperature, **kwargs)
        self.coordinate_scale = coordinate_scale

    def build(self, input_shape):
        *_, children, pose, _ = self.check(input_shape)
        if self.coordinate_scale and pose < 2:
            raise ValueError(f"{self.name} expects poses of at least 2 × 2 for its coordinates. Received: {pose} × {pose}")
        self.add_weights(children, pose)

    def call(self, inputs, training=None):
        poses, activations = (ops.cast(t, "float32") for t in inputs)
        batch, height, width, children = ops.shape(activations)
        pose = self.kernel.shape[-1]
        votes = ops.einsum("byxnpq,nkqr->bkyxnpr", poses, ops.convert_to_tensor(self.kernel))
        if self.coordinate_scale:
            where = ops.stack(ops.meshgrid(ops.arange(height), ops.arange(width), indexing="ij"), axis=-1)
            where = ops.cast(where, "float32")[..., None] + 0.5                                  # (height, width, 2, 1)
            where = ops.pad(where, [[0, 0], [0, 0], [0, pose - 2], [pose - 1, 0]])               # first two of a last column
            votes += self.coordinate_scale * where[:, :, None]
        n = height * width * children                                    # children of all positions are those of one place
        votes = ops.reshape(votes, (batch, self.capsules, n, pose ** 2))
        mean, a = compiled(self.em, training)(votes, ops.reshape(activations, (batch, n)))
        return self.outputs(ops.reshape(mean, (batch, self.capsules, pose, pose)), a)

    def compute_output_shape(self, input_shape):
        batch, pose = input_shape[0][0], input_shape[0][-1]
        return [(batch, self.capsules, pose, pose), (batch, self.capsules)]

    def get_config(self):
        return {**super().get_config(), "coordinate_scale": self.coordinate_scale}


def transform(poses, kernel):
    """V_ij = P_i W_ij: poses (batch, places, n, p, p), kernel (n, k, p, p) → votes (batch, places, k, n, p²)."""
    batch, places = ops.shape(poses)[:2]
    n, k, p, _ = kernel.shape
    votes = ops.einsum("bxnpq,nkqr->bxknpr", poses, ops.convert_to_tensor(kernel))
    return ops.reshape(votes, (batch, places, k, n, p * p))


def count_windows(size, kernel_size, strides):
    """How many windows lie inside so many places."""
    return 1 + (size - kernel_size) // strides


def unfold(t, kernel_size, strides):
    """Windows of (batch, height, width, channels): (batch, rows, columns, kernel_size, kernel_size, channels)."""
    rows, columns = (count_windows(size, kernel_size, strides) for size in ops.shape(t)[1:3])
    t = ops.stack([t[:, y:y + strides * (rows - 1) + 1:strides] for y in range(kernel_size)], axis=3)
    return ops.stack([t[:, :, x:x + strides * (columns - 1) + 1:strides] for x in range(kernel_size)], axis=4)


def fold(t, strides, height, width):
    """The reverse: what each position is in each window, (batch, height, width, kernel_size, kernel_size, channels); −1e9
    where it is in none, which is −∞ for a logsumexp whose gradient must stay finite."""
    kernel_size = t.shape[3]

    def spread(t, axis, offset, size):    # element i of the axis goes to offset + strides · i
        shape = list(ops.shape(t))
        if strides > 1:
            pads = [[0, 0] for _ in range(6)]
            pads[axis + 1][1] = strides - 1
            t = ops.pad(ops.expand_dims(t, axis + 1), pads, constant_values=-1e9)
            t = ops.reshape(t, (*shape[:axis], shape[axis] * strides, *shape[axis + 1:]))
        pads = [[0, 0] for _ in range(5)]
        pads[axis] = [offset, kernel_size - 1 - offset]
        t = ops.pad(t, pads, constant_values=-1e9)
        return t[:, :size] if axis == 1 else t[:, :, :size]

    t = ops.stack([spread(t[:, :, :, y], 1, y, height) for y in range(kernel_size)], axis=3)
    return ops.stack([spread(t[:, :, :, :, x], 2, x, width) for x in range(kernel_size)], axis=4)


@keras.saving.register_keras_serializable(package="kexue")
def spread_loss(y_true, activations):
    """Σ_t Σ_{i≠t} max(0, m − (a_t − a_i))² over the true classes t and the others i; a sum over the classes.

    The margin m travels with the targets: y_true is m at the true classes and 0 elsewhere, (batch, classes), so that a
    schedule needs no state in the loss and works on every backend: `spread_margin(progress) * one_hot`.
    """
    y, a = ops.cast(y_true, "float32"), ops.cast(activations, "float32")
    true, m = ops.cast(y > 0, "float32"), ops.max(y, axis=-1)[:, None, None]
    gap = ops.square(ops.relu(m - (a[:, :, None] - a[:, None, :])))                              # (batch, t, i)
    return ops.sum(gap * true[:, :, None] * (1 - true)[:, None, :], axis=(1, 2))


def spread_margin(progress, start=0.2, stop=0.9):
    """m for a share 0 … 1 of the training that is over: rises in a straight line, so that early errors kill no capsule."""
    return start + (stop - start) * min(1.0, max(0.0, progress))


def compiled(function, training):
    """The same function, in training on the TensorFlow backend compiled by XLA: EM routing is sums over the votes that XLA
    makes one pass of. Apart from the rest, since it would slow convolutions down, and votes and routing apart from each
    other, since it would compute the votes anew in each pass. In training alone: XLA compiles for each size of a batch."""
    if training and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            return tf.function(function, jit_compile=True)
    return function


def _check_positive(layer, **settings):
    for name, value in settings.items():
        kind, expected = ("__float__", "a number") if name == "inverse_temperature" else ("__index__", "an integer")
        if isinstance(value, bool) or not hasattr(value, kind) or not 0 < value < math.inf:      # NumPy's numbers too
            raise ValueError(f"{layer} expects {name} to be {expected} above 0. Received: {name}={value}")
