"""Matrix capsules with EM routing, and the spread loss, for Keras 3.

Copy this file into any Keras 3 project; it needs keras alone. Capsules that are vectors, with
dynamic routing, are in capsule.py.

    x = keras.Input((None, None, 1))
    h = keras.layers.Conv2D(64, 5, strides=2, activation="relu")(x)
    capsules = PrimaryCapsules(8)(h)                       # poses of 4 × 4, and activations
    capsules = ConvCapsules(16, 3, strides=2)(capsules)
    poses, activations = ClassCapsules(10)(capsules)       # ten activations, one for each class
    model = keras.Model(x, activations)
    model.compile("adam", SpreadLoss(margin=0.9))          # targets: class numbers
    model.compile("adam", spread_loss)                     # or spread_margin(share) * one-hot, to let it rise

Article: 苏剑林, 三味Capsule：矩阵Capsule与EM路由, https://kexue.fm/archives/5155

The routing is a few lines and stands first: `em_routing` with its `m_step`, `log_density` and
`log_activation`.
"""
# kexue-keras common/matrix_capsule.py, version 1.1 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import math

import keras
from keras import ops

MOST_ROUTINGS = 100
VARIANCE_FLOOR = 1e-4    # a parent with a single child has variance 0 and would have density ∞ there


def em_routing(votes, activations, beta_u, beta_a, routings=3, inverse_temperature=0.01, rivals=None):
    """新动态路由(完整) of 5155: parents M_j are the centres of a mixture of Gaussians that the
    children's votes fit.

    Args:
        votes: V_ij, (..., k, n, d): what each of the n children of a place says about each of its k
            parents' pose.
        activations: a_i of the children, (..., n).
        beta_u, beta_a: β_u and β_a, (k,).
        routings: how many M-steps, with an E-step before all but the first.
        inverse_temperature: λ.
        rivals: logits (..., k, n) → log Σ_j exp over all parents j that child i votes for, to
            broadcast with the logits. By default those are the parents of the same place;
            ConvCapsules has parents at several places compete for one child.

    Returns:
        M (..., k, d) and a (..., k).
    """
    if rivals is None:
        rivals = _rivals_of_one_place
    beta_u, beta_a = ops.convert_to_tensor(beta_u), ops.convert_to_tensor(beta_a)
    log_children = ops.log(ops.maximum(activations, 1e-30))[..., None, :]      # ln a_i^last
    logits = ops.zeros_like(votes[..., 0])               # uniform: R_ij = 1 / number of i's parents
    for iteration in range(routings):
        log_weights = log_children + logits - rivals(logits)                   # ln a_i R_ij
        mean, log_variance, distance, amount = m_step(votes, log_weights)
        log_a = log_activation(log_variance, amount, beta_u, beta_a, inverse_temperature)
        if iteration < routings - 1:
            logits = log_a[..., None] + log_density(distance, log_variance)    # ln a_j p_ij
    return mean, ops.exp(log_a)


def _rivals_of_one_place(logits):
    return ops.logsumexp(logits, axis=-2, keepdims=True)


def m_step(votes, log_weights):
    """M_j, ln σ_j², the squares (V_ij − M_j)² and Σ_i a_i R_ij, from ln a_i R_ij, (..., k, n).

    In logarithms a parent that wins next to nothing, in 16 dimensions a common thing, still has a
    mean. Products with matrices of one row stand for sums: TensorFlow then writes no product as
    large as the votes.
    """
    votes, log_weights = ops.convert_to_tensor(votes), ops.convert_to_tensor(log_weights)
    log_amount = ops.logsumexp(log_weights, axis=-1, keepdims=True)
    r = ops.exp(log_weights - log_amount)[..., None, :]              # r_ij, (..., k, 1, n)
    mean = ops.matmul(r, votes)                                      # M_j = Σ_i r_ij V_ij
    distance = ops.square(votes - mean)
    variance = ops.matmul(r, distance)[..., 0, :]                    # σ_j² = Σ_i r_ij (V_ij − M_j)²
    log_variance = ops.log(ops.maximum(variance, VARIANCE_FLOOR))
    return mean[..., 0, :], log_variance, distance, ops.exp(log_amount[..., 0])


