"""Losses that leave easy samples alone, from logits: hard truncation, its soft form, focal loss.
Beside them a product of probabilities.

Copy this file into any Keras 3 project; it needs keras alone. Each loss is a registered class, which
saves and loads with the model, and a plain function of labels and logits:

    model.compile("adam", loss=FocalLoss(alpha=0.5))
    model.compile("adam", loss=focal_loss)                     # with the function's defaults

Shapes are those of Keras' own losses. Binary losses take labels and logits of one shape,
(batch, labels), and give a mean over the labels, (batch,), in nats; of steps, (batch, time, labels),
they give (batch, time). Labels may be soft. sample_weight weighs samples, or steps, and a mask leaves
steps out. Where the labels of a step have a sum for their loss and no mean, take one number for each
label:

    def loss(y, x):
        return keras.ops.sum(focal_loss(y, x, per_label=True), axis=-1)

Labels that no formula holds for, such as −1 and +1, are an error, or the loss is NaN where a compiled
graph does not know the values.

Articles: 苏剑林, 从loss的硬截断、软化到focal loss, https://kexue.fm/archives/4733;
文本情感分类（四）：更好的损失函数, https://kexue.fm/archives/4293;
基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409
"""
# kexue-keras common/losses.py, version 1.1 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import math

import keras
from keras import ops

# ------------------------------------------------------------------------------------- binary losses


@keras.saving.register_keras_serializable(package="kexue")
def hard_truncated_loss(y_true, y_pred, threshold=0.5, per_label=False):
    """Binary cross-entropy of the samples that are not right yet; the others have the loss 0 and the
    gradient 0.

        L* = λ(y, ŷ) · L_ce
        λ = 0 where y = 1 and ŷ > threshold, or y = 0 and ŷ < 1 − threshold, else 1

    The article's ŷ = ½ on the dot counts half (θ(0) = ½). Here it counts fully, as any sample that
    is not right. A soft label y has y times the λ of 1 plus 1 − y times that of 0.

    Args:
        y_true: labels, 0, 1 or between, (..., labels). (batch,) and (batch, 1) go together.
        y_pred: logits x of the same shape: ŷ = σ(x).
        threshold: the probability of the right answer from which on a sample rests; kexue.fm 4293
            takes more than ½.
        per_label: True for one number a label, (..., labels), without the mean.

    Returns:
        The mean over the labels, (...), float32; of y_pred (batch,) one number each.

    Raises:
        ValueError: labels of another shape, or outside of [0, 1]; in a graph those make the loss NaN.
    """
    _check_threshold(threshold)
    y, x, valid = _labels_and_logits(y_true, y_pred)
    edge = math.log(threshold / (1 - threshold))
    other, x = _toward_the_label(y, x)
    weight = (1 - other) * ops.cast(x <= edge, "float32") + other * ops.cast(-x <= edge, "float32")
    return _mean(weight * _cross_entropy(other, x), valid, per_label)


@keras.saving.register_keras_serializable(package="kexue")
def soft_truncated_loss(y_true, y_pred, sharpness=1.0, per_label=False):
    """The hard truncation with a sigmoid for its step: a sample that is right already still learns to
    stay so.

        L** = −σ(−Kx) log σ(x) where y = 1,  −σ(Kx) log σ(−x) where y = 0

    K → ∞ is the hard truncation at ½; K = 1 is the focal loss with γ = 1, without α. Both hold of
    soft labels, too: (y σ(−Kx) + (1 − y) σ(Kx)) · L_ce.

    Args:
        y_true: labels, 0, 1 or between, (..., labels). (batch,) and (batch, 1) go together.
        y_pred: logits x of the same shape.
        sharpness: K.
        per_label: True for one number a label, (..., labels), without the mean.

    Returns:
        The mean over the labels, (...), float32; of y_pred (batch,) one number each.

    Raises:
        ValueError: labels of another shape, or outside of [0, 1]; in a graph those make the loss NaN.
    """
    _check_sharpness(sharpness)
    y, x, valid = _labels_and_logits(y_true, y_pred)
    other, x = _toward_the_label(y, x)
    weight = (1 - other) * ops.sigmoid(-sharpness * x) + other * ops.sigmoid(sharpness * x)
    return _mean(weight * _cross_entropy(other, x), valid, per_label)


