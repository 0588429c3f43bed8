"""What a trained VAE is worth and looks like: the metrics of results.json and the pictures of the articles.

Works on any model of this folder, since all of them name their parts alike: layers "mean", "log_var" and "decoder";
"prior_mean" in the conditional model, "classifier" and "clusters" in the clustering one.
"""

import keras
import numpy as np
from keras import ops

from common import plots
from common.latent import GaussianSampling


def inputs(model, images, labels=None):
    """uint8 images and labels as the model takes them: pixels in [0, 1], with one-hot labels for the conditional one."""
    x, *y = model.inputs
    pixels = images.reshape(-1, *x.shape[1:]).astype("float32") / 255
    return [pixels, keras.utils.to_categorical(labels, y[0].shape[-1])] if y else pixels


def pixels_of(x):
    """The images among the inputs: the target of the reconstruction."""
    return x[0] if isinstance(x, (list, tuple)) else x


def encoder(model):
    """x → mean, log_var and, for the conditional model, prior_mean."""
    names = ["mean", "log_var", "prior_mean"] if has(model, "prior_mean") else ["mean", "log_var"]
    return keras.Model(model.inputs, [model.get_layer(name).output for name in names])


def has(model, name):
    """Whether the model has a layer of this name."""
    return any(layer.name == name for layer in model.layers)


def decode(model, codes):
    """Codes z → pixel values in [0, 1], (n, height, width)."""
    logits = model.get_layer("decoder").predict(np.asarray(codes, "float32"), batch_size=500, verbose=0)
    size = round(logits[0].size ** 0.5)
    return 1 / (1 + np.exp(-logits.reshape(-1, size, size).astype("float64")))


def encode(model, x):
    """The means μ of p(z|x): what the scatter shows, without the noise of a sample."""
    return encoder(model).predict(x, batch_size=500, verbose=0)[0]


def clusters_of(model, x):
    """argmax p(y|z) at z = μ, an int array."""
    return model.get_layer("classifier").predict(encode(model, x), batch_size=500, verbose=0).argmax(axis=-1)


# ------------------------------------------------------------------------------------------------------------ metrics

def bound(model, samples):
    """x → [−log q(x|z), KL, log (1/K) Σ_k q(x|z_k) q(z_k) / p(z_k|x)] for K samples z_k ~ p(z|x), as a model.

    The first two make up the negative evidence lower bound (the reconstruction from the first sample, the KL exact);
    the third is the importance-weighted bound of Burda et al., https://arxiv.org/abs/1509.00519, which rises to log q(x)
    with K. All in nats, one number an image. q(z) is N(0, I), or N(μ^Y, I) for the conditional model.
    """
    mean, log_var, *prior = encoder(model).outputs
    offset = mean - prior[0] if prior else mean
    kl = 0.5 * ops.sum(ops.square(offset) + ops.exp(log_var) - log_var - 1, axis=-1)               # eq. (4), (8)

    def repeated(t):
        return ops.repeat(ops.expand_dims(t, 1), samples, axis=1)                                  # (batch, K, dim)

    many_mean, many_log_var = repeated(mean), repeated(log_var)
    z = GaussianSampling(kl_weight=0, seed=0)([many_mean, many_log_var])
    decoder = model.get_layer("decoder")
    pixels = int(np.prod(decoder.output.shape[1:]))
    logits = ops.reshape(decoder(ops.reshape(z, (-1, z.shape[-1]))), (-1, samples, pixels))
    x = ops.reshape(model.inputs[0], (-1, pixels, 1))
    # log q(x|z) = Σ x·logit − log(1 + e^logit): a matrix product and a sum, no product of x with each of K·784 logits
    log_likelihood = ops.squeeze(ops.matmul(logits, x), -1) - ops.sum(ops.softplus(logits), axis=-1)
    log_prior = -0.5 * ops.sum(ops.square(z - repeated(prior[0]) if prior else z), axis=-1)
    log_posterior = -0.5 * ops.sum(ops.square(z - many_mean) * ops.exp(-many_log_var) + many_log_var, axis=-1)
    weighted = ops.logsumexp(log_likelihood + log_prior - log_posterior, axis=1) - np.log(samples)
    result = keras.Model(model.inputs, [-log_likelihood[:, 0], kl, weighted])
    result.compile(jit_compile=keras.backend.backend() == "jax" or len(model.inputs[0].shape) == 2)
    return result


def binarized(x, rng):
    """Inputs with pixels drawn as 0 or 1, the grey value as probability (Salakhutdinov and Murray, 2008)."""
    if isinstance(x, (list, tuple)):
        return [binarized(x[0], rng), *x[1:]]
    return (rng.random(x.shape, "float32") < x).astype("float32")