def log_density(distance, log_variance):
    """ln p_ij = ln N(V_ij; M_j, σ_j²), the logarithm of eq. (10), (..., k, n). p_ij itself underflows
    for 16 dimensions."""
    precision = ops.exp(-log_variance)[..., None]                    # (..., k, d, 1)
    normaliser = 0.5 * ops.sum(log_variance + math.log(2 * math.pi), axis=-1)
    return -0.5 * ops.matmul(distance, precision)[..., 0] - normaliser[..., None]


def log_activation(log_variance, amount, beta_u, beta_a, inverse_temperature):
    """ln a_j, eq. (15) with Σ_i a_i R_ij of 新动态路由(完整) for its Σ_i r_ij, which is 1 for every
    parent.

        a_j = sigmoid(λ (β_a − cost_j)),  cost_j = (β_u + Σ_l ln σ_j^l) Σ_i a_i R_ij

    ln σ and not ln σ²: Σ_l ln σ_j^l is the entropy of parent j's Gaussian, eq. (14), in which united
    votes are small.
    """
    cost = (beta_u + 0.5 * ops.sum(log_variance, axis=-1)) * amount
    return ops.log_sigmoid(inverse_temperature * (beta_a - cost))


class _MatrixCapsules(keras.layers.Layer):
    """What layers with EM routing share: W_ij, β_u, β_a, and a float32 that no policy changes."""

    def __init__(self, capsules, routings, inverse_temperature, **kwargs):
        super().__init__(**kwargs, autocast=False)
        _check_positive(self.name, capsules=capsules, routings=routings)
        if routings > MOST_ROUTINGS:
            raise ValueError(f"{self.name} expects routings up to {MOST_ROUTINGS}: each is a part of the "
                             f"graph. Received: routings={routings}")
        number = hasattr(inverse_temperature, "__float__") and not isinstance(inverse_temperature, bool)
        if not number or not 0 < inverse_temperature < math.inf:
            raise ValueError(f"{self.name} expects inverse_temperature to be a number above 0. "
                             f"Received: inverse_temperature={inverse_temperature}")
        self.capsules = int(capsules)
        self.routings = int(routings)
        self.inverse_temperature = float(inverse_temperature)

    def add_weights(self, children, pose):
        """W_ij, (children, capsules, p, p), and β_u and λβ_a, (capsules,).

        W_ij begins near the identity. A parent's pose is the mean of its children's votes. After
        random matrices those would cancel: poses would shrink by √n in each layer, and the
        variances of the classes would begin at their floor.

        λβ_a is one number, the logit of a parent without children. Adam moves a weight by about its
        learning rate a step. Of a β_a a small λ would leave nothing, and a class that nothing votes
        for would keep a score of ½.
        """
        noise = keras.initializers.RandomNormal(stddev=0.1)

        def near_identity(shape, dtype=None):
            return ops.eye(pose, dtype=dtype) + noise(shape, dtype)

        options = {"dtype": "float32", "autocast": False}
        self.kernel = self.add_weight(name="kernel", shape=(children, self.capsules, pose, pose),
                                      initializer=near_identity, **options)
        self.beta_u = self.add_weight(name="beta_u", shape=(self.capsules,), initializer="zeros",
                                      **options)
        self.lambda_beta_a = self.add_weight(name="lambda_beta_a", shape=(self.capsules,),
                                             initializer="zeros", **options)

    @property
    def beta_a(self):
        return ops.convert_to_tensor(self.lambda_beta_a) / self.inverse_temperature

    def em(self, votes, activations, rivals=None):
        beta_u = ops.convert_to_tensor(self.beta_u)
        return em_routing(votes, activations, beta_u, self.beta_a, self.routings,
                          self.inverse_temperature, rivals)

    def check(self, input_shape):
        """The shape of the poses; ValueError unless inputs are [poses, activations] that fit."""
        try:
            poses, activations = input_shape
            *places, capsules, rows, columns = poses
            fits = (len(places) == 3 and _fits(activations, (*places, capsules))
                    and rows == columns and None not in (capsules, rows))
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(f"{self.name} expects a list [poses, activations] of shapes "
                             "(batch, height, width, capsules, p, p) and "
                             f"(batch, height, width, capsules). Received: shapes={input_shape}")
        return poses

    def check_inputs(self, inputs):
        """ValueError unless a built layer's weights are for such inputs."""
        poses = self.check([tuple(t.shape) for t in inputs])
        self.check_places(poses)
        if not self.built:
            return
        n, _, pose, _ = self.kernel.shape
        window = getattr(self, "kernel_size", 1) ** 2
        if (poses[3] * window, poses[4]) != (n, pose):
            raise ValueError(f"{self.name} was built for {n // window} children with poses of "
                             f"{pose} × {pose}. Received: shape={tuple(poses)}")

    def check_places(self, poses):
        """ValueError for a shape of poses with too few places, where their number is known."""
        window = getattr(self, "kernel_size", 1)
        for size in poses[1:3]:
            if size is not None and size < window:
                raise ValueError(f"{self.name} expects at least {window} × {window} places, the size of its "
                                 f"window. Received: height={poses[1]}, width={poses[2]}")

    def compute_output_spec(self, inputs, training=None):
        self.check_inputs(inputs)
        shapes = self.compute_output_shape([t.shape for t in inputs])
        return [keras.KerasTensor(shape, self.compute_dtype) for shape in shapes]

    def outputs(self, poses, activations):
        return [ops.cast(poses, self.compute_dtype), ops.cast(activations, self.compute_dtype)]

    def get_config(self):
        return {
            **super().get_config(),
            "capsules": self.capsules,
            "routings": self.routings,
            "inverse_temperature": self.inverse_temperature,
        }


