"""Gated convolutions over sequences, GLU as in language models: one layer with its three
combinations, and stacks of it.

Copy this file into any Keras 3 project; it needs keras alone.

    characters = keras.Input((None,), dtype="int32")                      # 0 is padding
    x = keras.layers.Embedding(5000, 128, mask_zero=True)(characters)
    x = gated_conv_stack(x, dilation_rates=[1, 2, 4, 8], combination="highway", gate_dropout=0.1)

Articles: 苏剑林, 基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409;
基于CNN和VAE的作诗机器人, https://kexue.fm/archives/5332;
基于CNN和序列标注的对联机器人, https://kexue.fm/archives/6270
"""
# kexue-keras common/gated_conv.py, version 1.1 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import keras
from keras import ops

COMBINATIONS = ("plain", "residual", "highway")


@keras.saving.register_keras_serializable(package="kexue")
class GatedConv1D(keras.layers.Layer):
    """A convolution over time whose values are weighted by gates that a second convolution computes.

        [A, B] = Conv1D(x)                                                both convolutions at once
        plain      y = A ⊗ σ(B)
        residual   y = A ⊗ σ(B) + x             the poetry article
        highway    y = x ⊗ σ(B) + A ⊗ σ(−B)     the couplet article: an open gate keeps the input
                   y = x ⊗ σ(−B) + A ⊗ σ(B)     DGCNN, open_gate="replace": it takes the new value

    The two highways are the same family of functions, with B for −B. Their weights and checkpoints
    are not interchangeable.

    Symbols: A = value, B = gate, σ = sigmoid, ⊗ = product of elements.

    Args:
        filters: channels of the output; None, the default, keeps those of the input. residual and
            highway need them equal.
        kernel_size: steps that one output sees; 3 or, as Conv1D has it, (3,). So for dilation_rate.
        combination: "plain", "residual" or "highway".
        open_gate: "keep" or "replace", what an open gate of the highway does with x; of no matter
            to the others.
        dilation_rate: distance between the steps that one output sees. A stack with rates
            1, 2, 4, 8 and a kernel of 3 sees 31 steps.
        causal: an output sees its own step and earlier ones only.
        gate_dropout: share of the gates' logits B that training drops; it scales the others up by
            1 / (1 − share). A dropped gate stands at σ(0) = ½.
        use_bias: biases for A and B; the poetry article has none.
        kernel_initializer: initializer of the kernel of both, (kernel_size, channels, 2 · filters), A
            before B.
        seed: integer seed of the dropout; random when None.
        padding: "same", the default, or "causal", which is causal=True: the words of Conv1D. The
            output has as many steps as the input, so "valid" is refused.
        strides: 1; here for those who come from Conv1D. Anything else is refused.
        bias_initializer: initializer of the biases, (2 · filters,).
        kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint: as for Conv1D; of the
            kernel and of the biases of both, as one weight each.
        **kwargs: activity_regularizer, name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, time, channels). time may differ from batch to batch.
        mask: (batch, time), True at real steps. By default the mask that Keras hands on. What
            padding holds, even NaN, never reaches a real step: a sequence gives the same output
            alone and padded in a batch.
        training: whether gates are dropped.

    Output:
        (batch, time, filters), zero where the mask is False. The mask is handed on.

    Raises:
        ValueError: an argument out of range, an unknown combination or open_gate, an input that is
            not (batch, time, channels) or has other channels than the layer was built for, filters
            that are not the channels of the input where x is a part of the output, or a mask that
            is not boolean or integer numbers of shape (batch, time).

    Precision: the layer computes in its compute dtype. Nothing in here needs more, since gates lie
        between 0 and 1.

    Example:
        layer = GatedConv1D(kernel_size=3, dilation_rate=2, combination="residual")
        x, mask = np.random.normal(size=(2, 7, 16)), np.arange(7) < np.array([[7], [4]])
        y = layer(x, mask=mask)
        print(y.shape, y[1, 4])    # (2, 7, 16), and zeros behind the mask

    Reference: Dauphin et al., Language Modeling with Gated Convolutional Networks,
        https://arxiv.org/abs/1612.08083;
        苏剑林, 基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409
    """

    def __init__(self, filters=None, kernel_size=3, combination="plain", open_gate="keep",
                 dilation_rate=1, causal=False, gate_dropout=0.0, use_bias=True,
                 kernel_initializer="glorot_uniform", seed=None, padding=None, strides=1,
                 bias_initializer="zeros", kernel_regularizer=None, bias_regularizer=None,
                 kernel_constraint=None, bias_constraint=None, **kwargs):
        super().__init__(**kwargs)
        kernel_size, dilation_rate = _one_number(kernel_size), _one_number(dilation_rate)
        _check_integer("filters", filters, optional=True)
        _check_integer("kernel_size", kernel_size)
        _check_integer("dilation_rate", dilation_rate)
        if combination not in COMBINATIONS:
            raise ValueError(f"combination expects one of {', '.join(COMBINATIONS)}. "
                             f"Received: combination={combination!r}")
        if open_gate not in ("keep", "replace"):
            raise ValueError(f"open_gate expects keep or replace. Received: open_gate={open_gate!r}")
        if not 0 <= gate_dropout < 1:
            raise ValueError("gate_dropout expects a share from 0 to below 1. "
                             f"Received: gate_dropout={gate_dropout}")
        if padding not in (None, "same", "causal") or (causal and padding == "same"):
            raise ValueError('padding expects "same" or "causal", which is causal=True: there are as '
                             f"many steps in the output as in the input. Received: padding={padding!r}, "
                             f"causal={causal}")
        if _one_number(strides) != 1:
            raise ValueError("strides expects 1, since gates and input are combined step by step; take "
                             f"every n-th step of the output instead. Received: strides={strides!r}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.combination = combination
        self.open_gate = open_gate
        self.dilation_rate = dilation_rate
        self.causal = causal or padding == "causal"
        self.gate_dropout = gate_dropout
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if gate_dropout else None
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(f"{self.name} expects sequences of shape (batch, time, channels). "
                             f"Received: shape={tuple(input_shape)}")
        channels = input_shape[-1]
        filters = self.filters or channels
        if self.combination != "plain" and filters != channels:
            raise ValueError(f"{self.name} adds its input to its output, so filters expects the "
                             f"{channels} channels of the input, or None. Received: filters={filters}")
        self.kernel = self.add_weight(name="kernel", shape=(self.kernel_size, channels, 2 * filters),
                                      initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(2 * filters,), initializer=self.bias_initializer,
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: channels})

    def call(self, inputs, mask=None, training=False):
        _check_mask(self.name, mask, inputs.shape)
        x = _clean(inputs, mask)
        value, gate = ops.split(self.convolve(x), 2, axis=-1)
        if training and self.gate_dropout:
            gate = keras.random.dropout(gate, self.gate_dropout, seed=self.seed_generator)
        if self.combination == "highway":
            # 1 − σ(B) = σ(−B). The shorter x + σ ⊗ (A − x) would round twice in bfloat16.
            new = ops.sigmoid(gate if self.open_gate == "replace" else -gate)
            y = x * (1 - new) + value * new
        else:
            y = value * ops.sigmoid(gate)
        if self.combination == "residual":
            y = y + x
        return _clean(y, mask)

    def convolve(self, x):
        """A and B side by side, (batch, time, 2 · filters).

        One convolution with twice the filters gathers x once and has a large product. Two
        convolutions do that twice. Products with shifted copies of x write those copies, or a
        result for each, to memory. In this repository benchmarks/gated_conv measures the four, for
        128 channels and a kernel of 3.
        """
        padding, shape = "same", (*ops.shape(x)[:2], self.kernel.shape[-1])
        if self.causal:
            before = (self.kernel_size - 1) * self.dilation_rate
            x, padding = ops.pad(x, [[0, 0], [before, 0], [0, 0]]), "valid"
        y = ops.conv(x, self.kernel, padding=padding, dilation_rate=self.dilation_rate,
                     data_format="channels_last")
        if x.shape[0] in (0, None) and keras.backend.backend() == "tensorflow":
            y = ops.reshape(y, shape)       # of a batch without rows TensorFlow returns the shape of x
        return y if self.bias is None else y + self.bias

    def compute_output_spec(self, inputs, mask=None, training=False):
        _check_mask(self.name, mask, inputs.shape)
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters or input_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "combination": self.combination,
            "open_gate": self.open_gate,
            "dilation_rate": self.dilation_rate,
            "causal": self.causal,
            "gate_dropout": self.gate_dropout,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "seed": self.seed,
        }


