"""Spectral normalisation for Keras 3: layers whose kernel has the norm 1, as critics of GANs need them.

Copy this file into any Keras 3 project; it needs keras alone.

    x = keras.Input((32, 32, 3))
    h = SpectralNorm(keras.layers.Conv2D(64, 4, strides=2, padding="same"))(x)
    t = SpectralNorm(keras.layers.Dense(1))(keras.layers.Flatten()(keras.layers.LeakyReLU(0.2)(h)))
    critic = keras.Model(x, t)            # call critic(x, training=True) once in each of its steps

Article: 苏剑林, 深度学习中的Lipschitz约束：泛化与生成模型 https://kexue.fm/archives/6051
"""
# kexue-keras common/spectral.py, version 1.1 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import math

import keras
from keras import layers, ops

EPSILON = 1e-12      # beside norms: a kernel of zeros stays zero


def power_iteration(w, u, iterations=1):
    """v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖, ‖W‖₂ ≈ uᵀWv: section 幂迭代 of the article.

    Args:
        w: matrix (rows, columns).
        u: vector (rows,), from the last call or random.
        iterations: how often.

    Returns:
        σ ≈ ‖W‖₂, never more than it, and the new u. The gradient of σ is dσ = uᵀ dW v. It is exact
        where u and v are the singular vectors. They are held constant, since at the maximum σ does
        not change with them to first order.
    """
    w, u = ops.convert_to_tensor(w), ops.convert_to_tensor(u)
    constant = ops.stop_gradient(w)
    for _ in range(iterations):
        v = _direction(ops.matmul(u, constant))
        u = _direction(ops.matmul(constant, v))
    return ops.sum(u * ops.matmul(w, v)), u


def _direction(vector):
    return vector / (ops.sqrt(ops.sum(ops.square(vector))) + EPSILON)