@keras.saving.register_keras_serializable(package="kexue")
class PrimaryCapsules(keras.layers.Layer):
    """The first matrix capsules: at every position of a feature map one Dense makes poses and
    activations.

    Args:
        capsules: matrix capsules at each position.
        pose: p, the poses are p × p matrices.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        x: (batch, height, width, channels), height and width may be unknown.

    Output:
        [poses, activations] of shapes (batch, height, width, capsules, p, p) and
        (batch, height, width, capsules). Activations are in (0, 1); poses have no activation
        function.

    Raises:
        ValueError: x is not (batch, height, width, channels), or a size is not positive.

    Example:
        x = np.random.normal(size=(2, 12, 12, 64)).astype("float32")
        poses, activations = PrimaryCapsules(8)(x)
        print(poses.shape, activations.shape)     # (2, 12, 12, 8, 4, 4) (2, 12, 12, 8)

    Reference: 苏剑林, 三味Capsule：矩阵Capsule与EM路由, https://kexue.fm/archives/5155;
        Hinton, Sabour, Frosst, Matrix Capsules with EM Routing,
        https://openreview.net/forum?id=HJWLfGWRb
    """

    def __init__(self, capsules, pose=4, **kwargs):
        super().__init__(**kwargs)
        _check_positive(self.name, capsules=capsules, pose=pose)
        self.capsules = int(capsules)
        self.pose = int(pose)
        self.dense = keras.layers.Dense(self.capsules * (self.pose ** 2 + 1), name="dense",
                                        dtype=self.dtype_policy)

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(f"{self.name} expects inputs of shape (batch, height, width, channels). "
                             f"Received: shape={tuple(input_shape)}")
        self.dense.build(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})

    def call(self, x):
        h = self.dense(x)                                # poses and activations in one product
        size = self.capsules * self.pose ** 2
        shape = (*ops.shape(x)[:3], self.capsules, self.pose, self.pose)
        return [ops.reshape(h[..., :size], shape), ops.sigmoid(h[..., size:])]

    def compute_output_shape(self, input_shape):
        places = tuple(input_shape[:3])
        return [(*places, self.capsules, self.pose, self.pose), (*places, self.capsules)]

    def compute_output_spec(self, x):
        shapes = self.compute_output_shape(x.shape)
        return [keras.KerasTensor(shape, self.compute_dtype) for shape in shapes]

    def get_config(self):
        return {**super().get_config(), "capsules": self.capsules, "pose": self.pose}