def gated_conv_stack(x, dilation_rates, **options):
    """x through one new GatedConv1D for each rate; `options` go to every layer. For functional models.

    A kernel of k and rates r₁, r₂, … see 1 + (k − 1) Σ rᵢ steps: 13 for six layers of rate 1 and a
    kernel of 3.
    """
    for rate in dilation_rates:
        x = GatedConv1D(dilation_rate=rate, **options)(x)
    return x


def _one_number(value):
    """3 of (3,) or [3], as convolutions of one dimension take both."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _check_integer(name, value, optional=False):
    if value is None and optional:
        return
    integer = hasattr(value, "__index__") and not isinstance(value, bool)          # NumPy's will do, too
    if not integer or value < 1:
        or_none = ", or None" if optional else ""
        raise ValueError(f"{name} expects an integer of at least 1{or_none}. "
                         f"Received: {name}={value!r}")


def _check_mask(layer, mask, shape):
    """Raises ValueError unless the mask is None or (batch, time), as far as sizes are known."""
    if mask is None:
        return
    right = len(mask.shape) == 2
    right = right and all(None in sizes or sizes[0] == sizes[1] for sizes in zip(mask.shape, shape))
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if not right or not (dtype == "bool" or "int" in dtype):
        raise ValueError(f"{layer} expects a mask (batch, time) of booleans or of integers 0 and 1, for "
                         f"inputs of shape {tuple(shape)}. Received: mask of shape {tuple(mask.shape)}, "
                         f"mask.dtype={dtype}")


def _clean(x, mask):
    """x with zeros at padding, even where it held NaN."""
    if mask is None:
        return x
    # LiteRT knows no mask[..., None] of two unknown sizes.
    return ops.where(ops.expand_dims(ops.cast(mask, "bool"), -1), x, ops.zeros_like(x))
