"""What a couplet is worth to a trained model: its evidence lower bound, and the importance-weighted one."""

import keras
import numpy as np
from keras import ops

from common.latent import GaussianSampling


def bound(model, samples):
    """x → [−log p(x|z), KL, log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x)] for K samples z_k ~ q(z|x), as a model.

    In nats, one number a couplet. The first two make up the negative evidence lower bound; the third is the
    importance-weighted bound of Burda et al., https://arxiv.org/abs/1509.00519, which rises to log p(x) with
    K.
    """
    x, mean, log_var = model.inputs[0], model.get_layer("mean").output, model.get_layer("log_var").output
    kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - log_var - 1, axis=-1)

    def repeated(t):
        return ops.repeat(ops.expand_dims(t, 1), samples, axis=1)                           # (batch, K, ...)

    many_mean, many_log_var = repeated(mean), repeated(log_var)
    z = GaussianSampling(kl_weight=0, seed=0)([many_mean, many_log_var])
    decoder = model.get_layer("decoder")
    length, size = decoder.output.shape[1:]
    logits = ops.reshape(decoder(ops.reshape(z, (-1, z.shape[-1]))), (-1, length, size))
    targets = ops.reshape(repeated(x), (-1, length))
    losses = ops.sparse_categorical_crossentropy(targets, ops.cast(logits, "float32"), from_logits=True)
    log_likelihood = ops.reshape(-ops.sum(losses, axis=-1), (-1, samples))
    log_prior = -0.5 * ops.sum(ops.square(z), axis=-1)
    log_posterior = -0.5 * ops.sum(ops.square(z - many_mean) * ops.exp(-many_log_var) + many_log_var, axis=-1)
    weighted = ops.logsumexp(log_likelihood + log_prior - log_posterior, axis=1) - np.log(samples)
    return keras.Model(x, [-log_likelihood[:, 0], kl, weighted])
