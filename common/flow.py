"""Normalizing flows: invertible layers with their log-determinants, and a Flow that chains them.

Copy this file into any Keras 3 project; it needs keras and numpy alone.

    z, log_det = layer(x)                   z = f(x), log |det ∂z/∂x|
    x, log_det = layer(z, inverse=True)     x = f⁻¹(z), log |det ∂x/∂z|

Every layer is such a pair, forward and inverse, written side by side.

Article: 苏剑林, 细水长flow之NICE, https://kexue.fm/archives/5776
"""
# kexue-keras common/flow.py, version 1.1 (2026-11-28), Apache-2.0; changes: CHANGELOG.md

import math

import keras
import numpy as np
from keras import ops


class Bijection(keras.layers.Layer):
    """Base of the layers below: a subclass has `forward` and `inverse`.

    Each of the two maps (batch, dim) to the changed tensor, (batch, dim), and the log-determinant,
    (batch,). Images are flattened first; see Flow.

    The flow itself runs in the precision of its input, float32 at least, whatever the dtype policy:
    only the networks inside couplings follow the policy, so a coupling stays invertible when its
    network computes in bfloat16.

    Raises:
        ValueError: inputs that are not (batch, dim), or of another dim than the layer was built for.

    Example:
        class Shift(Bijection):
            def forward(self, x):
                return x + 1, ops.zeros_like(x[:, 0])

            def inverse(self, z):
                return z - 1, ops.zeros_like(z[:, 0])

        print(Flow([Shift(), Scale()]).log_prob(np.zeros((1, 2), "float32")))

    Reference: 苏剑林, 细水长flow之NICE, https://kexue.fm/archives/5776
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs, autocast=False)

    def __init_subclass__(cls, **options):
        """`run_forward` is the method `forward` that a class has or inherits.

        Keras layers on PyTorch are modules, and a module's call is a method `forward` of its own.
        There, a class's `forward` is wrapped so that both are found.
        """
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.run_forward = cls.forward
            if keras.backend.backend() == "torch":
                cls.forward = _beside_the_modules(cls.forward)

    def call(self, x, inverse=False):
        self.check(x.shape)
        x = ops.cast(x, _precision(x))
        return self.inverse(x) if inverse else self.run_forward(x)

    def run_forward(self, x):
        raise NotImplementedError(f"{type(self).__name__} expects a method forward(self, x)")

    def inverse(self, z):
        raise NotImplementedError(f"{type(self).__name__} expects a method inverse(self, z)")

    def build(self, input_shape):
        self.check(input_shape)
        if input_shape[-1] is None:
            raise ValueError(f"{self.name} expects inputs of shape (batch, dim) with a known dim. "
                             f"Received: shape={tuple(input_shape)}")
        self.dim = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: self.dim})

    def check(self, shape):
        """Raises ValueError unless this is (batch, dim), with the layer's dim if that is known."""
        dim = getattr(self, "dim", None)
        right = len(shape) == 2 and (dim is None or shape[1] in (dim, None))
        if not right:
            expected = "" if dim is None else f" with dim={dim}"
            raise ValueError(f"{self.name} expects inputs of shape (batch, dim){expected}; images go through "
                             "keras.layers.Flatten first, and samples are reshaped after. "
                             f"Received: shape={tuple(shape)}")

    def compute_output_shape(self, input_shape):
        self.check(input_shape)
        return tuple(input_shape), (input_shape[0],)

    def compute_output_spec(self, x, inverse=False):
        changed, log_det = self.compute_output_shape(x.shape)
        dtype = _precision(x)
        return keras.KerasTensor(changed, dtype), keras.KerasTensor(log_det, dtype)


def _beside_the_modules(forward):
    """For PyTorch: what a module's call runs, if it is the layer's; else, as super().forward(x), the
    given method."""
    def run(self, *args, **kwargs):
        if type(self).forward is run:
            return keras.layers.Layer.forward(self, *args, **kwargs)
        return forward(self, *args, **kwargs)

    return run


