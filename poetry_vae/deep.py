"""A second network for poetry_vae/train.py, by --network deep: the article's idea with a deeper encoder and
decoder.

The article's encoder ends in a mean over the ten positions, so its code hardly knows which character stood
where; and its decoder is one dense layer and one convolution. Here all positions stay apart up to the code,
and dense blocks on either side of it bend the prior into the shape of the data. Still all ten characters are
restored at once, independently of each other given z.
"""

import keras
from keras import layers

from common.gated_conv import GatedConv1D
from common.latent import GaussianSampling


def build_deep_poetry_vae(vocabulary, width=64, latent_dim=64, length=10, hidden=256, **kl_options):
    """Numbers of ten characters → logits of ten characters, as build_poetry_vae of poetry_vae/train.py.

    Args:
        hidden: units of the dense blocks around the code.
    """
    x = keras.Input((length,), dtype="int32", name="couplet")
    h = layers.Embedding(vocabulary, width)(x)
    h = gated(gated(h))
    h = layers.Flatten()(h)                                 # (length · width,): who stood where is kept
    h = block(layers.Dense(hidden)(h))
    h = layers.LayerNormalization()(h)
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    z = GaussianSampling(**kl_options, name="z")([mean, log_var])

    code = keras.Input((latent_dim,))
    h = block(layers.Dense(hidden)(code))
    h = layers.LayerNormalization()(h)
    h = layers.Dense(length * width)(h)
    h = layers.Reshape((length, width))(h)
    h = gated(gated(h))
    h = layers.LayerNormalization()(h)
    logits = layers.Dense(vocabulary)(h)                    # the softmax lives in the loss
    decoder = keras.Model(code, logits, name="decoder")
    return keras.Model(x, decoder(z), name="poetry_vae")


def gated(h):
    """GCNN: A⊗σ(B) + x."""
    return GatedConv1D(combination="residual", use_bias=False)(h)


def block(h):
    """A residual block before the code or behind it: h + W gelu(V norm(h))."""
    width = h.shape[-1]
    inner = layers.LayerNormalization()(h)
    inner = layers.Dense(width, activation="gelu")(inner)
    return layers.Add()([h, layers.Dense(width)(inner)])