@keras.saving.register_keras_serializable(package="kexue")
def focal_loss(y_true, y_pred, alpha=0.25, gamma=2.0, per_label=False):
    """Binary cross-entropy, each sample weighted by how wrong it is.

        L = −α (1 − ŷ)^γ log ŷ where y = 1,  −(1 − α) ŷ^γ log(1 − ŷ) where y = 0,  ŷ = σ(x)

    Note that α = ¼, the best of the paper, makes positive samples weigh a third of negative ones:
    the power has turned the balance already. The article would take ½ where nobody can search.

    A soft label counts as in Keras' BinaryFocalCrossentropy, with p = y ŷ + (1 − y)(1 − ŷ):

        L = (y α + (1 − y)(1 − α)) (1 − p)^γ L_ce

    Args:
        y_true: labels, 0, 1 or between, (..., labels). (batch,) and (batch, 1) go together.
        y_pred: logits x of the same shape.
        alpha: α; None leaves both weights out.
        gamma: γ.
        per_label: True for one number a label, (..., labels), without the mean.

    Returns:
        The mean over the labels, (...), float32; of y_pred (batch,) one number each.

    Raises:
        ValueError: labels of another shape, or outside of [0, 1]; in a graph those make the loss NaN.
    """
    _check_alpha(alpha)
    _check_gamma(gamma)
    y, x, valid = _labels_and_logits(y_true, y_pred)
    other, x = _toward_the_label(y, x)
    # (1 − p)^γ as exp(γ log(1 − p)): the gradient of a power is infinite at 0 for γ < 1.
    loss = ops.exp(gamma * _log_wrong(other, x)) * _cross_entropy(other, x)
    if alpha is not None:
        loss = loss * (y * alpha + (1 - y) * (1 - alpha))
    return _mean(loss, valid, per_label)


# ------------------------------------------------------------------------------- losses of many classes


@keras.saving.register_keras_serializable(package="kexue")
def categorical_focal_loss(y_true, y_pred, gamma=2.0):
    """The focal loss of many classes.

        L = −(1 − ŷ_t)^γ log ŷ_t,  ŷ = softmax(x) and t the right class

    Args:
        y_true: right classes, (...) or (..., 1), whole numbers; or one-hot, (..., classes). Of soft
            labels the loss is the mean over t that they say.
        y_pred: logits x, (..., classes).
        gamma: γ.

    Returns:
        One number for each sample, (...), float32.

    Raises:
        ValueError: labels of another shape, numbers that are no class, or rows that do not add up to
            1; in a graph wrong numbers make the loss NaN.
    """
    _check_gamma(gamma)
    y, x, valid = _classes_and_logits(y_true, y_pred)
    log_p = _of_the_right_class(ops.log_softmax(x, axis=-1), y)
    # log(1 − p) from log p. p = 1 would be −∞ with an infinite gradient, so p stops at 1 − 2⁻²³:
    # float32 has none between.
    log_rest = ops.log1p(-ops.minimum(ops.exp(log_p), 1 - 2**-23))
    return _expected(-ops.exp(gamma * log_rest) * log_p, y, x, valid)


@keras.saving.register_keras_serializable(package="kexue")
def categorical_soft_truncated_loss(y_true, y_pred, sharpness=1.0):
    """The soft truncation of many classes.

        L = −softmax(−Kx)_t log softmax(x)_t,  t the right class

    softmax(−Kx) is a softmax of its own, over the classes' −Kx. Of two classes with logits x and 0
    this is the binary loss.

    Args:
        y_true: right classes, (...) or (..., 1), whole numbers; or one-hot, (..., classes). Of soft
            labels the loss is the mean over t that they say.
        y_pred: logits x, (..., classes).
        sharpness: K.

    Returns:
        One number for each sample, (...), float32.

    Raises:
        ValueError: labels of another shape, numbers that are no class, or rows that do not add up to
            1; in a graph wrong numbers make the loss NaN.
    """
    _check_sharpness(sharpness)
    y, x, valid = _classes_and_logits(y_true, y_pred)
    log_p = _of_the_right_class(ops.log_softmax(x, axis=-1), y)
    log_rest = _of_the_right_class(ops.log_softmax(-sharpness * x, axis=-1), y)
    return _expected(-ops.exp(log_rest) * log_p, y, x, valid)


# --------------------------------------------------------------- the same as classes, to save with a model