@keras.saving.register_keras_serializable(package="kexue")
class ConvCapsules(_MatrixCapsules):
    """A convolution of matrix capsules: EM routing of the children in a window to the parents at each
    place.

        V_ij = P_i W_ij,  p_ij = N(V_ij; M_j, σ_j²)
        R_ij = a_j p_ij / Σ_j a_j p_ij,  r_ij = a_i R_ij / Σ_i a_i R_ij
        M_j = Σ_i r_ij V_ij,  σ_j² = Σ_i r_ij (V_ij − M_j)²
        a_j = sigmoid(λ (β_a − (β_u + Σ_l ln σ_j^l) Σ_i a_i R_ij))

    This is 新动态路由(完整) of 5155, in logarithms, with a floor on σ². Windows overlap, so a
    child has parents at several places: Σ_j runs over all of them, and what one place takes of a
    child the others lack. (Many implementations normalise within a place; a child in four windows
    then counts four times.)

    Symbols: P_i, a_i = inputs, W = self.kernel, M_j, a_j = outputs, β_u, β_a = self.beta_u,
        self.beta_a.

    Args:
        capsules: parents at each place.
        kernel_size: height and width of the window.
        strides: step from window to window.
        routings: M-steps; 1 is the uniform start alone. With the paper's 3 the classes learn far
            more slowly.
        inverse_temperature: λ, one number: the article holds the paper's annealing to be
            unnecessary. cost_j grows with the number of children that a parent has for itself, so λ
            should fall with it.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: [poses, activations] of shapes (batch, height, width, children, p, p) and
            (batch, height, width, children). Height and width may be unknown and are at least
            kernel_size; windows lie inside ("valid").

    Output:
        [poses, activations] of shapes (batch, rows, columns, capsules, p, p) and
        (batch, rows, columns, capsules).

    Raises:
        ValueError: inputs of other shapes, or, where their size is known, smaller than the window;
            a size that is not positive.

    Precision: weights and routing are float32 under any dtype policy; outputs are cast to the
        layer's compute dtype.

    Memory: the votes are rows · columns · kernel_size² · children · capsules · p² numbers an image,
        and training keeps about 1 + routings times as much.

    Example:
        x = np.random.normal(size=(2, 12, 12, 8)).astype("float32")
        poses, activations = ConvCapsules(5, 3, strides=2)(PrimaryCapsules(4)(x))
        print(poses.shape, activations.shape)     # (2, 5, 5, 5, 4, 4) (2, 5, 5, 5)

    Reference: 苏剑林, 三味Capsule：矩阵Capsule与EM路由, https://kexue.fm/archives/5155;
        Hinton, Sabour, Frosst, Matrix Capsules with EM Routing,
        https://openreview.net/forum?id=HJWLfGWRb;
        Gritzman, Avoiding Implementation Pitfalls of Matrix Capsules with EM Routing,
        https://arxiv.org/abs/1907.00652
    """

    def __init__(self, capsules, kernel_size=3, strides=1, routings=2, inverse_temperature=0.05,
                 **kwargs):
        super().__init__(capsules, routings, inverse_temperature, **kwargs)
        _check_positive(self.name, kernel_size=kernel_size, strides=strides)
        self.kernel_size = int(kernel_size)
        self.strides = int(strides)

    def build(self, input_shape):
        poses = self.check(input_shape)
        self.check_places(poses)
        *_, children, pose, _ = poses
        self.add_weights(self.kernel_size ** 2 * children, pose)

    def call(self, inputs, training=None):
        self.check_inputs(inputs)
        poses, activations = (ops.cast(t, "float32") for t in inputs)
        batch, height, width, children = ops.shape(activations)
        pose = self.kernel.shape[-1]
        poses = ops.reshape(poses, (batch, height, width, children * pose * pose))

        def vote(poses):
            return transform(poses, self.kernel)

        votes = compiled(vote, training)(self.windows(poses, pose, pose))
        mean, a = compiled(self.route, training)(votes, activations)
        places = (batch, *self.rows_and_columns(height, width), self.capsules)
        return self.outputs(ops.reshape(mean, (*places, pose, pose)), ops.reshape(a, places))

    def rows_and_columns(self, height, width):
        """Of the parents' places, None where unknown."""
        return (count_windows(height, self.kernel_size, self.strides),
                count_windows(width, self.kernel_size, self.strides))

    def windows(self, t, *rest):
        """(batch, height, width, ...) → (batch, places, n, ...)."""
        t = unfold(t, self.kernel_size, self.strides)
        batch, rows, columns = ops.shape(t)[:3]
        return ops.reshape(t, (batch, rows * columns, self.kernel.shape[0], *rest))

    def route(self, votes, activations):
        batch, height, width, children = ops.shape(activations)
        window = (*self.rows_and_columns(height, width), self.kernel_size, self.kernel_size)

        def rivals(logits):
            """log Σ exp over the parents of each child: at each place first, then over places."""
            at_place = ops.reshape(ops.logsumexp(logits, axis=-2), (batch, *window, children))
            everywhere = fold(at_place, self.strides, height, width)
            everywhere = ops.logsumexp(everywhere, axis=(3, 4))
            return self.windows(everywhere)[:, :, None, :]

        return self.em(votes, self.windows(activations), rivals)

    def compute_output_shape(self, input_shape):
        batch, height, width, _, pose, _ = input_shape[0]
        places = (batch, *self.rows_and_columns(height, width), self.capsules)
        return [(*places, pose, pose), places]

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size, "strides": self.strides}


