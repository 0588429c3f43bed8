"""从最大似然到EM算法：一致的理解方式, https://kexue.fm/archives/5239

EM is alternating minimisation of one number, the divergence of joint distributions, equation (17): the M-step
minimises it over θ, the E-step over p̃(Y|X). So each half step can only lower it, and after an E-step it is
the cross entropy of X up to a constant. Here for both of the article's examples, a mixture of Gaussians and
pLSA, whose hidden variable is the topic Z of a word Y in a text X.

    article             here
    p̃(Y|X)              posterior, (n, k)
    p_θ(Y), p_θ(X|Y)    weights, and means with covariances
    (17)                joint_divergence, without the constant E[log p̃(X)]
    (18), (20)          m_step, e_step
    (15), pLSA          topics_of: p(Y|X) = Σ_Z p(Y|Z) p(Z|X)

    python more/em.py             a minute: three Gaussians in the plane, ten on MNIST's first 20 components,
                                  ten topics of People's Daily, January 1998
    python more/em.py --table     five minutes: four starts in the plane, five seeds on MNIST
"""

import numpy as np


def log_joint(x, weights, means, covariances):
    """log p(Y) p(X|Y), equation (14), for each row of x and each component, (n, k)."""
    columns = []
    for weight, mean, covariance in zip(weights, means, covariances):
        factor = np.linalg.cholesky(covariance)
        scaled = np.linalg.solve(factor, (x - mean).T)
        log_volume = np.log(np.diag(factor)).sum() + 0.5 * x.shape[1] * np.log(2 * np.pi)
        columns.append(np.log(weight) - 0.5 * np.square(scaled).sum(0) - log_volume)
    return np.stack(columns, axis=1)


def e_step(x, *theta):
    """Equation (20): p̃(Y|X) = p(Y) p(X|Y) / Σ_Y p(Y) p(X|Y), and the mean of log p(X).

    Of logarithms, since far from every component all p(X|Y) are zero in floating point.
    """
    joint = log_joint(x, *theta)
    highest = joint.max(axis=1, keepdims=True)
    log_p = highest + np.log(np.exp(joint - highest).sum(axis=1, keepdims=True))
    return np.exp(joint - log_p), log_p.mean()


def m_step(x, posterior, floor=1e-6):
    """Equation (18): weighted frequencies, means and covariances maximise Σ p̃(Y|X) log p(Y) p(X|Y).

    Args:
        floor: is added to variances, so that no component shrinks onto one point, where the likelihood is
            infinite. With a floor the step is not quite the minimum of (17).
    """
    counts = posterior.sum(axis=0)
    means = posterior.T @ x / counts[:, None]
    covariances = []
    for share, count, mean in zip(posterior.T, counts, means):
        centred = x - mean
        covariances.append((share[:, None] * centred).T @ centred / count + floor * np.eye(x.shape[1]))
    return counts / len(x), means, np.array(covariances)


def joint_divergence(x, posterior, *theta):
    """Equation (17) without its constant: E_X Σ_Y p̃(Y|X) log p̃(Y|X) / (p(X|Y) p(Y)), where 0 log 0 = 0."""
    known = np.where(posterior > 0, posterior, 1.0)
    return np.sum(posterior * (np.log(known) - log_joint(x, *theta)), axis=1).mean()


def fit(x, posterior, iterations=200, tolerance=0.0, floor=1e-6):
    """EM from a first guess of p̃(Y|X), which may be hard: (posterior, theta, (17) after each half step).

    Args:
        x: (n, d).
        posterior: (n, k), rows sum to 1.
        tolerance: the steps end where (17) falls by less than this.
    """
    path = []
    for _ in range(iterations):
        theta = m_step(x, posterior, floor)
        path.append(joint_divergence(x, posterior, *theta))
        posterior, log_likelihood = e_step(x, *theta)
        path.append(-log_likelihood)                                # (17) after an E-step is E[-log p(X)]
        if len(path) > 2 and path[-3] - path[-1] < tolerance:
            break
    return posterior, theta, np.array(path)