class _LogitsLoss(keras.losses.Loss):
    """What the classes share: float32 under any floatx, labels under a mask that do not count whatever
    they are, and sample weights that fit."""

    def __init__(self, name, reduction, dtype):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss after the reduction. sample_weight is (batch,), or (batch, time) for steps."""
        y_pred = _as_tensor(y_pred)
        y_true = self.labels(y_true, y_pred)
        if sample_weight is not None:
            sample_weight = _fitting_weights(sample_weight, y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}


@keras.saving.register_keras_serializable(package="kexue")
class HardTruncatedLoss(_LogitsLoss):
    """`hard_truncated_loss` as a class that saves and loads with a model.

    Args:
        threshold: as in the function.
        name, reduction, dtype: as in any Keras loss; float32 by default.

    Example:
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        model.compile("adam", HardTruncatedLoss(threshold=0.6))
        model.fit(np.zeros((4, 8)), np.array([0, 1, 1, 0]), verbose=0)
        model.save("model.keras")

    Reference: 苏剑林, 从loss的硬截断、软化到focal loss, https://kexue.fm/archives/4733
    """

    def __init__(self, threshold=0.5, name="hard_truncated_loss", reduction="sum_over_batch_size",
                 dtype=None):
        super().__init__(name, reduction, dtype)
        _check_threshold(threshold)
        self.threshold = float(threshold)

    def labels(self, y_true, y_pred):
        return _binary_labels(y_true, y_pred)

    def call(self, y_true, y_pred):
        return hard_truncated_loss(y_true, y_pred, self.threshold)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


@keras.saving.register_keras_serializable(package="kexue")
class SoftTruncatedLoss(_LogitsLoss):
    """`soft_truncated_loss` as a class that saves and loads with a model.

    Args:
        sharpness: K.
        name, reduction, dtype: as in any Keras loss; float32 by default.

    Example:
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        model.compile("adam", SoftTruncatedLoss(sharpness=2))
        model.fit(np.zeros((4, 8)), np.array([0, 1, 1, 0]), verbose=0)
        model.save("model.keras")

    Reference: 苏剑林, 从loss的硬截断、软化到focal loss, https://kexue.fm/archives/4733
    """

    def __init__(self, sharpness=1.0, name="soft_truncated_loss", reduction="sum_over_batch_size",
                 dtype=None):
        super().__init__(name, reduction, dtype)
        _check_sharpness(sharpness)
        self.sharpness = float(sharpness)

    def labels(self, y_true, y_pred):
        return _binary_labels(y_true, y_pred)

    def call(self, y_true, y_pred):
        return soft_truncated_loss(y_true, y_pred, self.sharpness)

    def get_config(self):
        return {**super().get_config(), "sharpness": self.sharpness}


@keras.saving.register_keras_serializable(package="kexue")
class FocalLoss(_LogitsLoss):
    """`focal_loss` as a class that saves and loads with a model.

    Args:
        alpha: α; None leaves both weights out.
        gamma: γ.
        name, reduction, dtype: as in any Keras loss; float32 by default.

    Example:
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        model.compile("adam", FocalLoss(alpha=0.5, gamma=1))
        model.fit(np.zeros((4, 8)), np.array([0, 1, 1, 0]), verbose=0)
        model.save("model.keras")

    Reference: 苏剑林, 从loss的硬截断、软化到focal loss, https://kexue.fm/archives/4733
    """

    def __init__(self, alpha=0.25, gamma=2.0, name="focal_loss", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name, reduction, dtype)
        _check_alpha(alpha)
        _check_gamma(gamma)
        self.alpha = None if alpha is None else float(alpha)
        self.gamma = float(gamma)

    def labels(self, y_true, y_pred):
        return _binary_labels(y_true, y_pred)

    def call(self, y_true, y_pred):
        return focal_loss(y_true, y_pred, self.alpha, self.gamma)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="kexue")
class CategoricalFocalLoss(_LogitsLoss):
    """`categorical_focal_loss` as a class that saves and loads with a model.

    Args:
        gamma: γ.
        name, reduction, dtype: as in any Keras loss; float32 by default.

    Example:
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(5)])
        model.compile("adam", CategoricalFocalLoss(gamma=1))
        model.fit(np.zeros((4, 8)), np.array([0, 1, 4, 0]), verbose=0)
        model.save("model.keras")

    Reference: 苏剑林, 从loss的硬截断、软化到focal loss, https://kexue.fm/archives/4733
    """

    def __init__(self, gamma=2.0, name="categorical_focal_loss", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name, reduction, dtype)
        _check_gamma(gamma)
        self.gamma = float(gamma)

    def labels(self, y_true, y_pred):
        return _class_labels(y_true, y_pred)

    def call(self, y_true, y_pred):
        return categorical_focal_loss(y_true, y_pred, self.gamma)

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="kexue")
class CategoricalSoftTruncatedLoss(_LogitsLoss):
    """`categorical_soft_truncated_loss` as a class that saves and loads with a model.

    Args:
        sharpness: K.
        name, reduction, dtype: as in any Keras loss; float32 by default.

    Example:
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(5)])
        model.compile("adam", CategoricalSoftTruncatedLoss(sharpness=2))
        model.fit(np.zeros((4, 8)), np.array([0, 1, 4, 0]), verbose=0)
        model.save("model.keras")

    Reference: 苏剑林, 从loss的硬截断、软化到focal loss, https://kexue.fm/archives/4733
    """

    def __init__(self, sharpness=1.0, name="categorical_soft_truncated_loss", reduction="sum_over_batch_size",
                 dtype=None):
        super().__init__(name, reduction, dtype)
        _check_sharpness(sharpness)
        self.sharpness = float(sharpness)

    def labels(self, y_true, y_pred):
        return _class_labels(y_true, y_pred)

    def call(self, y_true, y_pred):
        return categorical_soft_truncated_loss(y_true, y_pred, self.sharpness)

    def get_config(self):
        return {**super().get_config(), "sharpness": self.sharpness}


# ----------------------------------------------------------------------------- a product of probabilities


def product_logits(a, b):
    """The logit of a product of two probabilities, from their logits, in float32, for any a and b.

        σ(z) = σ(a) σ(b),  z = −log(e^−a + e^−b + e^−(a+b))

    since 1 / σ(z) = 1 + e^−z = (1 + e^−a)(1 + e^−b). From the product itself a loss would need
    log(1 − σ(a) σ(b)), which is −∞ in float32 from a = b = 17 on.
    """
    a, b = ops.cast(a, "float32"), ops.cast(b, "float32")
    return -ops.logaddexp(-a, ops.logaddexp(-b, -a - b))


@keras.saving.register_keras_serializable(package="kexue")
class ProductLogits(keras.layers.Layer):
    """Multiplies the probability at every step by one probability of the whole sequence, as logits.

        σ(z) = p_global · σ(x),  p_global = σ(g)                           eq. (8) of DGCNN

    Args:
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: a list of x, (batch, time, channels), and g, (batch, 1).
        mask: a list of masks; that of x is handed on.

    Output:
        z, (batch, time, channels), logits in float32.

    Raises:
        ValueError: inputs that are not a pair of such shapes.

    Precision: float32 under any policy.

    Example:
        x, g = np.random.normal(size=(2, 7, 2)), np.random.normal(size=(2, 1))
        z = ProductLogits()([x, g])
        print(keras.ops.sigmoid(z)[0, 0], keras.ops.sigmoid(x)[0, 0] * keras.ops.sigmoid(g)[0])
        print(focal_loss(np.ones((2, 7, 2)), z).shape)          # (2, 7)

    Reference: 苏剑林, 基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self.check(input_shape)

    def check(self, shapes):
        """ValueError unless these are the shapes of x and g."""
        try:
            x, g = (tuple(shape) for shape in shapes)
            fits = len(x) == 3 and _fits(g, (x[0], 1))
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(f"{self.name} expects a list of shapes (batch, time, channels) and "
                             f"(batch, 1). Received: shapes={shapes}")

    def call(self, inputs, mask=None):
        self.check([t.shape for t in inputs])
        x, g = inputs
        return product_logits(x, g[:, None])

    def compute_mask(self, inputs, mask=None):
        return mask[0] if mask else None

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def compute_output_spec(self, inputs, mask=None):
        self.check([t.shape for t in inputs])
        return keras.KerasTensor(inputs[0].shape, dtype="float32")