@keras.saving.register_keras_serializable(package="kexue")
class ClassCapsules(_MatrixCapsules):
    """The last layer: one matrix capsule for each class, from the capsules of all positions, by EM
    routing.

    The formulas are those of ConvCapsules. W_ij is the same at every position, so that the number
    of positions is free. Coordinate addition gives back what that forgets: before routing, the
    position of the child is added to the first two elements of the last column of its vote.
    Children that agree on a class must then agree on where it is, too.

    Symbols: as in ConvCapsules.

    Args:
        capsules: classes.
        routings: M-steps; 1 is the uniform start alone. With the paper's 3 the classes learn far
            more slowly.
        inverse_temperature: λ; smaller than in ConvCapsules, as a class has the children of all
            positions for itself.
        coordinate_scale: what one step from position to position adds; 0 leaves coordinates out. It
            is a length and not a share of the image: a digit is as large in an image of twice the
            height.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: [poses, activations] of shapes (batch, height, width, children, p, p) and
            (batch, height, width, children); height and width may be unknown.

    Output:
        [poses, activations] of shapes (batch, capsules, p, p) and (batch, capsules).

    Raises:
        ValueError: inputs of other shapes, or a size that is not positive. Where a graph finds no
            position only when it runs, activations are NaN.

    Precision: weights and routing are float32 under any dtype policy; outputs are cast to the
        layer's compute dtype.

    Example:
        x = np.random.normal(size=(2, 5, 5, 8)).astype("float32")
        poses, activations = ClassCapsules(10)(PrimaryCapsules(4)(x))
        print(poses.shape, activations.shape)     # (2, 10, 4, 4) (2, 10)

    Reference: 苏剑林, 三味Capsule：矩阵Capsule与EM路由, https://kexue.fm/archives/5155;
        Hinton, Sabour, Frosst, Matrix Capsules with EM Routing,
        https://openreview.net/forum?id=HJWLfGWRb
    """

    def __init__(self, capsules, routings=2, inverse_temperature=0.005, coordinate_scale=0.1, **kwargs):
        super().__init__(capsules, routings, inverse_temperature, **kwargs)
        self.coordinate_scale = coordinate_scale

    def build(self, input_shape):
        *_, children, pose, _ = self.check(input_shape)
        if self.coordinate_scale and pose < 2:
            raise ValueError(f"{self.name} expects poses of at least 2 × 2 for its coordinates. "
                             f"Received: pose={pose}")
        self.add_weights(children, pose)

    def call(self, inputs, training=None):
        self.check_inputs(inputs)
        poses, activations = (ops.cast(t, "float32") for t in inputs)
        batch, height, width, children = ops.shape(activations)
        pose = self.kernel.shape[-1]
        votes = ops.einsum("byxnpq,nkqr->bkyxnpr", poses, ops.convert_to_tensor(self.kernel))
        if self.coordinate_scale:
            votes += self.coordinate_scale * _coordinates(height, width, pose)[:, :, None]
        n = height * width * children          # children of all positions are those of one place
        votes = ops.reshape(votes, (batch, self.capsules, n, pose ** 2))
        mean, a = compiled(self.em, training)(votes, ops.reshape(activations, (batch, n)))
        if not isinstance(n, int):
            # A graph may find no place when it runs: the classes' activations would be ½, of nothing.
            a = ops.where(n > 0, a, math.nan)
        return self.outputs(ops.reshape(mean, (batch, self.capsules, pose, pose)), a)

    def compute_output_shape(self, input_shape):
        batch, pose = input_shape[0][0], input_shape[0][-1]
        return [(batch, self.capsules, pose, pose), (batch, self.capsules)]

    def get_config(self):
        return {**super().get_config(), "coordinate_scale": self.coordinate_scale}


