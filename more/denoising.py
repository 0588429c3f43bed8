"""从去噪自编码器到生成模型, https://kexue.fm/archives/7038

The best denoiser of Gaussian noise is r(x) = x + σ² ∇log p̂(x), with p̂ the density of the noisy data: who
can denoise knows the gradient of a log density. The article goes on to samples in two ways: a generator
between two energies (9), or Langevin's equation (10) and one denoising jump, which with several σ is where
diffusion models begin.

    article                here
    r(x), (1), (3)         posterior_mean: exact for a finite data set; DenoisingLoss trains a network
    ∇E_p(x) + x, (7)       EnergyDenoiser
    E_q − E_p, (9)         GeneratorLoss; fit_generator is the loop of three steps
    x_{t+1}, (10)          langevin, with ε = cσ² and the gradient of log p̂

    python more/denoising.py             minutes: the plane, and MNIST at 32 × 32 with 1,000 samples
    python more/denoising.py --table     10,000 samples, as many as gan/ compares; three seeds in the plane
    python more/denoising.py --table --width 32 --epochs 20        a network that is worth the wait
    python more/denoising.py --data fashion_mnist     and what else common/harness/datasets.py loads

The article prints ∇p̂ for ∇log p̂ where it sums up the second way, and leaves out "the details", several σ
from large to small: without them the chain does not find the data (the sheet on the right).
"""

import keras
import numpy as np
from keras import ops

# ------------------------------------------------------------------------------------------ exactly, in NumPy


def log_terms(x, data, sigma):
    """log of N(x; xᵢ, σ²I) up to a constant that x does not change: −‖x − xᵢ‖²/2σ², (n, m)."""
    distance = np.square(x).sum(axis=1)[:, None] + np.square(data).sum(axis=1) - 2 * x @ data.T
    return np.maximum(distance, 0) / (-2 * sigma ** 2)


def posterior_mean(x, data, sigma):
    """The best r for the data set itself: equation (3), where p is m points of the same weight.

    Each point counts by its weight in p(xᵢ|x), so r(x) is E[x_clean|x_noisy]; no network is better on these
    data.

    Args:
        x: noisy points (n, d).
        data: clean points (m, d).

    Returns:
        (n, d).
    """
    terms = log_terms(x, data, sigma)
    weights = np.exp(terms - terms.max(axis=1, keepdims=True))
    return weights @ data / weights.sum(axis=1, keepdims=True)


def log_density(x, data, sigma):
    """log p̂(x) in nats, (n,): p̂ is a mixture of N(xᵢ, σ²I), one for each of the data (m, d)."""
    terms = log_terms(x, data, sigma)
    most = terms.max(axis=1)
    total = most + np.log(np.exp(terms - most[:, None]).mean(axis=1))
    return total - 0.5 * data.shape[1] * np.log(2 * np.pi * sigma ** 2)


def langevin(denoise, x, sigmas, steps, c=0.4, seed=0):
    """Langevin's equation (10) with ε = cσ², so many steps for one σ after the other.

        x ← x + ½ε ∇log p̂(x) + √ε α = x + ½c (r(x) − x) + √c σα,  α ~ N(0, I)

    The step falls with σ², since p̂ has no smaller details than σ. As ε is no infinitesimal, the noise of the
    chain is too large by the factor 1/√(1 − c/4).

    Args:
        denoise: function (x, σ) → r(x), of the shape of x.
        x: where the chains begin, (n, ...).
        sigmas: σ from large to small.
        steps: how many for each σ.

    Returns:
        noisy samples (n, ...), of which denoise(samples, sigmas[-1]) takes the noise.
    """
    rng = np.random.default_rng(seed)
    for sigma in sigmas:
        for _ in range(steps):
            alpha = rng.standard_normal(x.shape, "float32")
            x = x + 0.5 * c * (denoise(x, sigma) - x) + c ** 0.5 * sigma * alpha
    return x


# ------------------------------------------------------------------------------------------ with networks