# --------------------------------------------------------------------------------------------- formulas


def _toward_the_label(y, x):
    """The share of the other label, min(y, 1 − y), and the logit of being right: x where the label is
    nearer to 1, −x where it is nearer to 0."""
    return ops.minimum(y, 1 - y), ops.where(y > 0.5, x, -x)


def _cross_entropy(other, x):
    """−(1 − other) log σ(x) − other log σ(−x). The product is left out of hard labels: 0 · ∞ is NaN."""
    return ops.where(other > 0, other * x, 0.0) - ops.log_sigmoid(x)


def _log_wrong(other, x):
    """log(1 − p) with p = (1 − other) σ(x) + other σ(−x), which of hard labels is log σ(−x).

    In logarithms where labels are hard, since 1 − p underflows there, and only there.
    """
    soft = (1 - other) * ops.sigmoid(-x) + other * ops.sigmoid(x)
    return ops.where(other > 0, ops.log(ops.maximum(soft, 1e-30)), ops.log_sigmoid(-x))


def _mean(losses, valid, per_label):
    """Over the labels; of one label for each sample, (batch,), there is nothing to take a mean of."""
    losses = ops.where(valid, losses, math.nan)
    if per_label or len(losses.shape) < 2:
        return losses
    return ops.mean(losses, axis=-1)