def elbo_metrics(model, images, labels, iw_images, iw_samples=500):
    """Test negative ELBO, its parts, and the importance-weighted bounds; nats an image.

    On grey pixels the Bernoulli likelihood is not normalised: these numbers compare models trained alike and are no
    log-likelihoods. On binarised pixels (one fixed draw, seed 0) they are.
    """
    grey = inputs(model, images, labels)
    metrics = {}
    for name, iw_name, x in [
        ("grey", "test_iw500_bound_grey_not_normalised", grey),
        ("binarised", "test_log_likelihood_iw500_binarised", binarized(grey, np.random.default_rng(0))),
    ]:
        reconstruction, kl, _ = bound(model, 1).predict(x, batch_size=100, verbose=0)
        metrics |= {f"test_negative_elbo_{name}": (reconstruction + kl).mean(),
                    f"test_reconstruction_{name}": reconstruction.mean(), f"test_kl_{name}": kl.mean()}
        if iw_images:
            some = [part[:iw_images] for part in x] if isinstance(x, list) else x[:iw_images]
            metrics[iw_name] = bound(model, iw_samples).predict(some, batch_size=10, verbose=0)[2].mean()
    return metrics


def cluster_metrics(clusters, labels):
    """Purity (the article's accuracy: each cluster counts as its most frequent class) and Hungarian accuracy
    (each class belongs to one cluster at most)."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(labels, clusters)
    return {"test_purity": table.max(axis=0).sum() / len(labels),
            "test_hungarian_accuracy": table[linear_sum_assignment(table, maximize=True)].sum() / len(labels)}


def metrics(model, data, iw_images):
    """All metrics of one model, for results.json."""
    if has(model, "clusters"):
        if data.y_test is None:
            return {}
        return cluster_metrics(clusters_of(model, inputs(model, data.x_test)), data.y_test)
    return elbo_metrics(model, data.x_test, data.y_test, iw_images)


# ----------------------------------------------------------------------------------------------------------- pictures

def sample_codes(model, count, seed=0):
    """Codes to decode: the grid of normal quantiles for two dimensions, else draws from the prior."""
    rng, dim = np.random.default_rng(seed), model.get_layer("mean").units
    if has(model, "clusters"):       # a row for each cluster: μ_y + ε
        centers = keras.ops.convert_to_numpy(model.get_layer("clusters").means)
    elif has(model, "prior_mean"):   # a row for each class: μ^Y + ε
        centers = class_means(model)
    else:
        return plots.quantile_grid(count) if dim == 2 else rng.normal(size=(count ** 2, dim))
    return np.repeat(centers, count, axis=0) + rng.normal(size=(len(centers) * count, dim))


def class_means(model):
    """μ^Y of every class, (classes, latent_dim)."""
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in model.get_layer("prior_mean").weights)
    return kernel + bias


def pictures(model, data, run):
    """Draws the articles' figures into the run folder."""
    x_test = inputs(model, data.x_test, data.y_test)
    pixels = data.x_test / 255
    mean = encode(model, x_test)
    plots.save_curves(run.state["log"], run.path("loss.png"))
    plots.save_scatter(mean[:, :2], data.y_test, run.path("latent.png"), "test images by μ(x)")
    shown = np.stack([pixels[:15], decode(model, mean[:15])])
    plots.save_sheet(shown.reshape(-1, *pixels.shape[1:]), run.path("reconstructions.png"), columns=len(pixels[:15]))
    pairs = [plots.interpolate(mean[i], mean[i + 1], 15) for i in range(0, min(10, len(mean) - 1), 2)]
    plots.save_sheet(decode(model, np.concatenate(pairs)), run.path("interpolation.png"), columns=15)
    if has(model, "clusters"):
        plots.save_sheet(decode(model, sample_codes(model, 15)), run.path("cluster_samples.png"), columns=15)
        found = clusters_of(model, x_test)
        members = np.zeros((model.get_layer("clusters").num_clusters, 15, *pixels.shape[1:]))
        for cluster, row in enumerate(members):
            mine = pixels[found == cluster][:15]
            row[:len(mine)] = mine
        plots.save_sheet(members.reshape(-1, *pixels.shape[1:]), run.path("cluster_members.png"), columns=15)
    elif has(model, "prior_mean"):
        plots.save_sheet(decode(model, sample_codes(model, 15)), run.path("class_samples.png"), columns=15)
        for digit, center in enumerate(class_means(model) if mean.shape[1] == 2 else []):   # the article shows the 9
            plots.save_sheet(decode(model, center + plots.quantile_grid(15)), run.path(f"manifold_{digit}.png"))
    elif mean.shape[1] == 2:
        plots.save_sheet(decode(model, plots.quantile_grid(15)), run.path("manifold.png"))
    else:
        plots.save_sheet(decode(model, sample_codes(model, 15)), run.path("samples.png"))