def input_gradient(function, x):
    """The gradient by x of the sum of function(x), itself differentiable: (batch, ...) as x."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(lambda x: ops.sum(function(x)))(x)
    if keras.backend.backend() == "torch":
        import torch

        with torch.enable_grad():                     # predict() turns gradients off
            x = x if x.requires_grad else x.detach().requires_grad_()
            return torch.autograd.grad(function(x).sum(), x, create_graph=True)[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x)


@keras.saving.register_keras_serializable(package="kexue")
class EnergyDenoiser(keras.layers.Layer):
    """r(x) = x + ∇E(x) with a scalar E, equation (7), so that E = σ² log p̂ + C after training.

    Its training differentiates ∇E, so E has to be curved: with relu the second derivatives by x are 0 and
    r − x is constant in pieces; silu and softplus are right.

    Args:
        energy: model x → E(x), of shape (batch, 1).
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: x, (batch, ...). The output is of that shape.

    Example:
        dense = keras.layers.Dense
        energy = keras.Sequential([keras.Input((2,)), dense(8, "silu"), dense(1, use_bias=False)])
        x = np.random.normal(size=(100, 2)).astype("float32")
        inputs = keras.Input((2,))
        model = keras.Model(inputs, DenoisingLoss(EnergyDenoiser(energy), [0.2])(inputs))
        model.compile("adam")
        model.fit(x, verbose=0)

    Reference: 苏剑林, 从去噪自编码器到生成模型, https://kexue.fm/archives/7038
    """

    def __init__(self, energy, **kwargs):
        super().__init__(**kwargs)
        self.energy = energy

    def build(self, input_shape):
        if tuple(self.energy.compute_output_shape(input_shape))[1:] != (1,):
            raise ValueError("energy expects to give one number for each sample, (batch, 1). "
                             f"Received: shape={self.energy.compute_output_shape(input_shape)}")

    def call(self, inputs):
        return inputs + input_gradient(self.energy, inputs)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "energy": keras.saving.serialize_keras_object(self.energy)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("energy")), **config)


@keras.saving.register_keras_serializable(package="kexue")
class DenoisingLoss(keras.layers.Layer):
    """Adds noise to clean samples, and E‖r(x + ε) − x‖²/σ² to the loss, ε ~ N(0, σ²I): equation (1).

    The loss is a sum over dimensions and a mean over the batch. Each sample has one σ of a list, and its
    error is divided by σ², so that all σ weigh alike: of r(x) = x the expected loss is the number of
    dimensions for each σ. But any good r has small errors where σ is larger than the data, so that large σ
    hardly count. With `spread` the error is divided by the variance that the best r leaves of data N(0, s²),
    s²σ²/(s² + σ²): of that r the expected loss is the number of dimensions for each σ.

    Args:
        denoiser: layer or model of x; with several σ it is called with [x, σ], where σ is (batch, 1).
        sigmas: list of standard deviations.
        spread: the standard deviation s of the data, or None to divide by σ².
        seed: integer seed of the noise; random when None.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: clean samples x, (batch, ...). The output is r(x + ε), of that shape.

    Example:
        noise = DenoisingLoss(keras.layers.Dense(2), [0.5])
        x = np.zeros((4, 2), "float32")
        print(noise(x).shape, len(noise.losses))          # (4, 2) 1

    Reference: 苏剑林, 从去噪自编码器到生成模型, https://kexue.fm/archives/7038
    """

    def __init__(self, denoiser, sigmas, spread=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if spread is not None and not 0 < spread < float("inf"):
            raise ValueError(f"spread expects a positive number or None. Received: spread={spread!r}")
        if not len(sigmas) or not all(0 < sigma < float("inf") for sigma in sigmas):
            raise ValueError(f"sigmas expects positive numbers, at least one. Received: sigmas={sigmas!r}")
        self.denoiser, self.sigmas, self.spread, self.seed = denoiser, list(map(float, sigmas)), spread, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        self.rank = len(input_shape)

    def call(self, inputs):
        count = ops.shape(inputs)[0]
        which = keras.random.randint((count,), 0, len(self.sigmas), seed=self.seed_generator)
        sigma = ops.take(ops.convert_to_tensor(self.sigmas, self.compute_dtype), which)[:, None]
        wide = ops.reshape(sigma, (-1, *[1] * (self.rank - 1)))
        noise = keras.random.normal(ops.shape(inputs), dtype=self.compute_dtype, seed=self.seed_generator)
        noisy = inputs + wide * noise
        found = self.denoiser([noisy, sigma] if len(self.sigmas) > 1 else noisy)
        error = ops.cast(ops.square((found - inputs) / wide), "float32")
        if self.spread is not None:
            error = error * (1 + ops.cast(ops.square(wide / self.spread), "float32"))
        self.add_loss(ops.mean(ops.sum(error, axis=tuple(range(1, self.rank)))))
        return found

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "sigmas": self.sigmas, "spread": self.spread, "seed": self.seed,
                "denoiser": keras.saving.serialize_keras_object(self.denoiser)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("denoiser")), **config)


@keras.saving.register_keras_serializable(package="kexue")
class GeneratorLoss(keras.layers.Layer):
    """x = G(z) + ε, and E[E_q(x) − E_p(x)] for the loss: σ² KL(q̂ ‖ p̂) up to a constant, equation (9).

    Without E_q nothing keeps G from one single x, the highest place of p̂.

    Args:
        generator: model z → G(z).
        energies: [E_q, E_p], or [E_p] alone to see what E_q is for. They should have trainable = False.
        sigma: the standard deviation of ε.
        seed: integer seed of the noise; random when None.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: z, (batch, latent_dim). The output is x.

    Example:
        energy = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        energy.trainable = False
        loss = GeneratorLoss(keras.layers.Dense(2), [energy, energy], sigma=0.1)
        print(loss(np.zeros((4, 3), "float32")).shape)          # (4, 2)

    Reference: 苏剑林, 从去噪自编码器到生成模型, https://kexue.fm/archives/7038
    """

    def __init__(self, generator, energies, sigma, seed=None, **kwargs):
        super().__init__(**kwargs)
        if len(energies) not in (1, 2):
            raise ValueError(f"energies expects [E_q, E_p] or [E_p]. Received: energies={energies!r}")
        self.generator, self.energies, self.sigma, self.seed = generator, list(energies), sigma, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        x = self.generator(inputs)
        x = x + self.sigma * keras.random.normal(ops.shape(x), dtype=x.dtype, seed=self.seed_generator)
        loss = -ops.mean(self.energies[-1](x))
        if len(self.energies) == 2:
            loss = loss + ops.mean(self.energies[0](x))
        self.add_loss(loss)
        return x

    def compute_output_shape(self, input_shape):
        return tuple(self.generator.compute_output_shape(input_shape))

    def get_config(self):
        parts = {"generator": self.generator, "energies": self.energies}
        packed = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), **packed, "sigma": self.sigma, "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        parts = map(keras.saving.deserialize_keras_object, (config.pop("generator"), config.pop("energies")))
        return cls(*parts, **config)


def fit_generator(generator, energy_p, energy_q, sigma, steps, batch_size=256, rates=(2e-3, 5e-4), inner=5,
                  seed=0):
    """The article's three steps in a loop: noisy fakes, E_q on them by (7), G by (9).

    Args:
        generator: model z → x, trained in place.
        energy_p: E_p, trained; it stays as it is.
        energy_q: a model like E_p, trained here; None trains G by E_p alone.
        steps: updates of the generator.
        rates: of E_q and of the generator.
        inner: updates of E_q for one of the generator.
    """
    rng = np.random.default_rng(seed)
    # A model cannot be trained and be fixed at once: the generator sees a copy of E_q, whose values follow.
    energies = [energy for energy in (energy_q, energy_p) if energy is not None]
    fixed = [keras.models.clone_model(energy) for energy in energies]
    for copy, energy in zip(fixed, energies):
        copy.set_weights(energy.get_weights())
        copy.trainable = False
    z = keras.Input(generator.input_shape[1:])
    of_g = keras.Model(z, GeneratorLoss(generator, fixed, sigma, seed)(z))
    of_g.compile(keras.optimizers.Adam(rates[1], beta_1=0.5))
    if energy_q is not None:
        of_q = training_model(EnergyDenoiser(energy_q), generator.output_shape[1:], [sigma], seed=seed)
        of_q.compile(keras.optimizers.Adam(rates[0], beta_1=0.5))

    def codes():
        return rng.standard_normal((batch_size, *generator.input_shape[1:]), "float32")

    for _ in range(steps):
        for _ in range(inner if energy_q is not None else 0):
            of_q.train_on_batch(ops.convert_to_numpy(generator(codes())))
        if energy_q is not None:
            # a copy: JAX gives the values of one training step to the next one
            fixed[0].set_weights([np.array(value) for value in energy_q.get_weights()])
        of_g.train_on_batch(codes())


def training_model(denoiser, shape, sigmas, spread=None, seed=None):
    """A model of clean samples, to compile and fit, that trains a denoiser for these σ."""
    x = keras.Input(shape)
    return keras.Model(x, DenoisingLoss(denoiser, sigmas, spread, seed)(x))


# ------------------------------------------------------------------------------------- demo: two dimensions

SIGMA = 0.2


def moons(count, rng):
    """Two half circles of points, a little apart from a line, with a deviation of .05."""
    angle = rng.uniform(0, np.pi, count)
    upper = rng.random(count) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle)) - 0.5
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle)) - 0.25
    return (1.5 * np.stack([x, y], axis=1) + 0.05 * rng.standard_normal((count, 2))).astype("float32")


def build_perceptron(outputs=1, activation="silu", inputs=2, width=64):
    """E of the plane with one output, or G with two; a constant of E means nothing: it has no last bias."""
    dense = keras.layers.Dense
    return keras.Sequential([keras.Input((inputs,)), dense(width, activation), dense(width, activation),
                             dense(width, activation), dense(outputs, use_bias=outputs > 1)])


def fit_energy(data, activation, steps, seed):
    """E_p by equation (7), trained on the data."""
    energy = build_perceptron(activation=activation)
    model = training_model(EnergyDenoiser(energy), data.shape[1:], [SIGMA], seed=seed)
    rows = np.random.default_rng(seed).integers(len(data), size=(steps * 500))
    rate = keras.optimizers.schedules.CosineDecay(5e-3, steps)
    model.compile(keras.optimizers.Adam(rate), jit_compile=True)
    model.fit(data[rows], batch_size=500, verbose=0)
    return energy


def divergence(fakes, data):
    """KL(q̂ ‖ p̂) in nats: each density from its own points, at other noisy fakes."""
    half = len(fakes) // 2
    at, centres = fakes[:half], fakes[half:]
    at = at + SIGMA * np.random.default_rng(0).standard_normal(at.shape)
    return (log_density(at, centres, SIGMA) - log_density(at, data, SIGMA)).mean()


def plane(seed, smoke):
    """What holds exactly, and how near networks come to it: (numbers, what is drawn)."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    data = moons(1000, rng)
    noisy = data + SIGMA * rng.standard_normal(data.shape).astype("float32")
    exact = posterior_mean(noisy.astype("float64"), data.astype("float64"), SIGMA)
    metrics, energies, fakes = {}, {}, {}
    for name in ("silu", "relu"):
        energies[name] = fit_energy(data, name, 40 if smoke else 3000, seed)
        found = ops.convert_to_numpy(EnergyDenoiser(energies[name])(noisy))
        error = np.square(found - exact).sum() / np.square(exact - noisy).sum()
        metrics[f"error of grad E by that of 0, {name}"] = error
    log_p = ops.convert_to_numpy(energies["silu"](noisy))[:, 0] / SIGMA ** 2
    metrics["deviation of E_p/σ² − log p̂, nats"] = (log_p - log_density(noisy, data, SIGMA)).std()
    codes = rng.standard_normal((4000, 2), "float32")
    for name, energy_q in (("E_q − E_p", energies["silu"]), ("−E_p alone", None)):
        generator = build_perceptron(2)
        energy_q = energy_q and keras.models.clone_model(energy_q)
        fit_generator(generator, energies["silu"], energy_q, SIGMA, 10 if smoke else 1000, seed=seed)
        fakes[name] = ops.convert_to_numpy(generator(codes))
        metrics[f"KL(q̂ ‖ p̂), {name}"] = divergence(fakes[name], data)
        metrics[f"deviation of G(z), {name}"] = fakes[name].std(axis=0).mean()
    metrics["KL(q̂ ‖ p̂), fresh data"] = divergence(moons(4000, rng), data)
    metrics["deviation of the data"] = data.std(axis=0).mean()
    return metrics, (data, energies["silu"], fakes)