def topics_of(texts, words, counts, k, rng, iterations=50):
    """pLSA, equation (15), by EM: (p(Z|X), p(Y|Z), joint divergence after each half step).

    The pairs (X, Y) are known and Z is hidden: p̃(Z|X, Y) takes the place of p̃(Y|X) in (17) to (20), and
    p̃(X, Y) is the share of the pair in all counts. The constant E[log p̃(Y|X)] is left out.

    Args:
        texts, words: of each pair that is there, the numbers of its text and its word, (pairs,).
        counts: how often it is there.
        k: topics.
    """
    share = counts / counts.sum()
    of_text = rng.dirichlet(np.ones(k), texts.max() + 1)
    of_topic = rng.dirichlet(np.ones(words.max() + 1), k)
    path = []
    for _ in range(iterations):
        joint = of_text[texts] * of_topic[:, words].T                     # p(Y|Z) p(Z|X), (pairs, k)
        total = joint.sum(axis=1, keepdims=True)
        posterior = joint / total                                         # the E-step, as (20)
        path.append(-(share * np.log(total[:, 0])).sum())
        weighted = share[:, None] * posterior
        of_text, of_topic = np.zeros_like(of_text), np.zeros_like(of_topic)
        for topic in range(k):                                            # the M-step, as (18)
            of_text[:, topic] = np.bincount(texts, weighted[:, topic], len(of_text))
            of_topic[topic] = np.bincount(words, weighted[:, topic], of_topic.shape[1])
        of_text /= np.maximum(of_text.sum(axis=1, keepdims=True), 1e-300)
        of_topic /= np.maximum(of_topic.sum(axis=1, keepdims=True), 1e-300)
        path.append(topic_divergence(texts, words, share, posterior, of_text, of_topic))
    return of_text, of_topic, np.array(path)


def topic_divergence(texts, words, share, posterior, of_text, of_topic):
    """Equation (17) for pLSA: E_X,Y Σ_Z p̃(Z|X, Y) log p̃(Z|X, Y) / (p(Y|Z) p(Z|X)), where 0 log 0 = 0."""
    joint = of_text[texts] * of_topic[:, words].T
    known = np.where(posterior > 0, posterior, 1.0)
    ratio = np.log(known) - np.log(np.maximum(joint, 1e-300))    # where p̃ is as small
    return (share * (posterior * ratio).sum(axis=1)).sum()


def k_means(x, k, rng, iterations=30):
    """One-hot rows of the nearest of k centres, which are chosen far from each other: a first guess for fit.

    It is EM itself in the limit of equal, round Gaussians whose variance goes to zero.
    """
    centres = x[[rng.integers(len(x))]]
    while len(centres) < k:
        distances = squared_distances(x, centres).min(axis=1)
        centres = np.vstack([centres, x[rng.choice(len(x), p=distances / distances.sum())]])
    for _ in range(iterations):
        nearest = np.eye(k)[squared_distances(x, centres).argmin(axis=1)]
        filled = nearest.sum(axis=0) > 0
        centres[filled] = (nearest.T @ x)[filled] / nearest.sum(axis=0)[filled, None]
    return nearest


def squared_distances(x, centres):
    return np.stack([np.square(x - centre).sum(axis=1) for centre in centres], axis=1)


# ------------------------------------------------------------------------------------------------------- demo

def plane(rng, n=2000):
    """Points of three Gaussians that overlap, and which one each is of."""
    means = np.array([[0.0, 0.0], [3.0, 1.0], [0.0, 4.0]])
    factors = np.array([[[1.0, 0.0], [0.5, 0.6]], [[0.7, 0.0], [-0.4, 1.0]], [[1.5, 0.0], [0.0, 0.5]]])
    which = rng.choice(3, n, p=[0.5, 0.2, 0.3])
    noise = rng.normal(size=(n, 2))
    return means[which] + np.einsum("nij,nj->ni", factors[which], noise), which


def purity(clusters, labels, k):
    """The share of points whose label is the most frequent one in their cluster."""
    counts = np.zeros((k, labels.max() + 1))
    np.add.at(counts, (clusters, labels), 1)
    return counts.max(axis=1).sum() / len(labels)


def components_of(x, count):
    """The first principal components of flattened images."""
    x = x.reshape(len(x), -1) / 255.0
    x -= x.mean(axis=0)
    values, vectors = np.linalg.eigh(x.T @ x)
    return x @ vectors[:, np.argsort(-values)[:count]]


def row_of(name, x, labels, k, seed, iterations):
    """(posterior, theta, path) of one start, and its row of the table."""
    first = k_means(x, k, np.random.default_rng(seed))
    posterior, theta, path = fit(x, first, iterations, floor=0.0 if x.shape[1] == 2 else 1e-6)
    purities = [float(purity(found.argmax(axis=1), labels, k)) for found in (first, posterior)]
    return (posterior, theta, path), [name, seed, float(-path[-1]), float(np.diff(path).max()), *purities]