def _of_the_right_class(log_p, y):
    """Its column, (...), or all columns for labels that are one-hot or soft."""
    if len(y.shape) == len(log_p.shape):
        return log_p
    return ops.take_along_axis(log_p, ops.cast(y, "int32")[..., None], axis=-1)[..., 0]


def _expected(losses, y, x, valid):
    """(...), of one-hot or soft labels the mean over the classes that they say."""
    if len(y.shape) == len(x.shape):
        losses = ops.sum(ops.where(y > 0, y * losses, 0.0), axis=-1)
    return ops.where(valid, losses, math.nan)


# ------------------------------------------------------------------------------- labels, weights, options


def _labels_and_logits(y_true, y_pred):
    """Labels and logits of one shape in float32, and where labels are in [0, 1]."""
    y_pred = _as_tensor(y_pred)
    y, x = ops.cast(_binary_labels(y_true, y_pred), "float32"), ops.cast(y_pred, "float32")
    valid = ops.abs(y - 0.5) < 0.50001                # a little more than ½: rounding is no fault
    _refuse_if_known(valid, y, "labels from 0 to 1")
    return y, x, valid


def _binary_labels(y, x):
    """Labels of the logits' shape, 0 where the logits' mask says padding."""
    y = _as_tensor(y)
    if len(x.shape) == len(y.shape) + 1 and x.shape[-1] == 1:
        y = y[..., None]                              # Keras would squeeze x, and then take steps for labels
    elif len(y.shape) == len(x.shape) + 1 and y.shape[-1] == 1:
        y = y[..., 0]
    if not _fits(y.shape, x.shape):
        raise ValueError(f"y_true expects one label for each logit, {tuple(x.shape)}. "
                         f"Received: shape={tuple(y.shape)}")
    return _without_padding(_unbroadcast(y, ops.shape(x)), x, 0)


def _classes_and_logits(y_true, y_pred):
    """Classes, (...), or one-hot rows, (..., classes); logits in float32; where samples have a class."""
    y_pred = _as_tensor(y_pred)
    y, x = _class_labels(y_true, y_pred), ops.cast(y_pred, "float32")
    if len(y.shape) == len(x.shape):
        y = ops.cast(y, "float32")
        valid = ops.all(y > -1e-5, axis=-1) & (ops.abs(ops.sum(y, axis=-1) - 1) < 0.01)
        _refuse_if_known(valid, y, "rows that add up to 1, one-hot or soft,")
        return y, x, valid
    number, count = ops.cast(y, "float32"), ops.shape(x)[-1]
    valid = (number >= 0) & (number < ops.cast(count, "float32")) & (number == ops.floor(number))
    _refuse_if_known(valid, y, f"classes, whole numbers from 0 to {count - 1},")
    return ops.where(valid, y, ops.zeros_like(y)), x, valid


def _class_labels(y, x):
    """Classes (...) or rows (..., classes), at padding the class 0 or 1/classes."""
    y = _as_tensor(y)
    if len(x.shape) < 2 or x.shape[-1] == 1:
        raise ValueError(f"y_pred expects logits of at least two classes, (..., classes). "
                         f"Received: shape={tuple(x.shape)}")
    if len(y.shape) == len(x.shape) and y.shape[-1] == 1:
        y = y[..., 0]
    if not _fits(y.shape, x.shape) and not _fits(y.shape, x.shape[:-1]):
        raise ValueError(f"y_true expects classes, {tuple(x.shape[:-1])} or {(*x.shape[:-1], 1)}, or rows, "
                         f"{tuple(x.shape)}. Received: shape={tuple(y.shape)}")
    if len(y.shape) < len(x.shape):
        return _without_padding(_unbroadcast(y, ops.shape(x)[:-1]), x, 0)
    return _without_padding(_unbroadcast(y, ops.shape(x)), x, 1 / ops.cast(ops.shape(x)[-1], "float32"))