def draw_plane(run, data, energy, fakes):
    """r(x) − x exactly and by ∇E; the energy; what both generators make."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    axis = np.linspace(-2.4, 2.4, 17, dtype="float32")
    grid = np.stack(np.meshgrid(axis, axis * 0.7), axis=-1).reshape(-1, 2)
    arrows = {"exact, (3)": posterior_mean(grid, data, SIGMA) - grid,
              "∇E_p, (7)": ops.convert_to_numpy(EnergyDenoiser(energy)(grid)) - grid}
    left.plot(*data.T, ".", markersize=1, color="0.7")
    for (name, arrow), colour in zip(arrows.items(), ("C0", "C1")):
        left.quiver(*grid.T, *arrow.T, angles="xy", scale_units="xy", scale=2, color=colour, width=0.004,
                    label=name)
    left.legend(fontsize=7)
    left.set_title("r(x) − x, half as long")
    axis = np.linspace(-2.4, 2.4, 80, dtype="float32")
    fine = np.stack(np.meshgrid(axis, axis * 0.7), axis=-1).reshape(-1, 2)
    values = ops.convert_to_numpy(energy(fine))[:, 0] / SIGMA ** 2, log_density(fine, data, SIGMA)
    for value, colour, style in zip(values, ("C1", "C0"), ("solid", "dashed")):
        value = (value - value.max()).reshape(80, 80)
        middle.contour(axis, axis * 0.7, value, levels=[-8, -4, -2, -1, -0.3], colors=colour,
                       linestyles=style, linewidths=0.8)
    middle.set_title("E_p/σ² (solid), log p̂ (dashed)")
    right.plot(*data.T, ".", markersize=1, color="0.7")
    for (name, points), colour, size in zip(fakes.items(), ("C1", "black"), (2, 6)):
        right.plot(*points[:600].T, ".", markersize=size, color=colour, label=name)
    right.legend(fontsize=7)
    right.set_title("G(z) after training by")
    for axes in (left, middle, right):
        axes.set(xlim=(-2.4, 2.4), ylim=(-1.7, 1.7))
    run.draw(figure, colours=24)


# ------------------------------------------------------------------------------------------- demo: digits

SIGMAS = np.geomspace(5, 0.1, 10)
SPREAD = 0.55                                         # the deviation of MNIST's pixels in these units


def as_numbers(images):
    """uint8 images (n, 28, 28) → pixels (n, 32, 32, 1) with a black edge, whose mean is about 0."""
    pixels = np.pad(images, [(0, 0), (2, 2), (2, 2)])[..., None].astype("float32") / 255
    return 2 * (pixels - 0.1)


def as_images(x):
    """The way back: uint8 images (n, 32, 32, 1)."""
    return ((x / 2 + 0.1).clip(0, 1) * 255).round().astype("uint8")


def residual(h, width, sees):
    """Two convolutions beside a short cut, with what is known of σ between them."""
    layers = keras.layers
    short = h if h.shape[-1] == width else layers.Conv2D(width, 1)(h)
    h = layers.Conv2D(width, 3, padding="same")(layers.Activation("silu")(h))
    h = h + layers.Dense(width)(sees)[:, None, None, :]
    return short + layers.Conv2D(width, 3, padding="same")(layers.Activation("silu")(h))


def build_denoiser(width=16, spread=SPREAD):
    """r(x, σ) = ax + bF(x, σ) for all σ: F is a U-Net of three sizes, 16, 8 and 4 pixels.

    a = s²/(s² + σ²) and b = sσ/√(s² + σ²): with F = 0 this is the best r for pixels N(0, s²), and F has to
    give numbers of one size for each σ (Karras et al., https://arxiv.org/abs/2206.00364).
    """
    layers = keras.layers
    x, sigma = keras.Input((32, 32, 1)), keras.Input((1,))
    total = ops.sqrt(spread ** 2 + sigma ** 2)[:, None, None, :]
    sees = layers.Dense(4 * width, "silu")(layers.Dense(4 * width, "silu")(ops.log(sigma)))
    fine = residual(layers.Conv2D(width, 4, strides=2, padding="same")(x / total), width, sees)
    middle = residual(layers.AveragePooling2D(2)(fine), 2 * width, sees)
    h = residual(layers.AveragePooling2D(2)(middle), 4 * width, sees)
    h = middle + layers.UpSampling2D()(layers.Conv2D(2 * width, 1)(h))
    h = residual(h, 2 * width, sees)
    h = fine + layers.UpSampling2D()(layers.Conv2D(width, 1)(h))
    h = layers.Activation("silu")(residual(h, width, sees))
    h = layers.Conv2DTranspose(1, 4, strides=2, padding="same", kernel_initializer="zeros")(h)
    return keras.Model([x, sigma], x * (spread / total) ** 2 + h * spread * sigma[:, None, None, :] / total)


def denoiser_of(model, size=500):
    """The function (x, σ) → r(x, σ) of arrays."""
    def denoise(x, sigma):
        parts = [x[i:i + size] for i in range(0, len(x), size)]
        return np.concatenate([model.predict_on_batch([part, np.full((len(part), 1), sigma, "float32")])
                               for part in parts])

    return denoise


def flat(x):
    return x.reshape(len(x), -1)


def exact_denoiser(data):
    """The same function for the data set itself, equation (3)."""
    def denoise(x, sigma):
        parts = np.array_split(flat(x), -(-len(x) // 250))
        found = [posterior_mean(part, flat(data), sigma).astype("float32") for part in parts]
        return np.concatenate(found).reshape(x.shape)

    return denoise


def nearest(x, data):
    """The distance of each image from the nearest one of the data, pixels in [0, 1]."""
    squares = [-2 * log_terms(part, flat(data), 1.0).max(axis=1) for part in np.array_split(flat(x), 4)]
    return np.sqrt(np.concatenate(squares)) / 2


def errors(denoisers, x, seed):
    """‖r(x + ε) − x‖²/d of images for some σ: rows of a table, in units of σ²."""
    rng = np.random.default_rng(seed)
    rows = []
    for sigma in SIGMAS[::3]:
        noisy = x + sigma * rng.standard_normal(x.shape, "float32")
        rows.append([float(sigma)] + [float(np.square(denoise(noisy, sigma) - x).mean() / sigma ** 2)
                                      for denoise in denoisers])
    return rows


def fit_denoiser(x, config):
    """r(x, σ) after training, its weights averaged."""
    keras.utils.set_random_seed(config.seed)
    denoiser = build_denoiser(config.width)
    model = training_model(denoiser, x.shape[1:], SIGMAS, SPREAD, config.seed)
    steps = config.epochs * -(-len(x) // config.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    adam = keras.optimizers.Adam(rate, use_ema=True, ema_momentum=min(0.999, steps / (steps + 5)))
    model.compile(adam, jit_compile=False)            # convolutions are faster so on a CPU
    model.fit(x, batch_size=config.batch_size, epochs=config.epochs, verbose=2)
    return denoiser


def sample(denoise, count, steps, seed):
    """The images of the sheets: what each way makes of the same noise, name → (count, 32, 32, 1)."""
    begin = SIGMAS[0] * np.random.default_rng(seed).standard_normal((count, 32, 32, 1), "float32")
    last = SIGMAS[-1]
    chain = langevin(denoise, begin, SIGMAS, steps, seed=seed + 1)
    few = begin[:max(64, count // 10)]
    one = langevin(denoise, few, [last], steps * len(SIGMAS), seed=seed + 1)
    return {"chain of ten σ, noisy": chain, "chain of ten σ, after the jump": denoise(chain, last),
            "chain of one σ, after the jump": denoise(one, last)}


def distances(found, images, name):
    """Fréchet distances from training images in the features of gan/; none where those are for other
    images."""
    from common.harness.frechet import features_and_classes, frechet_distance
    from common.harness.models import load_model
    from common.harness.writing import ROOT

    if name not in ("mnist", "digits"):
        return {}
    extractor = load_model(ROOT / "gan/weights/features-mnist-32.keras")
    real, _ = features_and_classes(extractor, as_images(images[:10_000]))
    features = {key: features_and_classes(extractor, as_images(x))[0] for key, x in found.items()}
    return {key: frechet_distance(part, real) for key, part in features.items()}


def draw_sheets(run, found):
    """The first images of each way beside each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.8), layout="constrained")
    for axes, (name, x) in zip(figure.subplots(1, len(found)), found.items()):
        sheet = as_images(x[:25]).reshape(5, 5, 32, 32).swapaxes(1, 2).reshape(160, 160)
        axes.imshow(sheet, cmap="gray")
        axes.set_title(name, fontsize=8)
        axes.axis("off")
    run.draw(figure, colours=6, name="sheets.png")


