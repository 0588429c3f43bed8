"""The metrics of results.json and the pictures of the articles for a trained VAE."""

import keras
import numpy as np
from keras import ops

from common.harness import plots
from common.harness.models import PredictionBar
from common.latent import GaussianSampling
from vae.autoencoder import binarized, has, pixels_of, split

IW_SAMPLES = 500             # of the importance-weighted bound
STEP = 0.05                  # between the codes of a quadrature: of p(z|x) the least σ is about as large


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


def log_likelihood(autoencoder, x, step=STEP):
    """log q(x) = log ∫ q(x|z) q(z) dz of each image, in nats: no bound, but the integral itself.

    A plane of codes is small enough for a sum over a grid. The rule of rectangles is exact to e^(−2π²σ²/h²)
    for a Gaussian of deviation σ and a step h, so a step of σ is fine already. The grid reaches one beyond
    all μ(x), and to 5 at least, where q(z) ends.

    Args:
        x: inputs of the model, whose codes have two dimensions.
        step: h.
    """
    mean = autoencoder.encode(x)
    pixels = pixels_of(x).reshape(len(mean), -1)
    low, high = np.minimum(mean.min(axis=0) - 1, -5), np.maximum(mean.max(axis=0) + 1, 5)
    rows, columns = (np.arange(start, end + step, step) for start, end in zip(low, high))
    prior = np.zeros_like(mean) if autoencoder.centers is None else x[1] @ autoencoder.centers      # μ^Y
    total = np.full(len(mean), -np.inf)
    for row in rows:
        z = np.stack([np.full_like(columns, row), columns], axis=1).astype("float32")
        logits = ops.convert_to_numpy(autoencoder.decoder(z)).reshape(len(z), -1)
        log_q = pixels @ logits.T - np.logaddexp(0, logits).sum(axis=1)                   # log q(x|z)
        log_q -= 0.5 * np.square(prior[:, None] - z).sum(axis=-1) + np.log(2 * np.pi)     # + log q(z)
        total = np.logaddexp(total, np.logaddexp.reduce(log_q, axis=1))
    return total + 2 * np.log(step)


def aggregate_metrics(autoencoder, x):
    """What all codes of all images look like together, beside N(0, I): the length of their mean, the least
    and the greatest variance in any direction, and beside these the σ of a single image.

    E[z] = E[μ], Cov[z] = Cov[μ] + E[σ²], since z = μ + σε."""
    mean, log_var = autoencoder.encoder().predict(x, batch_size=500, verbose=0)[:2]
    covariance = np.cov(mean.T) + np.diag(np.exp(log_var).mean(axis=0))
    variances = np.linalg.eigvalsh(covariance)
    return {"test_length_of_mean_z": np.linalg.norm(mean.mean(axis=0)),
            "test_least_variance_of_z": variances[0], "test_greatest_variance_of_z": variances[-1],
            "test_mean_sigma": np.exp(0.5 * log_var).mean()}


def elbo_metrics(autoencoder, images, labels, iw_images):
    """Test negative ELBO, its parts, and tighter bounds or log q(x) itself; nats an image.

    On grey pixels the Bernoulli likelihood is not normalised: these numbers compare models trained alike and
    are no log-likelihoods. On binarised pixels (one fixed draw, seed 0) they are.
    """
    grey = autoencoder.inputs(images, labels)
    metrics = {}
    for name, x in [("grey", grey), ("binarised", binarized(grey, np.random.default_rng(0)))]:
        reconstruction, kl, _ = bound(autoencoder, 1).predict(x, batch_size=100, verbose=0)
        metrics[f"test_negative_elbo_{name}"] = (reconstruction + kl).mean()
        metrics[f"test_reconstruction_{name}"] = reconstruction.mean()
        metrics[f"test_kl_{name}"] = kl.mean()
        if iw_images:
            first, _ = split(x, iw_images)
            weigh = bound(autoencoder, IW_SAMPLES)
            _, _, weighted = weigh.predict(first, batch_size=4, verbose=0, callbacks=[PredictionBar()])
            metrics[f"test_iw500_bound_{name}"] = weighted.mean()
            if autoencoder.latent_dim == 2:
                metrics[f"test_log_likelihood_{name}"] = log_likelihood(autoencoder, first).mean()
    if autoencoder.latent_dim <= 1000:                       # of more dimensions a covariance is too large
        metrics |= aggregate_metrics(autoencoder, grey)
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