def _coordinates(height, width, pose):
    """Row and column of each position as the first two of a last column: (height, width, p, p)."""
    where = ops.meshgrid(ops.arange(height), ops.arange(width), indexing="ij")
    where = ops.cast(ops.stack(where, axis=-1), "float32")[..., None] + 0.5    # (height, width, 2, 1)
    return ops.pad(where, [[0, 0], [0, 0], [0, pose - 2], [pose - 1, 0]])


def transform(poses, kernel):
    """V_ij = P_i W_ij: poses (batch, places, n, p, p), kernel (n, k, p, p) → (batch, places, k, n, p²)."""
    batch, places = ops.shape(poses)[:2]
    n, k, p, _ = kernel.shape
    votes = ops.einsum("bxnpq,nkqr->bxknpr", poses, ops.convert_to_tensor(kernel))
    return ops.reshape(votes, (batch, places, k, n, p * p))


def count_windows(size, kernel_size, strides):
    """How many windows lie inside so many places; None where that is unknown."""
    return None if size is None else 1 + (size - kernel_size) // strides


def unfold(t, kernel_size, strides):
    """Windows of (batch, height, width, channels):
    (batch, rows, columns, kernel_size, kernel_size, channels)."""
    _, height, width, _ = ops.shape(t)
    down = strides * (count_windows(height, kernel_size, strides) - 1) + 1
    across = strides * (count_windows(width, kernel_size, strides) - 1) + 1
    t = ops.stack([t[:, y:y + down:strides] for y in range(kernel_size)], axis=3)
    return ops.stack([t[:, :, x:x + across:strides] for x in range(kernel_size)], axis=4)


def fold(t, strides, height, width):
    """The reverse: what each position is in each window,
    (batch, height, width, kernel_size, kernel_size, channels).

    Where it is in none, it is −1e9: that is −∞ for a logsumexp whose gradient must stay finite.
    """
    kernel_size = t.shape[3]

    def spread(t, axis, offset, size):
        """Element i of the axis goes to offset + strides · i."""
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
def spread_loss(y_true, activations, margin=None):
    """A sum over the true classes t and the others i:

        Σ_t Σ_{i≠t} max(0, m − (a_t − a_i))²

    By default the margin m travels with the targets: y_true is m at the true classes and 0 elsewhere.
    A schedule then needs no state in the loss and works on every backend:
    `spread_margin(progress) * one_hot`. With `margin`, m is this number for all samples.

    Args:
        y_true: m times k-hot, (batch, classes). With `margin`: k-hot, or the numbers of single classes,
            (batch,) or (batch, 1).
        activations: a, (batch, classes).
        margin: m, or None where it travels with the targets.

    Returns:
        (batch,), float32.

    Raises:
        ValueError: targets of another shape; class numbers without `margin`, as they do not say m; rows
            with two different numbers beside 0, as smooth labels have them; numbers without a class. In
            a graph such values make the loss NaN.
    """
    a = ops.cast(activations, "float32")
    if len(a.shape) != 2:
        raise ValueError(f"activations expects (batch, classes). Received: shape={tuple(a.shape)}")
    y = _k_hot(y_true, a, margin)
    m = ops.max(y, axis=-1, keepdims=True, initial=-math.inf)    # without it TensorFlow refuses 0 rows
    valid = ops.all((y == 0) | (y == m), axis=-1) & (m[:, 0] >= 0)
    if margin is None:
        _refuse_if_known(valid, y, "one margin at the true classes of a row and 0 at the others")
    else:
        valid = ops.all((y == 0) | (y == 1), axis=-1)
        _refuse_if_known(valid, y, "k-hot rows of 0 and 1, since margin is given")
        m = margin
    true = ops.cast(y > 0, "float32")
    gap = ops.square(ops.relu(ops.reshape(m, (-1, 1, 1)) - (a[:, :, None] - a[:, None, :])))   # (batch, t, i)
    loss = ops.sum(gap * true[:, :, None] * (1 - true)[:, None, :], axis=(1, 2))
    return ops.where(valid, loss, math.nan)