@keras.saving.register_keras_serializable(package="kexue")
class SpectralNorm(layers.Wrapper):
    """Divides a layer's kernel by its largest singular value in the forward pass:
    y = f(W/‖W‖₂ · x + b).

    The article's point is where this happens. In the forward pass the gradient flows through ‖W‖₂
    too, so that it is the gradient of the function that the network computes:

        ∂L/∂W = (G − ⟨G, W/σ⟩ u vᵀ)/σ        with G = ∂L/∂(W/σ)

    and the raw W stays the variable that is trained. (keras.layers.SpectralNormalization overwrites
    W with W/σ in each training call and passes no gradient through σ: a projection after each step.
    The article's Keras 2 did that with kernel_constraint, and the article calls it inaccurate. At
    inference that layer uses the kernel as the optimizer left it.)

    A convolution's kernel is taken as the matrix (h·w·c, filters): all axes but the last in one.
    Its σ is not the norm of the convolution. That norm is at most √(⌈h/s⌉⌈w/s⌉) σ with strides s,
    as each pixel lies in so many windows; `bound` is this factor. A transposed convolution has a
    kernel (h, w, filters, c). It is the adjoint of the convolution with that kernel and shares its
    norm: the same matrix, the same factor. The factor of Dense is 1.

    Symbols: W = layer.kernel, ‖W‖₂ = σ, u = self.u, v: see power_iteration.

    Args:
        layer: a Dense, Conv1D to Conv3D or Conv1DTranspose to Conv3DTranspose layer.
        iterations: power iterations in each call. u persists, so that one is enough while W changes
            slowly. The author's five, from a vector of ones each time, are about 5 % off for a
            large kernel.
        **kwargs: name and so on, as for any Keras layer.

    A wrapped layer may have LoRA weights, or be quantised to int8, as model.quantize("int8") does it:
    σ is then that of the kernel that it multiplies with. Quantise after training.

    Call arguments:
        inputs: as for the wrapped layer.
        training: with True the new u is kept. The kernel is divided by σ in either case; before the
            first call with True, σ comes from a random u and may be much too small.

    Output:
        that of the wrapped layer.

    Raises:
        ValueError: another kind of layer, iterations that are no integer of at least 1, inputs that
            the wrapped layer was not built for, or a layer that is quantised in another way than
            int8.

    Precision: σ and W/σ are computed in float32 under any dtype policy. The wrapped layer follows
        its own.

    Example:
        layer = SpectralNorm(keras.layers.Dense(3, use_bias=False))
        for _ in range(50):
            y = layer(np.eye(4), training=True)
        np.linalg.norm(keras.ops.convert_to_numpy(y), 2)       # 1.0: the output is the kernel over its norm

    Reference: 苏剑林, 深度学习中的Lipschitz约束, https://kexue.fm/archives/6051;
        Miyato et al., Spectral Normalization for Generative Adversarial Networks,
        https://arxiv.org/abs/1802.05957
    """

    def __init__(self, layer, iterations=1, **kwargs):
        super().__init__(layer, autocast=False, **kwargs)    # W in full precision; the layer casts it
        if not isinstance(layer, (layers.Dense, *CONVOLUTIONS)):
            raise ValueError("SpectralNorm expects a Dense, convolution or transposed convolution "
                             f"layer. Received: layer={layer}")
        if not isinstance(iterations, int) or iterations < 1:
            raise ValueError(f"{self.name} expects at least one power iteration. "
                             f"Received: iterations={iterations!r}")
        self.iterations = iterations
        self.input_spec = layer.input_spec

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = self.layer.input_spec
        rows = math.prod(self.layer.kernel.shape[:-1])
        self.u = self.add_weight(name="u", shape=(rows,), initializer="random_normal",
                                 trainable=False, dtype="float32", autocast=False)

    def call(self, inputs, training=False):
        w = self.weight()
        matrix = ops.reshape(w, (-1, w.shape[-1]))
        sigma, u = power_iteration(matrix, self.u.value, self.iterations)
        if training:
            self.u.assign(u)
        if self.has_plain_kernel():
            return self.with_kernel(w / ops.maximum(sigma, EPSILON), inputs)
        # The layer is linear up to its bias: (W/σ) x = W (x/σ), whatever W is made of.
        scale = ops.where(sigma > EPSILON, 1 / ops.maximum(sigma, EPSILON), 0.0)
        return self.layer(ops.cast(inputs, "float32") * scale)

    def has_plain_kernel(self):
        """Whether the wrapped layer's kernel is one variable of floating-point numbers."""
        lora = getattr(self.layer, "lora_enabled", False)
        return not lora and self.layer.quantization_mode is None

    def weight(self):
        """W in float32, as the wrapped layer multiplies with it."""
        layer, mode = self.layer, self.layer.quantization_mode
        if mode not in (None, "int8"):
            raise ValueError(f"{self.name} expects a layer without quantisation or with int8. "
                             f"Received: layer.quantization_mode={mode!r}")
        if self.has_plain_kernel():
            return ops.cast(layer.kernel.value, "float32")
        w = ops.cast(layer._kernel, "float32")         # without LoRA, which `kernel` adds before scales
        if mode == "int8":
            w = w / ops.cast(layer.kernel_scale, "float32")
        if layer.lora_enabled:
            a, b = ops.cast(layer.lora_kernel_a, "float32"), ops.cast(layer.lora_kernel_b, "float32")
            w = w + layer.lora_alpha / layer.lora_rank * ops.matmul(a, b)
        return w

    def with_kernel(self, w, inputs):
        """The wrapped layer's outputs with another kernel."""
        kernel = self.layer.kernel
        # Inside this scope the layer finds W/σ where W is; its other variables have to be named to
        # keep their values.
        values = [(kernel, w)]
        values += [(other, other.value) for other in self.layer.variables if other is not kernel]
        with keras.StatelessScope(values, collect_losses=True) as scope:
            outputs = self.layer(inputs)
        for loss in scope.losses:                # of the layer's activity regulariser
            self.add_loss(loss)
        return outputs

    @property
    def bound(self):
        """The most by which the layer without its activation can stretch a difference of inputs, when
        σ is exact."""
        if isinstance(self.layer, layers.Dense):
            return 1.0
        sizes = zip(self.layer.kernel_size, self.layer.strides)
        windows = math.prod(-(-size // stride) for size, stride in sizes)      # ⌈size / stride⌉
        return math.sqrt(windows)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        return {**super().get_config(), "iterations": self.iterations}

    @classmethod
    def from_config(cls, config):
        return super().from_config({**config})      # Keras' own takes the layer out of what it is given


CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D,
                layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
