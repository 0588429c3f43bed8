"""A trained VAE as something that encodes images and decodes codes.

Works with any model of vae/train.py, since all of them name their parts alike: layers "mean", "log_var" and
"decoder"; "prior_mean" in the conditional model, "classifier" and "clusters" in the clustering one.
"""

import keras
import numpy as np

from common.harness.images import Pictures
from common.harness.models import load_model, not_from
from common.latent import ClusterPrior, GaussianSampling  # noqa: F401 (layers that the models hold)


class Autoencoder:
    """x → μ, log σ² of p(z|x), and z → pixels.

    Args:
        model: what one of the builders in vae/train.py returns, trained or not.
    """

    def __init__(self, model):
        self.model = model
        self.decoder = model.get_layer("decoder")

    @classmethod
    def load(cls, path):
        """The VAE in a run folder or a .keras file; anything else is an InputError."""
        model = load_model(path)
        if not all(has(model, name) for name in ("mean", "log_var", "decoder")):
            raise not_from("vae/train.py", path, model)
        return cls(model)

    @property
    def latent_dim(self):
        return self.model.get_layer("mean").units

    @property
    def centers(self):
        """μ_y of each cluster or μ^Y of each class, (n, latent_dim); None where the prior is N(0, I)."""
        if has(self.model, "clusters"):
            return keras.ops.convert_to_numpy(self.model.get_layer("clusters").means)
        if has(self.model, "prior_mean"):
            kernel, bias = self.model.get_layer("prior_mean").get_weights()
            return kernel + bias             # the layer's outputs for the one-hot vectors
        return None

    def inputs(self, images, labels=None):
        """uint8 images and labels as the model takes them.

        Pixels are in [0, 1]; the conditional model takes one-hot labels, too.
        """
        x, *y = self.model.inputs

        def scaled(images):
            return images.reshape(-1, *x.shape[1:]).astype("float32") / 255

        pixels = images.map(scaled) if isinstance(images, Pictures) else scaled(images)
        if y:
            return [pixels, keras.utils.to_categorical(labels, y[0].shape[-1])]
        return pixels

    def encoder(self):
        """x → mean, log_var and, for the conditional model, prior_mean, as a model."""
        names = ["mean", "log_var", "prior_mean"]
        outputs = [self.model.get_layer(name).output for name in names if has(self.model, name)]
        return keras.Model(self.model.inputs, outputs)

    def encode(self, x):
        """The means μ of p(z|x): what a scatter plot shows, without the noise of a sample."""
        mean = keras.Model(self.model.inputs, self.model.get_layer("mean").output)
        return mean.predict(x, batch_size=500, verbose=0)

    def decode(self, codes):
        """Codes z → pixel values in [0, 1], (n, height, width)."""
        logits = self.decoder.predict(np.asarray(codes, "float32"), batch_size=500, verbose=0)
        size = round(logits[0].size ** 0.5)
        return 1 / (1 + np.exp(-logits.reshape(-1, size, size).astype("float64")))

    def clusters_of(self, x):
        """argmax p(y|z) at z = μ, an int array."""
        classifier = self.model.get_layer("classifier")
        return classifier.predict(self.encode(x), batch_size=500, verbose=0).argmax(axis=-1)

    def sample_codes(self, count, seed=0):
        """Codes z from the prior: count × count draws of N(0, I), or `count` of each cluster's N(μ_y, I)."""
        rng = np.random.default_rng(seed)
        centers = self.centers
        if centers is None:
            return rng.normal(size=(count ** 2, self.latent_dim))
        return np.repeat(centers, count, axis=0) + rng.normal(size=(len(centers) * count, centers.shape[1]))


def has(model, name):
    """Whether the model has a layer of this name."""
    return any(layer.name == name for layer in model.layers)


def pixels_of(x):
    """The images among the inputs: the target of the reconstruction."""
    return x[0] if isinstance(x, (list, tuple)) else x


def split(x, at):
    """The inputs before row `at`, and from it on."""
    if isinstance(x, list):
        return [part[:at] for part in x], [part[at:] for part in x]
    return x[:at], x[at:]


def binarized(x, rng):
    """Inputs with pixels drawn as 0 or 1, the grey value as probability (Salakhutdinov and Murray, 2008)."""
    if isinstance(x, (list, tuple)):
        return [binarized(x[0], rng), *x[1:]]
    return (rng.random(x.shape, "float32") < x).astype("float32")