@keras.saving.register_keras_serializable(package="kexue")
class AdditiveCoupling(Bijection):
    """Changes one part of x by a function of the other: it preserves volumes and is invertible,
    whatever the function.

        forward  h₁ = x₁,  h₂ = x₂ − m(x₁)        equation (9) of the article
        inverse  x₁ = h₁,  x₂ = h₂ + m(h₁)        equation (7)

    The encoder subtracts so that the generator adds: where m ends in a relu, the generator can then
    only brighten pixels. The determinant of the triangular Jacobian (8) is 1.

    Symbols: m = network.

    Args:
        network: layer or model that maps the part which stays to numbers for the part which changes,
            (batch, dim/2) → (batch, dim/2). Where dim is odd, x₁ has one number more than x₂: of 5
            the network maps 3 to 2 and, with swap, 2 to 3. It keeps its own dtype policy.
        split: "interleaved": x₁ = x₀ x₂ x₄ …, x₂ = x₁ x₃ x₅ …; "half": the first and the second half.
        swap: change x₁ by a function of x₂ instead.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, dim), dim at least 2. Where it is odd, alternate swap from coupling to
            coupling: Reverse between them does not do it, as its docstring says.
        inverse: whether to run backwards.

    Output:
        a tuple of the changed tensor (batch, dim) and the log-determinant (batch,).

    Raises:
        ValueError: dim is below 2 or the input not of rank 2, the network's output has another size,
            or split is unknown.

    Precision: float32 at least. The inverse repeats the same m of the same input, so it is exact up
        to the rounding of one addition, in bfloat16 networks too.

    Example:
        coupling = AdditiveCoupling(keras.layers.Dense(2))
        z, log_det = coupling(np.array([[1.0, 2.0, 3.0, 4.0]]))
        x, _ = coupling(z, inverse=True)
        print(x)    # 1 2 3 4 again

    Reference: 苏剑林, 细水长flow之NICE, https://kexue.fm/archives/5776;
        Dinh et al., NICE, https://arxiv.org/abs/1410.8516
    """

    outputs_for_each = 1    # numbers that the network gives for each element it changes

    def __init__(self, network, split="interleaved", swap=False, **kwargs):
        super().__init__(**kwargs)
        if split not in ("interleaved", "half"):
            raise ValueError(f'split expects "interleaved" or "half". Received: split={split!r}')
        if not isinstance(network, keras.layers.Layer):
            raise ValueError(f"network expects a layer or a model. Received: network={network!r}")
        self.network, self.split, self.swap = network, split, swap

    def forward(self, x):
        x1, x2 = self.parts(x)
        return self.merge(x1, x2 - self.m(x1)), ops.zeros_like(x[:, 0])

    def inverse(self, z):
        h1, h2 = self.parts(z)
        return self.merge(h1, h2 + self.m(h1)), ops.zeros_like(z[:, 0])

    def m(self, x1):
        """The network's output in the precision of the flow."""
        return ops.cast(self.network(x1), x1.dtype)

    def parts(self, x):
        """x → the part that stays, the part that changes."""
        if self.split == "interleaved":
            x1, x2 = x[:, ::2], x[:, 1::2]
        else:
            first, _ = self.sizes()
            x1, x2 = x[:, :first], x[:, first:]
        return (x2, x1) if self.swap else (x1, x2)

    def sizes(self):
        """How many numbers x₁ and x₂ have."""
        return self.dim - self.dim // 2, self.dim // 2

    def merge(self, stays, changes):
        """What parts took apart."""
        x1, x2 = (changes, stays) if self.swap else (stays, changes)
        if self.split == "half":
            return ops.concatenate([x1, x2], axis=-1)
        _, pairs = self.sizes()
        merged = ops.reshape(ops.stack([x1[:, :pairs], x2], axis=-1), (-1, 2 * pairs))
        return ops.concatenate([merged, x1[:, pairs:]], axis=-1) if self.dim % 2 else merged

    def build(self, input_shape):
        super().build(input_shape)
        if self.dim < 2:
            raise ValueError(f"{self.name} splits its input into two parts and expects two dimensions or "
                             f"more. Received: shape={tuple(input_shape)}")
        stays, changes = reversed(self.sizes()) if self.swap else self.sizes()
        if not self.network.built:
            self.network.build((None, stays))
        expected = (None, self.outputs_for_each * changes)
        maps = f"{self.name} expects a network that maps {stays} to {expected[1]} numbers"
        try:
            found = self.network(keras.KerasTensor((None, stays), self.network.compute_dtype)).shape
        except ValueError as error:
            raise ValueError(f"{maps}. Received: network={self.network}, which says: {error}") from error
        if tuple(found) != expected:
            raise ValueError(f"{maps}. Received: a network with outputs of shape={tuple(found)}")

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "split": self.split,
            "swap": self.swap,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "network": _revive(config["network"])})