def digits(config, run, images):
    """One network for ten σ, its samples, and what they are worth: (metrics, rows of the table)."""
    x, x_test = as_numbers(images.x_train), as_numbers(images.x_test)
    denoise = denoiser_of(fit_denoiser(x, config))
    exact = exact_denoiser(x)
    few = 20 if config.smoke else 500
    metrics, rows = {}, []
    for sigma, *both in errors([denoise, exact], x_test[:few], config.seed):
        metrics |= {f"error at σ {sigma:.3g} by σ², {name}": value
                    for name, value in zip(("network", "exact for the training set"), both)}
    found = sample(denoise, config.samples, config.steps, config.seed)
    draw_sheets(run, found)
    found["test images"] = x_test[:config.samples]
    worth = distances(found, x, images.name)
    begin = SIGMAS[0] * np.random.default_rng(1).standard_normal((16, 32, 32, 1), "float32")
    chain = langevin(exact, begin, SIGMAS, config.steps, seed=2)
    found["ten σ, exact for the training set"] = exact(chain, SIGMAS[-1])
    for name, part in found.items():
        apart = float(np.median(nearest(part[:few], x)))
        rows.append([name, len(part), worth.get(name), apart])
        metrics[f"median distance from the nearest, {name}"] = apart
    return metrics | {f"Fréchet distance, {name}": value for name, value in worth.items()}, rows


