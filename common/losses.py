"""Losses that leave easy samples alone, from logits: hard truncation, its soft form, focal loss.
Beside them a product of probabilities.

Copy this file into any Keras 3 project; it needs keras alone. Each loss is a function of labels and
logits. It returns one number for each label, in nats: model.compile(..., loss=focal_loss) takes the
mean. functools.partial sets the parameters. Where the output carries a mask, Keras takes the mean
over real steps, and several labels a step have to be summed first, here (batch, time, labels):

    model.compile("adam", loss=functools.partial(focal_loss, alpha=0.5))
    model.compile("adam", loss=lambda y, x: keras.ops.sum(focal_loss(y, x), axis=-1))

Articles: 苏剑林, 从loss的硬截断、软化到focal loss, https://kexue.fm/archives/4733;
文本情感分类（四）：更好的损失函数, https://kexue.fm/archives/4293;
基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409
"""
# kexue-keras common/losses.py, version 1.0 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import math

import keras
from keras import ops


def hard_truncated_loss(y_true, y_pred, threshold=0.5):
    """Binary cross-entropy of the samples that are not right yet; the others have the loss 0 and the
    gradient 0.

        L* = λ(y, ŷ) · L_ce
        λ = 0 where y = 1 and ŷ > threshold, or y = 0 and ŷ < 1 − threshold, else 1

    The article's ŷ = ½ on the dot counts half (θ(0) = ½). Here it counts fully, as any sample that
    is not right.

    Args:
        y_true: labels 0 or 1, of any shape.
        y_pred: logits x of the same shape: ŷ = σ(x).
        threshold: the probability of the right answer from which on a sample rests; kexue.fm 4293
            takes more than ½.
    """
    _check("threshold", threshold, 0 < threshold < 1, "a probability between 0 and 1")
    x = _toward_the_label(y_true, y_pred)
    right = x > math.log(threshold / (1 - threshold))
    return ops.where(right, 0.0, -ops.log_sigmoid(x))


def soft_truncated_loss(y_true, y_pred, sharpness=1.0):
    """The hard truncation with a sigmoid for its step: a sample that is right already still learns to
    stay so.

        L** = −σ(−Kx) log σ(x) where y = 1,  −σ(Kx) log σ(−x) where y = 0

    K → ∞ is the hard truncation at ½; K = 1 is the focal loss with γ = 1, without α.

    Args:
        y_true: labels 0 or 1, of any shape.
        y_pred: logits x of the same shape.
        sharpness: K.
    """
    _check("sharpness", sharpness, sharpness > 0, "a positive number")
    x = _toward_the_label(y_true, y_pred)
    return -ops.sigmoid(-sharpness * x) * ops.log_sigmoid(x)


def focal_loss(y_true, y_pred, alpha=0.25, gamma=2.0):
    """Binary cross-entropy, each sample weighted by how wrong it is.

        L = −α (1 − ŷ)^γ log ŷ where y = 1,  −(1 − α) ŷ^γ log(1 − ŷ) where y = 0,  ŷ = σ(x)

    Note that α = ¼, the best of the paper, makes positive samples weigh a third of negative ones:
    the power has turned the balance already. The article would take ½ where nobody can search.

    Args:
        y_true: labels 0 or 1, of any shape.
        y_pred: logits x of the same shape.
        alpha: α; None leaves both weights out.
        gamma: γ.
    """
    _check("alpha", alpha, alpha is None or 0 <= alpha <= 1, "a share from 0 to 1, or None")
    _check("gamma", gamma, gamma >= 0, "a number of at least 0")
    x = _toward_the_label(y_true, y_pred)
    # (1 − ŷ)^γ as exp(γ log σ(−x)): the gradient of a power is infinite at 0 for γ < 1.
    loss = -ops.exp(gamma * ops.log_sigmoid(-x)) * ops.log_sigmoid(x)
    if alpha is None:
        return loss
    return loss * ops.where(ops.cast(y_true, "bool"), float(alpha), 1.0 - alpha)


def categorical_focal_loss(y_true, y_pred, gamma=2.0):
    """The focal loss of many classes.

        L = −(1 − ŷ_t)^γ log ŷ_t,  ŷ = softmax(x) and t the right class

    Args:
        y_true: right classes, (...), integers.
        y_pred: logits x, (..., classes).
        gamma: γ.
    """
    _check("gamma", gamma, gamma >= 0, "a number of at least 0")
    log_p = _log_probability(y_true, ops.cast(y_pred, "float32"))
    # log(1 − p) from log p. p = 1 would be −∞ with an infinite gradient, so p stops at 1 − 2⁻²³:
    # float32 has none between.
    log_rest = ops.log1p(-ops.minimum(ops.exp(log_p), 1 - 2**-23))
    return -ops.exp(gamma * log_rest) * log_p


def categorical_soft_truncated_loss(y_true, y_pred, sharpness=1.0):
    """The soft truncation of many classes.

        L = −softmax(−Kx)_t log softmax(x)_t,  t the right class

    softmax(−Kx) is a softmax of its own, over the classes' −Kx. Of two classes with logits x and 0
    this is the binary loss.

    Args:
        y_true: right classes, (...), integers.
        y_pred: logits x, (..., classes).
        sharpness: K.
    """
    _check("sharpness", sharpness, sharpness > 0, "a positive number")
    x = ops.cast(y_pred, "float32")
    return -ops.exp(_log_probability(y_true, -sharpness * x)) * _log_probability(y_true, x)


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
        print(focal_loss(np.ones((2, 7, 2)), z).shape)          # (2, 7, 2)

    Reference: 苏剑林, 基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) != 2 or len(input_shape[0]) != 3 or tuple(input_shape[1][1:]) != (1,):
            raise ValueError(f"{self.name} expects a list of shapes (batch, time, channels) and "
                             f"(batch, 1). Received: shapes={input_shape}")

    def call(self, inputs, mask=None):
        x, g = inputs
        return product_logits(x, g[:, None])

    def compute_mask(self, inputs, mask=None):
        return mask[0] if mask else None

    def compute_output_spec(self, inputs, mask=None):
        return keras.KerasTensor(inputs[0].shape, dtype="float32")


def _toward_the_label(y, x):
    """x where the label is 1 and −x where it is 0, float32: the logit of being right."""
    x = ops.cast(x, "float32")
    return ops.where(ops.cast(y, "bool"), x, -x)


def _log_probability(y, x):
    """log softmax(x) of the right class."""
    log_p = ops.log_softmax(x, axis=-1)
    return ops.take_along_axis(log_p, ops.cast(y, "int32")[..., None], axis=-1)[..., 0]


def _check(name, value, right, expected):
    if not right:
        raise ValueError(f"{name} expects {expected}. Received: {name}={value!r}")