@keras.saving.register_keras_serializable(package="kexue")
class AffineCoupling(AdditiveCoupling):
    """Scales and shifts one part of x by functions of the other: the coupling of RealNVP.

        forward  h₁ = x₁,  h₂ = (x₂ − t) e⁻ˢ      log-determinant −Σ s
        inverse  x₁ = h₁,  x₂ = h₂ eˢ + t         log-determinant  Σ s

    where [ŝ, t] = network(x₁) and s = ŝ / (1 + |ŝ| / b): scales stay between e⁻ᵇ and eᵇ, so no step
    of training explodes.

    Symbols: b = bound.

    Args:
        network: layer or model that maps (batch, dim/2) → (batch, dim): first ŝ, then t. Where dim is
            odd, of 5 it maps 3 to 4 numbers and, with swap, 2 to 6.
        split, swap: as for AdditiveCoupling.
        bound: b, the largest |s|.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments, Output, Raises, Precision: as for AdditiveCoupling.

    Example:
        coupling = AffineCoupling(keras.layers.Dense(4), split="half")
        z, log_det = coupling(np.ones((3, 4), "float32"))
        x, minus_log_det = coupling(z, inverse=True)
        print(log_det + minus_log_det)    # 0 0 0

    Reference: 苏剑林, RealNVP与Glow, https://kexue.fm/archives/5807;
        Dinh et al., Density estimation using Real NVP, https://arxiv.org/abs/1605.08803
    """

    outputs_for_each = 2

    def __init__(self, network, split="interleaved", swap=False, bound=2.0, **kwargs):
        super().__init__(network, split, swap, **kwargs)
        if not bound > 0:
            raise ValueError(f"bound expects a number above 0. Received: bound={bound!r}")
        self.bound = bound

    def forward(self, x):
        x1, x2 = self.parts(x)
        s, t = self.scale_and_shift(x1)
        return self.merge(x1, (x2 - t) * ops.exp(-s)), -ops.sum(s, axis=-1)

    def inverse(self, z):
        h1, h2 = self.parts(z)
        s, t = self.scale_and_shift(h1)
        return self.merge(h1, h2 * ops.exp(s) + t), ops.sum(s, axis=-1)

    def scale_and_shift(self, x1):
        s, t = ops.split(self.m(x1), 2, axis=-1)
        return self.bound * s / (self.bound + ops.abs(s)), t

    def get_config(self):
        return {**super().get_config(), "bound": self.bound}


@keras.saving.register_keras_serializable(package="kexue")
class Reverse(Bijection):
    """Reverses the order of the dimensions, so that the next coupling changes what this one left.

    Section 交错中前进, equation (13). That holds where dim is even. Where it is odd, what stood in an
    even place does so again, and the number in the middle stays there, so couplings with Reverse
    between them leave x₁, or that number, unchanged for ever: alternate `swap` instead.

    Call arguments:
        inputs: (batch, dim).
        inverse: makes no difference.

    Output:
        a tuple of the reversed tensor (batch, dim) and a log-determinant of zeros (batch,).

    Example:
        z, log_det = Reverse()(np.array([[1.0, 2.0, 3.0]]))    # 3 2 1

    Reference: 苏剑林, 细水长flow之NICE, https://kexue.fm/archives/5776
    """

    def forward(self, x):
        return ops.flip(x, axis=-1), ops.zeros_like(x[:, 0])

    def inverse(self, z):
        return self.forward(z)


