"""A second network for poetry_vae/train.py, by --network deep: the article's idea with all positions kept
apart.

The article's encoder ends in a mean over the ten positions, so its code hardly knows which character stood
where, and the code is slow to become of use. Here μ and log σ² see the ten positions side by side, and a
layer of hidden units stands beside the linear way into the code and out of it. Still all ten characters are
restored at once, independently of each other given z.
"""

import keras
from keras import layers

from common.gated_conv import GatedConv1D
from common.latent import GaussianSampling


def build_deep_poetry_vae(vocabulary, width=64, latent_dim=64, length=10, hidden=256, **kl_options):
    """Numbers of ten characters → logits of ten characters, as build_poetry_vae of poetry_vae/train.py.

    Args:
        hidden: hidden units before the code, and behind it.
    """
    x = keras.Input((length,), dtype="int32", name="couplet")
    h = layers.Embedding(vocabulary, width)(x)
    h = gated(gated(h))
    h = widened(layers.Flatten()(h), hidden)                # who stood where is kept
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    z = GaussianSampling(**kl_options, name="z")([mean, log_var])

    code = keras.Input((latent_dim,))
    h = layers.Dense(length * width)(widened(code, hidden))
    h = layers.Reshape((length, width))(h)
    h = gated(gated(h))
    logits = layers.Dense(vocabulary)(h)                    # the softmax lives in the loss
    decoder = keras.Model(code, logits, name="decoder")
    return keras.Model(x, decoder(z), name="poetry_vae")


def gated(h):
    """GCNN: A⊗σ(B) + x."""
    return GatedConv1D(combination="residual", use_bias=False)(h)


def widened(h, hidden):
    """Vectors with hidden units of them beside them: by the linear way the code is of use early."""
    return layers.Concatenate()([h, layers.Dense(hidden, activation="gelu")(h)])