def demo(config):
    """The plane, then the digits; with --table more seeds and samples."""
    import dataclasses

    from common.harness import datasets, further

    images = datasets.load_images(config.data or ("digits" if config.smoke else ""))
    if config.smoke:
        images = images.first(128)
        config = dataclasses.replace(config, epochs=1, samples=64, steps=1)
    elif config.table:
        config = dataclasses.replace(config, samples=max(config.samples, 10_000))
    run = further.start(config, "denoising")
    seeds = range(config.seed, config.seed + (3 if config.table else 1))
    runs = [plane(seed, config.smoke) for seed in seeds]
    draw_plane(run, *runs[0][1])
    values = dict(zip(runs[0][0], np.array([list(found.values()) for found, _ in runs]).T))
    rows = [[name, further.mean_and_deviation(of_seeds)] for name, of_seeds in values.items()]
    run.table(["in the plane", "value"], rows)
    metrics = {name: of_seeds.mean() for name, of_seeds in values.items()}
    of_digits, rows = digits(config, run, images)
    run.table(["digits", "samples", "Fréchet distance", "median distance from the nearest"], rows)
    run.finish(images.describe(), metrics | of_digits)


def main():
    """The demo, python more/denoising.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(
        demo, __doc__,
        epochs=(8, cli.Between(1, 10_000), "Passes over the training images."),
        batch_size=(128, cli.Between(1, 10_000), "Images in one step of the optimizer."),
        learning_rate=(2e-3, cli.Between(above=0, most=1), "Adam's learning rate at first; it falls to 0."),
        width=(16, cli.Between(1, 1024), "Channels of the U-Net at 16 × 16 pixels; there are more below."),
        samples=(1000, cli.Between(64, 100_000), "Images that are drawn from the network."),
        steps=(10, cli.Between(1, 1000), "Steps of Langevin's equation at each of the ten σ."))


if __name__ == "__main__":
    main()