@keras.saving.register_keras_serializable(package="kexue")
class Permutation(Bijection):
    """Shuffles the dimensions in a random order, which is fixed when the layer is built and saved with
    its weights.

    Args:
        seed: integer seed of the order; random when None.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, dim).
        inverse: whether to put the dimensions back.

    Output:
        a tuple of the shuffled tensor (batch, dim) and a log-determinant of zeros (batch,).

    Example:
        z, log_det = Permutation(seed=0)(np.array([[1.0, 2.0, 3.0]]))

    Reference: 苏剑林, RealNVP与Glow, https://kexue.fm/archives/5807
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    def forward(self, x):
        return ops.take(x, self.order, axis=-1), ops.zeros_like(x[:, 0])

    def inverse(self, z):
        return ops.take(z, ops.argsort(self.order), axis=-1), ops.zeros_like(z[:, 0])

    def build(self, input_shape):
        super().build(input_shape)
        order = np.random.default_rng(self.seed).permutation(self.dim)

        def initializer(shape, dtype):
            return ops.convert_to_tensor(order, dtype)

        self.order = self.add_weight(name="order", shape=(self.dim,), initializer=initializer,
                                     dtype="int32", trainable=False, autocast=False)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="kexue")
class Scale(Bijection):
    """Scales each dimension by a trainable number.

        z = s ⊗ h,  s > 0,  log-determinant Σ log s               equations (14) and (15)

    1/s is the standard deviation that the prior has in that dimension, equation (17): a dimension
    with large s carries nothing. The weight is log s, so that s stays positive.

    Symbols: log s = log_scale.

    Args:
        initializer: initializer of log s.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, dim).
        inverse: whether to divide by s.

    Output:
        a tuple of the scaled tensor (batch, dim) and the log-determinant (batch,).

    Example:
        scale = Scale(initializer="ones")
        z, log_det = scale(np.ones((2, 3), "float32"))    # e, and 3

    Reference: 苏剑林, 细水长flow之NICE, https://kexue.fm/archives/5776
    """

    def __init__(self, initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)

    def forward(self, x):
        log_s = ops.cast(self.log_scale, x.dtype)
        return x * ops.exp(log_s), ops.sum(log_s) + ops.zeros_like(x[:, 0])

    def inverse(self, z):
        log_s = ops.cast(self.log_scale, z.dtype)
        return z * ops.exp(-log_s), -ops.sum(log_s) + ops.zeros_like(z[:, 0])

    def build(self, input_shape):
        super().build(input_shape)
        dtype = "float64" if self.variable_dtype == "float64" else "float32"
        self.log_scale = self.add_weight(name="log_scale", shape=(self.dim,), dtype=dtype,
                                         initializer=self.initializer, autocast=False)

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "initializer": initializer}


@keras.saving.register_keras_serializable(package="kexue")
class Flow(Bijection):
    """A chain of invertible layers with a prior on its end: an exact density.

        log q(x) = log q(z) + log |det ∂z/∂x|,   z = f(x) = fₙ(… f₂(f₁(x)))        equation (6)

    Flow is itself such a layer, so flows nest. As a layer of a functional model it gives z and the
    log-determinant; the methods give the rest.

    Images go through it flattened, as in the article: flow(keras.layers.Flatten()(images)). That moves
    numbers and no volume, so log q is that of the image; samples are reshaped. A coupling's network may
    reshape its half to convolve it.

    Args:
        layers: list of Bijections, in the direction from x to z. A layer may stand in it twice, and
            couplings may have one network in common: they still do after loading.
        prior: "gaussian": independent N(0, 1); "logistic": independent logistic variables, as in
            the paper.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, dim).
        inverse: whether to run from z to x.

    Output:
        a tuple of z (batch, dim) and log |det ∂z/∂x| (batch,), in nats; with inverse=True of x and
        log |det ∂x/∂z|.

    Raises:
        ValueError: layers is empty or holds something else, prior is unknown, a layer cannot take
            the shape, or networks of couplings have only a part of their layers in common.

    Precision: float32 at least, float64 where the input and the dtype policy are float64.

    Example:
        x = keras.Input((2,))
        flow = Flow([AffineCoupling(keras.layers.Dense(2)), Reverse(), Scale()])
        z, log_det = flow(x)
        model = keras.Model(x, gaussian_log_prob(z) + log_det)      # log q(x)
        model.compile("adam", lambda _, log_q: -log_q)
        samples = flow.sample(10, temperature=0.75, seed=0)

    Reference: 苏剑林, 细水长flow之NICE, https://kexue.fm/archives/5776
    """

    def __init__(self, layers, prior="gaussian", **kwargs):
        super().__init__(**kwargs)
        if prior not in PRIORS:
            raise ValueError(f"prior expects one of {', '.join(PRIORS)}. Received: prior={prior!r}")
        if not layers or not all(isinstance(layer, Bijection) for layer in layers):
            raise ValueError("Flow expects a list of layers that are Bijections, at least one. "
                             f"Received: layers={layers}")
        self.layers, self.prior = list(layers), prior

    def forward(self, x):
        log_det = 0.0
        for layer in self.layers:
            x, part = layer(x)
            log_det += part
        return x, log_det

    def inverse(self, z):
        log_det = 0.0
        for layer in reversed(self.layers):
            z, part = layer(z, inverse=True)
            log_det += part
        return z, log_det

    def log_prob(self, x):
        """log q(x) in nats, (batch,), equation (6); x is (batch, dim)."""
        z, log_det = self(x)
        prior_log_prob, _ = PRIORS[self.prior]
        return prior_log_prob(z) + log_det

    def sample(self, n, temperature=1.0, seed=None):
        """n draws x = f⁻¹(z) with z from the prior times temperature (退火参数), (n, dim).

        Raises:
            ValueError: the flow has not seen data yet, so it does not know its dimension.
        """
        if not self.built:
            raise ValueError(f"{self.name}.sample expects a flow that was built: call it on data once, "
                             "or load it.")
        _, prior_sample = PRIORS[self.prior]
        x, _ = self(prior_sample((n, self.dim), seed) * temperature, inverse=True)
        return x

    def build(self, input_shape):
        super().build(input_shape)
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
            layer.check(input_shape)
        _refuse_shared_parts(self)

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        config = {**super().get_config(), "prior": self.prior, "layers": layers}
        found = {}
        for part, entry in _parts(self, config):
            found.setdefault(id(part), []).append(entry)
        shared = [entries for entries in found.values() if len(entries) > 1]
        for number, entries in enumerate(shared):
            for entry in entries:
                entry[SHARED] = number
        return config

    @classmethod
    def from_config(cls, config):
        layers = [_revive(entry) for entry in _with_places(config["layers"], {})]
        return cls(**{**config, "layers": layers})


# Keras' saving makes two objects of one that several layers hold. A flow therefore numbers the configs of
# what it holds more than once, under this key.
SHARED = "kexue_shared"


def _parts(flow, config):
    """The layers and networks of a flow, and of flows inside it, each with its config."""
    for layer, entry in zip(flow.layers, config["layers"]):
        yield layer, entry
        if isinstance(layer, Flow):
            yield from _parts(layer, entry["config"])
        elif isinstance(layer, AdditiveCoupling):
            yield layer.network, entry["config"]["network"]


def _with_places(config, places):
    """A copy of the config in which a list, the same for each number, stands where the number stood:
    the object comes into it."""
    if isinstance(config, (list, tuple)):
        return [_with_places(part, places) for part in config]
    if not isinstance(config, dict):
        return config
    copy = {key: _with_places(value, places) for key, value in config.items() if key != SHARED}
    if SHARED in config:
        place = config[SHARED]           # a list already, in a flow inside a flow
        copy[SHARED] = place if isinstance(place, list) else places.setdefault(place, [])
    return copy


def _revive(entry):
    """The object of a config, made once for all configs that have a place for it in common."""
    place = entry.get(SHARED)
    if not isinstance(place, list):
        return keras.saving.deserialize_keras_object(entry)
    if not place:
        place.append(keras.saving.deserialize_keras_object(entry))
    return place[0]


def _networks(flow):
    """The networks of the couplings of a flow and of flows inside it."""
    for layer in flow.layers:
        if isinstance(layer, Flow):
            yield from _networks(layer)
        elif isinstance(layer, AdditiveCoupling):
            yield layer.network


def _refuse_shared_parts(flow):
    """Raises ValueError where two networks of a flow have weights in common and are not one object:
    they could be saved, not loaded."""
    owners = {}
    for network in _networks(flow):
        for weight in network.weights:
            if owners.setdefault(id(weight), network) is not network:
                raise ValueError(f"{flow.name} expects couplings with networks of their own, or with the "
                                 f"same network as a whole. Received: network={network}, which shares "
                                 f"{weight.path} with another")


def gaussian_log_prob(z):
    """log N(z; 0, I) in nats, equation (4): (batch, dim) → (batch,)."""
    return -0.5 * ops.sum(ops.square(z), axis=-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)


def logistic_log_prob(z):
    """log of Π 1/((1 + e^z)(1 + e^−z)) in nats: (batch, dim) → (batch,)."""
    return -ops.sum(ops.softplus(z) + ops.softplus(-z), axis=-1)


def _gaussian_sample(shape, seed):
    return keras.random.normal(shape, dtype="float32", seed=seed)


def _logistic_sample(shape, seed):
    u = keras.random.uniform(shape, 1e-7, 1, dtype="float32", seed=seed)
    return ops.log(u) - ops.log1p(-ops.minimum(u, 1 - 6e-8))


PRIORS = {       # name: (log-density, sampler)
    "gaussian": (gaussian_log_prob, _gaussian_sample),
    "logistic": (logistic_log_prob, _logistic_sample),
}


def _precision(x):
    """float64 for float64 tensors, float32 for all others."""
    return "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"