def _without_padding(y, x, padding):
    """The labels, with this one where the mask that x carries is False. Those will have no weight, and
    0 · NaN would be NaN."""
    mask = _mask_of(x)
    if mask is None:
        return y
    steps = max(len(x.shape) - 1, 1)
    if len(mask.shape) > steps:
        raise ValueError(f"y_pred expects a mask of steps, of at most {steps} dimensions. "
                         f"Received: mask shape={tuple(mask.shape)}")
    for _ in range(len(y.shape) - len(mask.shape)):
        mask = mask[..., None]
    return ops.where(mask, ops.cast(y, "float32"), padding)


def _mask_of(x):
    """The mask that Keras handed on. JAX's tracers take no attributes: Keras keeps their masks apart."""
    mask = getattr(x, "_keras_mask", None)
    kept = getattr(keras.src.backend, "get_keras_mask", None)
    if mask is None and kept is not None:
        mask = kept(x)
    return mask


def _fitting_weights(weights, x):
    """Weights of samples, (batch,) or (batch, 1), or of steps, with a dimension for each that losses
    have."""
    weights = _as_tensor(weights)
    steps = tuple(x.shape[:-1]) if len(x.shape) > 1 else tuple(x.shape)
    shape = tuple(weights.shape)
    if len(shape) == len(steps) + 1 and shape[-1] == 1:
        weights = weights[..., 0]
    for _ in range(len(steps) - max(len(weights.shape), 1)):
        weights = weights[..., None]
    fits = len(weights.shape) in (0, len(steps))
    for given, expected in zip(weights.shape, steps):
        fits = fits and (given == 1 or expected is None or given in (expected, None))
    if not fits:
        raise ValueError(f"sample_weight expects one number for each sample or step, {steps[:1]} or {steps}. "
                         f"Received: shape={shape}")
    if len(shape) in (0, len(steps)):
        return weights
    return ops.broadcast_to(weights, ops.shape(x)[:-1] or ops.shape(x))


def _as_tensor(values):
    """Arrays and lists, too; a symbolic tensor stays what it is."""
    return values if isinstance(values, keras.KerasTensor) else ops.convert_to_tensor(values)


def _fits(shape, expected):
    """Whether shapes are the same as far as both are known."""
    if len(shape) != len(expected):
        return False
    return all(a == b or a is None or b is None for a, b in zip(shape, expected))


def _unbroadcast(y, shape):
    """y, whose shape is this one. A graph that does not know may find it to be another one when it runs:
    then reshape fails, where arithmetic would repeat a single column."""
    return ops.reshape(y, shape) if None in tuple(y.shape) else y


def _refuse_if_known(valid, y, expected):
    """ValueError where values are known and one is wrong. In a graph they are not."""
    try:
        right = bool(ops.all(valid))
    except (TypeError, RuntimeError):
        return
    if not right:
        wrong = ops.convert_to_numpy(y)[~ops.convert_to_numpy(valid)]
        raise ValueError(f"y_true expects {expected} to go with these logits. Received: y_true={wrong[0]}")


def _check_threshold(threshold):
    _check("threshold", threshold, lambda: 0 < threshold < 1, "a probability between 0 and 1")


def _check_sharpness(sharpness):
    _check("sharpness", sharpness, lambda: 0 < sharpness < math.inf, "a positive number")


def _check_alpha(alpha):
    _check("alpha", alpha, lambda: alpha is None or 0 <= alpha <= 1, "a share from 0 to 1, or None")


def _check_gamma(gamma):
    _check("gamma", gamma, lambda: 0 <= gamma < math.inf, "a number of at least 0")


def _check(name, value, is_right, expected):
    try:
        right = is_right()
    except TypeError:                                 # text has no order with numbers
        right = False
    if not right:
        raise ValueError(f"{name} expects {expected}. Received: {name}={value!r}")
