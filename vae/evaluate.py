"""What a trained VAE is worth and looks like: the metrics of results.json and the pictures of the articles.

Works on any model of this folder, since all of them name their parts alike: layers "mean", "log_var" and "decoder";
"prior_mean" in the conditional model, "classifier" and "clusters" in the clustering one.
"""

import keras
import numpy as np
from keras import ops

from common import plots, runs
from common.datasets import Pictures
from common.latent import GaussianSampling


def load(path):
    """A model of this folder, from a run folder or a .keras file; anything else is an InputError."""
    model = runs.load_model(path)
    if not all(has(model, name) for name in ("mean", "log_var", "decoder")):
        raise runs.InputError(f"expected a model trained by vae/train.py. Received: {path}, a model named {model.name}")
    return model


def inputs(model, images, labels=None):
    """uint8 images and labels as the model takes them: pixels in [0, 1], with one-hot labels for the conditional one."""
    x, *y = model.inputs

    def scaled(images):
        return images.reshape(-1, *x.shape[1:]).astype("float32") / 255

    pixels = images.map(scaled) if isinstance(images, Pictures) else scaled(images)
    return [pixels, keras.utils.to_categorical(labels, y[0].shape[-1])] if y else pixels


def pixels_of(x):
    """The images among the inputs: the target of the reconstruction."""
    return x[0] if isinstance(x, (list, tuple)) else x


def split(x, at):
    """The inputs before and from row `at`."""
    if isinstance(x, list):
        return [part[:at] for part in x], [part[at:] for part in x]
    return x[:at], x[at:]


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
    return keras.Model(model.inputs, model.get_layer("mean").output).predict(x, batch_size=500, verbose=0)


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
            metrics[iw_name] = bound(model, iw_samples).predict(split(x, iw_images)[0], batch_size=4, verbose=0)[2].mean()
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
    """Codes z from the prior: count × count draws from N(0, I), or `count` from each N(μ_y, I) of a class or cluster."""
    rng, centers = np.random.default_rng(seed), centers_of(model)
    if centers is None:
        return rng.normal(size=(count ** 2, model.get_layer("mean").units))
    return np.repeat(centers, count, axis=0) + rng.normal(size=(len(centers) * count, centers.shape[1]))


def centers_of(model):
    """μ_y of every cluster or μ^Y of every class, (n, latent_dim); None for a model with the prior N(0, I)."""
    if has(model, "clusters"):
        return keras.ops.convert_to_numpy(model.get_layer("clusters").means)
    if has(model, "prior_mean"):
        kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in model.get_layer("prior_mean").weights)
        return kernel + bias    # of the one-hot vectors
    return None


def pictures(model, data, run):
    """Draws the articles' figures into the run folder."""
    x_test, images, size = inputs(model, data.x_test, data.y_test), data.x_test / 255, data.x_test.shape[1:]
    mean = encode(model, x_test)
    plots.save_curves(run.state["log"], run.path("loss.png"))
    plots.save_scatter(mean[:, :2], data.y_test, run.path("latent.png"), "test images at μ(x)")
    plots.save_sheet(np.concatenate([images[:15], decode(model, mean[:15])]), run.path("reconstructions.png"), columns=15)
    lines = [plots.interpolate(start, end, 15) for start, end in zip(mean[0:10:2], mean[1:10:2])]
    plots.save_sheet(decode(model, np.concatenate(lines)), run.path("interpolation.png"), columns=15)
    plots.save_sheet(decode(model, sample_codes(model, 15)), run.path("samples.png"), columns=15)
    if mean.shape[1] == 2:
        for number, center in enumerate([0] if centers_of(model) is None else centers_of(model)):   # the article shows 9
            name = "manifold.png" if centers_of(model) is None else f"manifold_{number}.png"
            plots.save_sheet(decode(model, center + plots.quantile_grid(15)), run.path(name))
    if has(model, "clusters"):
        found = clusters_of(model, x_test)
        members = np.zeros((len(centers_of(model)), 15, *size))
        for cluster, row in enumerate(members):
            mine = images[found == cluster][:15]
            row[:len(mine)] = mine
        plots.save_sheet(members.reshape(-1, *size), run.path("cluster_members.png"), columns=15)
