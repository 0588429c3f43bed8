"""Latent variables of variational autoencoders: layers that sample z and add their own KL term to
the loss.

Copy this file into any Keras 3 project; it needs keras alone.

Articles: 苏剑林, 变分自编码器（一）https://kexue.fm/archives/5253 and
（四）https://kexue.fm/archives/5887
"""
# kexue-keras common/latent.py, version 1.2 (2026-11-29), Apache-2.0; changes: CHANGELOG.md

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class GaussianSampling(keras.layers.Layer):
    """Samples z from N(μ, σ²) so that gradients reach μ and σ, and adds the KL divergence from the
    prior to the loss.

    z = μ + σ ε with ε ~ N(0, I), equation (6) of the article; the added loss is the batch mean of

        KL(N(μ, σ²) ‖ N(0, I))   = ½ Σᵢ (μᵢ² + σᵢ² − log σᵢ² − 1)          equation (4), two inputs
        KL(N(μ, σ²) ‖ N(μʸ, I))  = ½ Σᵢ ((μᵢ − μʸᵢ)² + σᵢ² − log σᵢ² − 1)  equation (8), three inputs

    in nats: a sum over all axes but the batch and a mean over the batch, so it adds to a
    reconstruction term that is a sum over pixels. (Keras' own binary_crossentropy is a mean over
    pixels: next to it this KL would be 784 times too heavy for MNIST and z would carry nothing.)
    For one z at each step of a sequence or each pixel of an image, the sum goes over steps and
    pixels too. Keras' sample_weight and class_weight do not reach a loss that a layer adds: every
    row of the batch counts once.

    Symbols: μ = mean, log σ² = log_var, μʸ = prior_mean, ε = noise.

    Args:
        kl_weight: factor on the KL term; 1 is the article's. With 0 the layer only samples and adds
            no loss.
        free_bits: nats that each latent dimension may carry at no cost: in training, the loss has
            max(free_bits, KLᵢ) with the batch mean KLᵢ of dimension i. This keeps the posterior
            from collapsing onto the prior; 0 is the article's.
        warmup_steps: training steps over which the weight of the KL rises from 0 to kl_weight (KL
            annealing), another cure; 0 is the article's. The layer then has a weight that counts
            steps. In inference, so in val_loss, free bits and warm-up do not apply: the loss is the
            negative evidence lower bound.
        noise_in_inference: False makes the layer a variational bottleneck: z is the mean in inference,
            and a sample in training alone. The KL is added in both.
        seed: integer seed of ε; random when None.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: [mean, log_var] or [mean, log_var, prior_mean], each of shape
            (batch, ..., latent_dim). A network that puts out log σ² needs no activation: it may be
            of either sign, and σ = exp(½ log σ²) is positive.
        mask: a list with one mask for each input, as Keras hands it on. For sequences
            (batch, time, latent_dim) the first of them, (batch, time), True at real steps, counts:
            padding adds nothing to the KL, even where it holds NaN.

    Output:
        z, of the shape of mean, zero where the mask is False. The mask is handed on. Noise is drawn
        in training and in inference alike, since the evidence lower bound is an expectation over z
        in both. A classifier on z wants the mean in inference: noise_in_inference=False.

    Raises:
        ValueError: inputs is no list of two or three tensors, their shapes differ, or they have no
            latent dimension; a kl_weight or free_bits below 0, or warmup_steps that is no integer
            of at least 0.

    Precision: computed in float32 under any dtype policy; z is cast to the layer's compute dtype.

    Example:
        x = keras.Input((784,))
        mean, log_var = keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)
        z = GaussianSampling()([mean, log_var])
        model = keras.Model(x, keras.layers.Dense(784)(z))
        model.compile("adam", "mse")    # the KL is in the loss already

    Reference: 苏剑林, 变分自编码器（一）：原来是这么一回事, https://kexue.fm/archives/5253;
        Kingma and Welling, Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114;
        annealing: Bowman et al., https://arxiv.org/abs/1511.06349;
        free bits: Kingma et al., https://arxiv.org/abs/1606.04934;
        bottleneck: 苏剑林, https://kexue.fm/archives/6181
    """

    def __init__(self, kl_weight=1.0, free_bits=0.0, warmup_steps=0, seed=None, noise_in_inference=True,
                 **kwargs):
        super().__init__(**kwargs)
        for name, value in (("kl_weight", kl_weight), ("free_bits", free_bits)):
            if not value >= 0:
                raise ValueError(f"{name} expects a number of at least 0. Received: {name}={value!r}")
        if warmup_steps != int(warmup_steps) or warmup_steps < 0:
            raise ValueError("warmup_steps expects an integer of at least 0. "
                             f"Received: warmup_steps={warmup_steps!r}")
        self.kl_weight = kl_weight
        self.free_bits = free_bits
        self.warmup_steps = warmup_steps
        self.noise_in_inference = bool(noise_in_inference)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape):
        self.check(input_shape)
        if self.warmup_steps:
            self.steps = self.add_weight(name="steps", shape=(), initializer="zeros", dtype="int32",
                                         trainable=False)

    def check(self, shapes):
        """Raises ValueError unless these are shapes of mean, log_var and perhaps prior_mean."""
        _check_shapes(self.name, shapes, ["mean", "log_var", "prior_mean"], at_least=2)

    def call(self, inputs, mask=None, training=False):
        self.check(_shapes(inputs))
        mean, log_var, *prior_mean = [ops.cast(t, "float32") for t in inputs]
        real = _real(mean, mask)
        if real is not None:
            # At padding N(0, 1) against N(0, 1): a KL of 0, and a gradient of 0 even beside NaN.
            mean, log_var, *prior_mean = [
                ops.where(real, t, ops.zeros_like(t)) for t in (mean, log_var, *prior_mean)]
        if self.kl_weight:
            offset = mean - prior_mean[0] if prior_mean else mean
            # σ² − log σ² − 1 written with expm1: near σ = 1, where training ends for unused
            # dimensions, it keeps its digits.
            kl = 0.5 * (ops.square(offset) + ops.expm1(log_var) - log_var)     # of each dimension
            weight = self.kl_weight
            if training and self.free_bits:
                kl = ops.maximum(self.free_bits, _batch_mean(kl))[None]
            if training and self.warmup_steps:
                share = ops.cast(self.steps, "float32") / self.warmup_steps
                weight = weight * ops.minimum(1.0, share)
                self.steps.assign_add(1)
            self.add_loss(weight * _batch_mean(ops.sum(kl, axis=tuple(range(1, len(kl.shape))))))
        z = mean
        if training or self.noise_in_inference:
            noise = keras.random.normal(ops.shape(mean), dtype="float32", seed=self.seed_generator)
            z = mean + ops.exp(0.5 * log_var) * noise
        if real is not None:
            z = ops.where(real, z, ops.zeros_like(z))
        return ops.cast(z, self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        rank = len(inputs[0].shape)
        return mask if mask is not None and 2 <= len(mask.shape) < rank else None

    def compute_output_shape(self, input_shape):
        self.check(input_shape)
        return tuple(input_shape[0])

    def get_config(self):
        return {
            **super().get_config(),
            "kl_weight": self.kl_weight,
            "free_bits": self.free_bits,
            "warmup_steps": self.warmup_steps,
            "noise_in_inference": self.noise_in_inference,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="kexue")
class ClusterPrior(keras.layers.Layer):
    """K unit Gaussians N(μ_y, I) with trainable means as the prior of z: clustering by a variational
    autoencoder.

    Adds, as a batch mean in nats, the second and third term of equation (5) of the article,

        Σ_y p(y|z) log( p(z|x) / q(z|y) ) + Σ_y p(y|z) log p(y|z),
        log( p(z|x) / q(z|y) ) ≃ −½ Σᵢ log σᵢ² + ½ ‖z − μ_y‖²,                       equation (8)

    where −½‖ε‖² is left out, since no parameter is in it. The last term is KL(p(y|z) ‖ q(y)) for
    uniform q(y) without its constant log K.

    Symbols: K = num_clusters, μ_y = self.means[y], p(y|z) = probabilities, log σ² = log_var.

    Args:
        num_clusters: K.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: [z, log_var, probabilities] of shapes (batch, latent_dim), (batch, latent_dim),
            (batch, K).

    Output:
        z, unchanged: the layer is there for its loss and for its weight `means`, (K, latent_dim).
        The means start at zero as in the article, so that the classifier alone breaks the symmetry
        between clusters.

    Raises:
        ValueError: inputs is no list of three tensors, or shapes do not fit; num_clusters is no
            integer of at least 1.

    Precision: the loss is computed in float32 under any dtype policy. y log y is 0 at y = 0, with a
        finite gradient.

    Example:
        z, log_var = keras.Input((20,)), keras.Input((20,))
        p = keras.layers.Dense(10, activation="softmax")(z)
        model = keras.Model([z, log_var], ClusterPrior(10, name="clusters")([z, log_var, p]))
        model.get_layer("clusters").means      # μ_y: decode these to see the clusters

    Reference: 苏剑林, 变分自编码器（四）：一步到位的聚类方案, https://kexue.fm/archives/5887
    """

    def __init__(self, num_clusters, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(num_clusters, int) or num_clusters < 1:
            raise ValueError("num_clusters expects an integer of at least 1. "
                             f"Received: num_clusters={num_clusters!r}")
        self.num_clusters = num_clusters

    def build(self, input_shape):
        self.check(input_shape)
        shape = (self.num_clusters, input_shape[0][-1])
        self.means = self.add_weight(name="means", shape=shape, initializer="zeros",
                                     dtype="float32")
        vectors = keras.layers.InputSpec(ndim=2, axes={-1: input_shape[0][-1]})
        self.input_spec = [vectors, vectors, keras.layers.InputSpec(ndim=2, axes={-1: self.num_clusters})]

    def check(self, shapes):
        """Raises ValueError unless these are shapes of z, log_var and probabilities."""
        right = _are_shapes(shapes) and len(shapes) == 3
        right = right and all(len(shape) == 2 for shape in shapes)
        right = right and shapes[2][1] == self.num_clusters and _alike(shape[0] for shape in shapes)
        if not right:
            raise ValueError(f"{self.name} expects one list [z, log_var, probabilities] of shapes "
                             "(batch, latent_dim), (batch, latent_dim), (batch, K), with one "
                             f"probability for each of its {self.num_clusters} clusters. "
                             f"Received: shapes={shapes}")
        _check_shapes(self.name, shapes[:2], ["z", "log_var"], at_least=2)

    def call(self, inputs):
        self.check(_shapes(inputs))
        z, log_var, p = [ops.cast(t, "float32") for t in inputs]
        offset = z[:, None, :] - ops.cast(self.means, "float32")
        distance = ops.sum(ops.square(offset), axis=-1)                        # ‖z − μ_y‖², (batch, K)
        log_ratio = 0.5 * distance - 0.5 * ops.sum(log_var, axis=-1, keepdims=True)     # equation (8)
        loss = ops.sum(p * (log_ratio + ops.log(p + 1e-7)), axis=-1)                    # equation (5)
        self.add_loss(_batch_mean(loss))
        return inputs[0]

    def compute_output_shape(self, input_shape):
        self.check(input_shape)
        return tuple(input_shape[0])

    def get_config(self):
        return {**super().get_config(), "num_clusters": self.num_clusters}


def _check_shapes(layer, shapes, names, at_least):
    """Raises ValueError unless there are `at_least` to len(names) shapes of (batch, ..., latent_dim)
    and all are the same, as far as they are known."""
    right = _are_shapes(shapes) and at_least <= len(shapes) <= len(names)
    right = right and len(shapes[0]) >= 2 and len({len(shape) for shape in shapes}) == 1
    right = right and all(_alike(sizes) for sizes in zip(*shapes))
    if not right:
        optional = "" if at_least == len(names) else ", the last may be left out"
        raise ValueError(f"{layer} expects a list [{', '.join(names)}] of tensors of one shape "
                         f"(batch, ..., latent_dim){optional}. Received: shapes={shapes}")


def _are_shapes(shapes):
    """Whether this is a list of shapes, and not the shape of one tensor."""
    return isinstance(shapes, (list, tuple)) and all(isinstance(shape, (list, tuple)) for shape in shapes)


def _alike(sizes):
    """Whether these can be the same number, where None is not known yet."""
    return len({size for size in sizes if size is not None}) <= 1


def _shapes(inputs):
    """The static shapes of a list of tensors; of anything else its own shape, which no check takes."""
    if isinstance(inputs, (list, tuple)):
        return [tuple(t.shape) for t in inputs]
    return tuple(getattr(inputs, "shape", ()))


def _real(mean, masks):
    """The mask of the first input with axes up to those of mean, or None where there is none.

    A mask (batch, time) that a model carries along says nothing about vectors (batch, latent_dim).
    """
    mask = masks[0] if isinstance(masks, (list, tuple)) else masks
    if mask is None or not 2 <= len(mask.shape) < len(mean.shape):
        return None
    missing = len(mean.shape) - len(mask.shape)
    return ops.reshape(ops.cast(mask, "bool"), (*ops.shape(mask), *[1] * missing))


def _batch_mean(t):
    """The mean over the first axis, 0 for a batch without rows."""
    rows = ops.cast(ops.maximum(ops.shape(t)[0], 1), t.dtype)
    return ops.sum(t, axis=0) / rows
