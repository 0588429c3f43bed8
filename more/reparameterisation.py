"""漫谈重参数：从正态分布到Gumbel Softmax, https://kexue.fm/archives/6705, and
变分自编码器（七）：球面上的VAE（vMF-VAE）, https://kexue.fm/archives/8404

A sample of z whose randomness has no parameters lets the gradient through. Of a class the sample is the
argmax of logits plus Gumbel noise, and a softmax at temperature τ takes the argmax's place in training. On a
sphere the sample goes from μ by an angle whose distribution is fixed, so the KL is a constant.

    article                                   here
    softmax((o − log(−log ε))/τ)              GumbelSoftmax
    z = wμ + √(1 − w²) ν                      SphereSampling
    w ~ e^{κw} (1 − w²)^{(d−3)/2}             quantiles_of_w, drawn from by index as in the article
    its KL, constant given d and κ            sphere_kl

    python more/reparameterisation.py             minutes: three kinds of z on MNIST, one seed
    python more/reparameterisation.py --table     three seeds
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class GumbelSoftmax(keras.layers.Layer):
    """Samples classes from logits so that a gradient reaches the logits, and adds the KL to uniform ones.

        y = softmax((o + g)/τ), g = −log(−log ε), ε ~ U(0, 1)              in training
        y = onehot(argmaxᵢ (oᵢ + gᵢ))                                      in inference: an exact sample
        KL = Σ p log p + log K, p = softmax(o)                             a sum over variables

    The loss of training is that of the softened y, and no bound; that of inference is one.

    Symbols: o = inputs, τ = temperature, a weight that is not trained: `layer.temperature.assign(0.5)`.

    Args:
        temperature: τ at first.
        kl_weight: factor on the KL; with 0 the layer only samples.
        seed: of ε; random when None.
        **kwargs: as for any layer.

    Call arguments: logits (batch, ..., K). Output: y, the same shape.

    Raises:
        ValueError: a temperature that is not positive.

    Precision: float32 under any policy; y is cast to the layer's compute dtype.

    Example:
        o = keras.Input((20, 10))
        model = keras.Model(o, GumbelSoftmax(temperature=1.0)(o))

    Reference: 苏剑林, 漫谈重参数：从正态分布到Gumbel Softmax, https://kexue.fm/archives/6705
    """

    def __init__(self, temperature=1.0, kl_weight=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not temperature > 0:
            raise ValueError(f"temperature expects a positive number. Received: temperature={temperature!r}")
        self.start, self.kl_weight, self.seed = temperature, kl_weight, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        self.temperature = self.add_weight(shape=(), initializer=keras.initializers.Constant(self.start),
                                           trainable=False, dtype="float32", autocast=False,
                                           name="temperature")

    def call(self, logits, training=False):
        o = ops.cast(logits, "float32")
        if self.kl_weight:
            log_p = ops.log_softmax(o)
            kl = ops.sum(ops.exp(log_p) * log_p, axis=-1) + np.log(o.shape[-1])
            self.add_loss(self.kl_weight * ops.mean(ops.sum(ops.reshape(kl, (ops.shape(o)[0], -1)), axis=1)))
        # from 1e-20: U(0, 1) may draw 0, and g of 1 would be infinite
        uniform = keras.random.uniform(ops.shape(o), 1e-20, 1.0, "float32", seed=self.seed_generator)
        g = -ops.log(ops.maximum(-ops.log(uniform), 1e-20))
        if training:
            y = ops.softmax((o + g) / self.temperature)
        else:
            y = ops.one_hot(ops.argmax(o + g, axis=-1), o.shape[-1])
        return ops.cast(y, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "temperature": self.start, "kl_weight": self.kl_weight,
                "seed": self.seed}


def log_density(dims, kappa, count=200_000):
    """φ in the middles of equal parts of (0, π), and there log(e^{κ (w − 1)} sin^{d−2} φ), w = cos φ.

    Its exponential is the density of φ but for a factor. The one of w would have poles at d = 2.
    """
    phi = (np.arange(count) + 0.5) * np.pi / count
    return phi, kappa * (np.cos(phi) - 1) + (dims - 2) * np.log(np.sin(phi))


def quantiles_of_w(dims, kappa, count=10_000):
    """w at the middles of `count` equal shares of its distribution: one of them by lot is a sample."""
    phi, log = log_density(dims, kappa)
    areas = np.append(0, np.cumsum(np.exp(log - log.max())))
    edges = np.linspace(0, np.pi, len(phi) + 1)
    middles = (np.arange(count) + 0.5) / count
    return np.cos(np.interp(1 - middles, areas / areas[-1], edges))


def sphere_kl(dims, kappa):
    """KL(vMF(μ, κ) ‖ uniform) on the sphere in so many dimensions, in nats: the same for each μ.

        κ E[w] − log E_uniform[e^{κw}]
    """
    phi, tilted = log_density(dims, kappa)
    _, flat = log_density(dims, 0.0)
    weights, top = np.exp(tilted - tilted.max()), tilted.max()
    mean = (weights * np.cos(phi)).sum() / weights.sum()
    return kappa * (mean - 1) - top - np.log(weights.sum() / np.exp(flat).sum())


@keras.saving.register_keras_serializable(package="kexue")
class SphereSampling(keras.layers.Layer):
    """Samples z of length 1 around μ/‖μ‖ from the von Mises–Fisher distribution.

        z = wμ + √(1 − w²) ν, ν = ε − ⟨ε, μ⟩μ normalised, ε ~ N(0, I)

    Symbols: κ = kappa, the concentration; 0 is the uniform distribution, which is the prior.

    Args:
        kappa: κ, fixed: no gradient goes to it.
        kl_weight: factor on the KL, which is a constant and is added for the loss to be a bound.
        seed: of w and ε; random when None.
        **kwargs: as for any layer.

    Call arguments: μ (batch, d) of any length, d at least 2. Output: z, the same shape.

    Raises:
        ValueError: a negative κ, or inputs of another rank or of one dimension.

    Precision: float32 under any policy; z is cast to the layer's compute dtype. w is one of 10,000 quantiles.

    Example:
        mu = keras.Input((4,))
        model = keras.Model(mu, SphereSampling(kappa=20.0)(mu))

    Reference: 苏剑林, 变分自编码器（七）：球面上的VAE（vMF-VAE）, https://kexue.fm/archives/8404
    """

    def __init__(self, kappa=20.0, kl_weight=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not kappa >= 0:
            raise ValueError(f"kappa expects a number of at least 0. Received: kappa={kappa!r}")
        self.kappa, self.kl_weight, self.seed = kappa, kl_weight, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if len(input_shape) != 2 or not (input_shape[-1] or 0) >= 2:
            raise ValueError("the layer expects μ (batch, d) with d of at least 2. "
                             f"Received: shape={tuple(input_shape)}")
        self.table = quantiles_of_w(input_shape[-1], self.kappa).astype("float32")
        self.kl = float(sphere_kl(input_shape[-1], self.kappa))

    def call(self, mu):
        mu = ops.normalize(ops.cast(mu, "float32"), axis=-1)
        if self.kl_weight:
            self.add_loss(self.kl_weight * self.kl * ops.ones(()))
        index = keras.random.randint((ops.shape(mu)[0], 1), 0, len(self.table), seed=self.seed_generator)
        w = ops.take(ops.convert_to_tensor(self.table), index)
        noise = keras.random.normal(ops.shape(mu), dtype="float32", seed=self.seed_generator)
        nu = ops.normalize(noise - ops.sum(noise * mu, axis=-1, keepdims=True) * mu, axis=-1)
        return ops.cast(w * mu + ops.sqrt(1 - ops.square(w)) * nu, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "kappa": self.kappa, "kl_weight": self.kl_weight, "seed": self.seed}


# ------------------------------------------------------------------------------------------------------- demo

KINDS = {"Gaussian, 4": 4, "sphere, 4, κ = 20": 4, "classes, 10 of 10": 100}       # name → size of z
DROP = {"classes, 10 of 10": (1.0, 0.3)}                    # τ in the first epoch and in the last


def build_vae(kind, kappa=20.0, hidden=256):
    """x → z → logits of x, for one of three kinds of z: (vae, decoder, the layer that samples)."""
    from common.latent import GaussianSampling

    dense, size = keras.layers.Dense, KINDS[kind]
    x = keras.Input((784,))
    h = dense(hidden, "relu")(x)
    if kind.startswith("Gaussian"):
        layer = GaussianSampling()
        z = layer([dense(size)(h), dense(size)(h)])
    elif kind.startswith("sphere"):
        layer = SphereSampling(kappa)
        z = layer(dense(size)(h))
    else:
        layer = GumbelSoftmax()
        z = keras.layers.Flatten()(layer(keras.layers.Reshape((10, 10))(dense(size)(h))))
    decoder = keras.Sequential([keras.Input((size,)), dense(hidden, "relu"), dense(784)])
    return keras.Model(x, decoder(z)), decoder, layer


def bernoulli_loss(x, logits):
    return ops.sum(ops.binary_crossentropy(x, logits, from_logits=True), axis=-1)


def prior(kind, count, rng):
    """Samples of z from its prior."""
    if kind.startswith("classes"):
        return np.eye(10, dtype="float32")[rng.integers(10, size=(count, 10))].reshape(count, -1)
    z = rng.normal(size=(count, KINDS[kind])).astype("float32")
    return z / np.linalg.norm(z, axis=1, keepdims=True) if kind.startswith("sphere") else z


class Cooling(keras.callbacks.Callback):
    """τ of a GumbelSoftmax falls by one factor in each epoch.

    Args:
        layer: a GumbelSoftmax.
        first, last, epochs: τ in the first epoch and in the last of so many.

    Example:
        layer = GumbelSoftmax()
        layer.build((None, 10))
        Cooling(layer, 1.0, 0.3, epochs=5).on_epoch_begin(4)

    Reference: 苏剑林, 漫谈重参数：从正态分布到Gumbel Softmax, https://kexue.fm/archives/6705
    """

    def __init__(self, layer, first, last, epochs):
        super().__init__()
        self.layer, self.first, self.last, self.epochs = layer, first, last, epochs

    def on_epoch_begin(self, epoch, logs=None):
        share = epoch / max(1, self.epochs - 1)
        self.layer.temperature.assign(self.first * (self.last / self.first) ** share)


def train(kind, x, x_test, seed, epochs, kappa):
    """The decoder, and the negative bound of test images with its two parts, in nats."""
    keras.utils.set_random_seed(seed)
    vae, decoder, layer = build_vae(kind, kappa)
    vae.compile("adam", bernoulli_loss)
    callbacks = [Cooling(layer, *DROP[kind], epochs)] if kind in DROP else []
    vae.fit(x, x, batch_size=100, epochs=epochs, callbacks=callbacks, verbose=0)
    bound = vae.evaluate(x_test, x_test, batch_size=500, verbose=0)
    logits = vae.predict(x_test, batch_size=500, verbose=0)
    reconstruction = float(np.mean(ops.convert_to_numpy(bernoulli_loss(x_test, logits))))
    print(f"{kind}, seed {seed}: {bound:.2f}", flush=True)
    return decoder, (bound, reconstruction, bound - reconstruction)


def demo(config):
    """Three kinds of z on images, from one seed; with --table from three."""
    from matplotlib.figure import Figure

    from common.harness import datasets, further

    images = datasets.load_images(config.data or ("digits" if config.smoke else ""))
    x, x_test = (part.reshape(len(part), -1).astype("float32") / 255
                 for part in (images.x_train, images.x_test))
    run = further.start(config, "reparameterisation")
    epochs, rng = 1 if config.smoke else config.epochs, np.random.default_rng(config.seed)
    figure = Figure(figsize=(7, 2.7), layout="constrained")
    rows, metrics = [], {}
    for axes, kind in zip(figure.subplots(1, 3), KINDS):
        found = []
        for seed in range(config.seed, config.seed + (3 if config.table else 1)):
            decoder, scores = train(kind, x, x_test, seed, epochs, config.kappa)
            found.append(scores)
        logits = decoder.predict(prior(kind, 64, rng), verbose=0)
        sheet = (1 / (1 + np.exp(-logits))).reshape(8, 8, 28, 28).swapaxes(1, 2).reshape(224, 224)
        axes.imshow(sheet, cmap="gray")
        axes.set(title=f"z from the prior: {kind}", xticks=[], yticks=[])
        values = np.array(found)
        rows.append([kind, *map(further.mean_and_deviation, values.T)])
        names = ("negative bound", "reconstruction", "KL")
        metrics |= {f"{name}, {kind}": value for name, value in zip(names, values.mean(axis=0))}
    run.draw(figure, 8)
    run.table(["z", "negative bound", "reconstruction", "KL"], rows)
    run.finish(images.describe(), metrics)


def main():
    """The demo, python more/reparameterisation.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(demo, __doc__, epochs=(10, cli.Between(1, 1000), "Passes over the training images."),
                 kappa=(20.0, cli.Between(above=0, most=10_000), "κ, how near z is to μ on the sphere."))


if __name__ == "__main__":
    main()
