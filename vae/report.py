"""The metrics of results.json and the pictures of the articles for a trained VAE."""

import keras
import numpy as np
from keras import ops

from common.harness import plots
from common.latent import GaussianSampling
from vae.autoencoder import binarized, has, split

IW_SAMPLES = 500             # of the importance-weighted bound


# ---------------------------------------------------------------------------------------------------- metrics

def bound(autoencoder, samples):
    """x → [−log q(x|z), KL, log (1/K) Σ_k q(x|z_k) q(z_k) / p(z_k|x)] for K samples z_k ~ p(z|x), as a model.

    The first two make up the negative evidence lower bound (the reconstruction from the first sample, the KL
    exact); the third is the importance-weighted bound of Burda et al., https://arxiv.org/abs/1509.00519,
    which rises to log q(x) with K. All in nats, one number an image. q(z) is N(0, I), or N(μ^Y, I) for the
    conditional model.
    """
    model = autoencoder.model
    mean, log_var, *prior = autoencoder.encoder().outputs
    offset = mean - prior[0] if prior else mean
    kl = 0.5 * ops.sum(ops.square(offset) + ops.exp(log_var) - log_var - 1, axis=-1)            # eq. (4), (8)

    def repeated(t):
        return ops.repeat(ops.expand_dims(t, 1), samples, axis=1)                            # (batch, K, dim)

    many_mean, many_log_var = repeated(mean), repeated(log_var)
    z = GaussianSampling(kl_weight=0, seed=0)([many_mean, many_log_var])
    pixels = int(np.prod(autoencoder.decoder.output.shape[1:]))
    logits = ops.reshape(autoencoder.decoder(ops.reshape(z, (-1, z.shape[-1]))), (-1, samples, pixels))
    x = ops.reshape(model.inputs[0], (-1, pixels, 1))
    # log q(x|z) = Σ x·logit − log(1 + e^logit): a matrix product and a sum, no product of x with each of
    # K·784 logits
    log_likelihood = ops.squeeze(ops.matmul(logits, x), -1) - ops.sum(ops.softplus(logits), axis=-1)
    from_prior = z - repeated(prior[0]) if prior else z
    log_prior = -0.5 * ops.sum(ops.square(from_prior), axis=-1)
    log_posterior = -0.5 * ops.sum(ops.square(z - many_mean) * ops.exp(-many_log_var) + many_log_var, axis=-1)
    weighted = ops.logsumexp(log_likelihood + log_prior - log_posterior, axis=1) - np.log(samples)
    result = keras.Model(model.inputs, [-log_likelihood[:, 0], kl, weighted])
    fully_connected = len(model.inputs[0].shape) == 2
    worthwhile = {"jax": True, "tensorflow": fully_connected, "torch": False}
    result.compile(jit_compile=worthwhile[keras.backend.backend()])
    return result


def elbo_metrics(autoencoder, images, labels, iw_images):
    """Test negative ELBO, its parts, and the importance-weighted bounds; nats an image.

    On grey pixels the Bernoulli likelihood is not normalised: these numbers compare models trained alike and
    are no log-likelihoods. On binarised pixels (one fixed draw, seed 0) they are.
    """
    grey = autoencoder.inputs(images, labels)
    metrics = {}
    for name, iw_name, x in [
        ("grey", "test_iw500_bound_grey_not_normalised", grey),
        ("binarised", "test_log_likelihood_iw500_binarised", binarized(grey, np.random.default_rng(0))),
    ]:
        reconstruction, kl, _ = bound(autoencoder, 1).predict(x, batch_size=100, verbose=0)
        metrics[f"test_negative_elbo_{name}"] = (reconstruction + kl).mean()
        metrics[f"test_reconstruction_{name}"] = reconstruction.mean()
        metrics[f"test_kl_{name}"] = kl.mean()
        if iw_images:
            first, _ = split(x, iw_images)
            _, _, weighted = bound(autoencoder, IW_SAMPLES).predict(first, batch_size=4, verbose=0)
            metrics[iw_name] = weighted.mean()
    return metrics


def cluster_metrics(clusters, labels):
    """Purity (the article's accuracy: each cluster counts as its most frequent class) and Hungarian accuracy
    (each class belongs to one cluster at most)."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(labels, clusters)
    return {"test_purity": table.max(axis=0).sum() / len(labels),
            "test_hungarian_accuracy": table[linear_sum_assignment(table, maximize=True)].sum() / len(labels)}


def metrics(autoencoder, images, iw_images):
    """All metrics of one model, for results.json."""
    if not has(autoencoder.model, "clusters"):
        return elbo_metrics(autoencoder, images.x_test, images.y_test, iw_images)
    if images.y_test is None:
        return {}
    return cluster_metrics(autoencoder.clusters_of(autoencoder.inputs(images.x_test)), images.y_test)


# --------------------------------------------------------------------------------------------------- pictures

def pictures(autoencoder, images, run):
    """Draws the articles' figures into the run folder."""
    decode, centers = autoencoder.decode, autoencoder.centers
    x_test, pixels = autoencoder.inputs(images.x_test, images.y_test), images.x_test / 255
    mean = autoencoder.encode(x_test)
    plots.save_curves(run.state["log"], run.path("loss.png"))
    plots.save_scatter(mean[:, :2], images.y_test, run.path("latent.png"), "test images at μ(x)")
    both = np.concatenate([pixels[:15], decode(mean[:15])])
    plots.save_sheet(both, run.path("reconstructions.png"), columns=15)
    lines = [plots.interpolate(start, end, 15) for start, end in zip(mean[0:10:2], mean[1:10:2])]
    plots.save_sheet(decode(np.concatenate(lines)), run.path("interpolation.png"), columns=15)
    plots.save_sheet(decode(autoencoder.sample_codes(15)), run.path("samples.png"), columns=15)
    if mean.shape[1] == 2 and centers is None:
        plots.save_sheet(decode(plots.quantile_grid(15)), run.path("manifold.png"))
    elif mean.shape[1] == 2:
        for number, center in enumerate(centers):                       # the article shows 9
            plots.save_sheet(decode(center + plots.quantile_grid(15)), run.path(f"manifold_{number}.png"))
    if has(autoencoder.model, "clusters"):
        members = members_of(autoencoder.clusters_of(x_test), pixels, len(centers))
        plots.save_sheet(members, run.path("cluster_members.png"), columns=15)


def members_of(found, pixels, clusters, count=15):
    """The first images of each cluster, (clusters · count, height, width), black where it has fewer."""
    rows = np.zeros((clusters, count, *pixels.shape[1:]))
    for cluster, row in enumerate(rows):
        mine = pixels[found == cluster][:count]
        row[:len(mine)] = mine
    return rows.reshape(-1, *pixels.shape[1:])