def read_texts(smoke, fewest=20, most=0.05):
    """(texts, words, counts) of a newspaper as topics_of takes them, and the words: those in at least so many
    lines, and in no more than this share of them."""
    from collections import Counter

    from common.harness.datasets import find
    from common.harness.reading import read_text
    from common.harness.writing import ROOT

    path = None if smoke else find("cws/pd199801.utf8")
    lines = read_text(path or ROOT / "crf" / "samples" / "sentences.txt").splitlines()
    bags, found = [], Counter()
    for line in lines:
        bags.append(Counter(word for word in line.split() if len(word) > 1))
        found.update(bags[-1].keys())
    least = fewest if path else 2
    names = sorted(word for word, count in found.items() if least <= count <= most * len(lines))
    number, pairs = {word: i for i, word in enumerate(names)}, []
    for bag in bags:
        kept = [(number[word], count) for word, count in bag.items() if word in number]
        if kept:
            pairs.append(np.array(kept))
    texts = np.repeat(np.arange(len(pairs)), list(map(len, pairs)))
    words, counts = np.concatenate(pairs).T
    return texts, words, counts, np.array(names)


def show_topics(of_topic, words, counts, names, shown=8):
    """The words of each topic that it makes most frequent beside all text, of those that it has often."""
    overall = np.bincount(words, counts, len(names)) / counts.sum()
    for topic, p in enumerate(of_topic):
        often = np.argsort(-p)[:100]
        best = often[np.argsort(-p[often] / overall[often])][:shown]
        print(f"topic {topic}: {' '.join(names[best])}", flush=True)


def draw(run, x, posterior, theta, paths):
    """Left: the points, mixed by colour, and the components. Right: (17) after each half step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.scatter(*x[:800].T, c=posterior[:800], s=4)
    circle = np.stack([np.cos(np.linspace(0, 7, 80)), np.sin(np.linspace(0, 7, 80))])
    for mean, covariance in zip(*theta[1:]):
        left.plot(*(mean[:, None] + 2 * np.linalg.cholesky(covariance) @ circle), "k", linewidth=1)
    left.set(title="p(Y|X) as a mixture of colours")
    for name, path in paths.items():
        right.plot(np.arange(1, len(path) + 1) / 2, path - path[-1] + 1e-6, label=name)
    right.set(xlabel="iterations", yscale="log", title="(17) above its last value, each half step")
    right.legend()
    run.draw(figure)


def demo(config):
    """Three Gaussians in the plane, then ten on images; with --table from several starts."""
    from common.harness import datasets, further

    images = datasets.load_images("digits" if config.smoke else config.data)
    run = further.start(config, "em", ("numpy",))
    iterations = 5 if config.smoke else 100
    x, which = plane(np.random.default_rng(config.seed))
    z, labels = components_of(images.x_train[:10_000], 20), images.y_train[:10_000].astype(int)
    starts = range(config.seed, config.seed + (5 if config.table else 1))
    rows = []
    for seed in reversed(starts):                                  # the last one is drawn: that of --seed
        flat, row = row_of("the plane, 3", x, which, 3, seed, 4 * iterations)
        deep, other = row_of("images, 10", z, labels, 10, seed, iterations)
        rows = [row, *rows, other]
    run.table(["data, Gaussians", "seed", "log-likelihood", "largest step up", "purity of k-means",
               "purity of EM"], sorted(rows, key=lambda row: (row[0] != "the plane, 3", row[1])))
    texts, words, counts, names = read_texts(config.smoke)
    _, of_topic, path = topics_of(texts, words, counts, 10, np.random.default_rng(config.seed), iterations)
    show_topics(of_topic, words, counts, names)
    draw(run, x, *flat[:2], {"the plane": flat[2], "images": deep[2], "pLSA": path})
    overall = np.bincount(words, counts) / counts.sum()
    metrics = {"perplexity_of_one_topic": np.exp(-(overall * np.log(overall)).sum()),
               "perplexity_of_ten_topics": np.exp(path[-1]),
               "largest_step_up_plsa": np.diff(path).max(),
               "log_likelihood_plane": -flat[2][-1], "log_likelihood_images": -deep[2][-1],
               "largest_step_up": max(np.diff(flat[2]).max(), np.diff(deep[2]).max()),
               "purity_kmeans": np.mean([row[4] for row in rows if row[0] == "images, 10"]),
               "purity_em": np.mean([row[5] for row in rows if row[0] == "images, 10"])}
    run.finish(images.describe(), metrics)


def main():
    """The demo, python more/em.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import further

    further.main(demo, __doc__)


if __name__ == "__main__":
    main()