@keras.saving.register_keras_serializable(package="kexue")
class SpreadLoss(keras.losses.Loss):
    """`spread_loss` as a class that saves and loads with a model, its margin included.

    Args:
        margin: m; None where it travels with the targets.
        name, reduction, dtype: as in any Keras loss; float32 by default.

    Raises:
        ValueError: a margin that is not a number above 0.

    Example:
        x = keras.Input((12, 12, 8))
        model = keras.Model(x, ClassCapsules(10)(PrimaryCapsules(4)(x))[1])
        model.compile("adam", SpreadLoss(margin=0.5))
        model.fit(np.zeros((4, 12, 12, 8)), np.array([3, 1, 4, 1]), verbose=0)

    Reference: 苏剑林, 三味Capsule：矩阵Capsule与EM路由, https://kexue.fm/archives/5155
    """

    def __init__(self, margin=None, name="spread_loss", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")
        number = hasattr(margin, "__float__") and not isinstance(margin, bool)
        if margin is not None and not (number and 0 < margin < math.inf):
            raise ValueError(f"SpreadLoss expects margin to be a number above 0, or None. "
                             f"Received: margin={margin!r}")
        self.margin = None if margin is None else float(margin)

    def call(self, y_true, y_pred):
        return spread_loss(y_true, y_pred, self.margin)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin, "dtype": self.dtype}


def _k_hot(y_true, scores, margin):
    """y_true as (batch, classes): rows as they are; with a margin, class numbers (batch,) or (batch, 1) as
    one-hot rows. Of numbers that are no class the row is NaN."""
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
    if margin is None:
        raise ValueError("y_true expects a margin times one-hot rows, spread_margin(progress) * one_hot, or "
                         f"class numbers and margin=0.9 or the like. Received: shape={tuple(y.shape)}")
    classes = ops.shape(scores)[-1]
    number = ops.cast(y, "float32")[..., None]
    one_hot = ops.cast(number == ops.arange(classes, dtype="float32"), "float32")
    there = ops.sum(one_hot, axis=-1) > 0
    _refuse_if_known(there, y, f"classes, whole numbers from 0 to {classes - 1}")
    return ops.where(there[..., None], one_hot, math.nan)


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


def spread_margin(progress, start=0.2, stop=0.9):
    """m for a share 0 … 1 of the training that is over: rises in a straight line, so that early errors
    kill no capsule."""
    return start + (stop - start) * min(1.0, max(0.0, progress))


def compiled(function, training):
    """The same function, in training on the TensorFlow backend compiled by XLA.

    EM routing is sums over the votes, of which XLA makes one pass. It is compiled apart from the
    rest, since XLA would slow convolutions down. Votes and routing are compiled apart from each
    other, since XLA would compute the votes anew in each pass. Only training is compiled: XLA
    compiles for each size of a batch.
    """
    if training and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            return tf.function(function, jit_compile=True)
    return function


def _check_positive(layer, **settings):
    """NumPy's integers will do, too."""
    for name, value in settings.items():
        integer = hasattr(value, "__index__") and not isinstance(value, bool)
        if not integer or value <= 0:
            raise ValueError(f"{layer} expects {name} to be an integer above 0. "
                             f"Received: {name}={value}")
