"""从loss的硬截断、软化到focal loss, https://kexue.fm/archives/4733
and its forerunner, 文本情感分类（四）：更好的损失函数, https://kexue.fm/archives/4293

A classifier is judged by the side of ½ on which an answer falls, but cross-entropy goes on improving answers
that are right. Hard truncation leaves them alone, and then nothing keeps them right; a sigmoid for its step
does, which with K = 1 is the focal loss with γ = 1. That was made for rare positives. Does it help?

    article                       here
    λ(y, ŷ), 4293 with m = .6     HardTruncatedLoss of common/losses.py
    −σ(−Kx) log σ(x)              SoftTruncatedLoss
    focal loss, α and γ           FocalLoss

    python more/focal.py             minutes: ten losses on two tasks with rare positives, one seed
    python more/focal.py --table     three seeds
    python more/focal.py --data FILE.csv     your own reviews: rows label,review; 0 is the rare class

Tasks: MNIST's 8 among other digits, 1 in 200, and hotel reviews that complain, 1 in 3. A loss that moves
answers towards ½ changes what a threshold of ½ finds, and not which samples come first. So three numbers
are needed: the average precision, which has no threshold in it, F1 at ½, and F1 at the threshold that is best
on validation data.
"""

import numpy as np


def ranked(labels, scores):
    """(thresholds, true positives, predicted positives) from the highest score down, equal scores at once."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)           # of its score
    found = np.cumsum(labels[order])
    return scores[order][last], found[last], np.flatnonzero(last) + 1


def average_precision(labels, scores):
    """Σ (R_i − R_{i−1}) P_i over all thresholds, with recall R and precision P: 1 where all positives come
    first, the share of positives where the order is random.

    Args:
        labels: 0 and 1, (n,), at least one of them 1.
        scores: higher is more likely, (n,).
    """
    _, right, predicted = ranked(labels, scores)
    recall = right / labels.sum()
    return float((np.diff(recall, prepend=0) * right / predicted).sum())


def f1_at(labels, scores, threshold):
    """F1 of the positives where a score of at least the threshold is one."""
    predicted = scores >= threshold
    right = (predicted & (labels == 1)).sum()
    return float(2 * right / (predicted.sum() + labels.sum()))


def best_threshold(labels, scores):
    """The score from which on F1 is best, the highest one of several."""
    thresholds, right, predicted = ranked(labels, scores)
    return float(thresholds[(2 * right / (predicted + labels.sum())).argmax()])


# ------------------------------------------------------------------------------------------------------- demo

def losses():
    """Name → (loss of logits, how much more a positive weighs: 1, or "balanced")."""
    import keras

    from common.losses import FocalLoss, HardTruncatedLoss, SoftTruncatedLoss

    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    return {
        "cross-entropy": (entropy, 1),
        "cross-entropy, balanced": (entropy, "balanced"),
        "focal, α ¼, γ 2": (FocalLoss(0.25, 2), 1),                       # the best of its paper
        "focal, α ½, γ 2": (FocalLoss(0.5, 2), 1),
        "focal, α ¾, γ 2": (FocalLoss(0.75, 2), 1),
        "focal, α ½, γ 1": (FocalLoss(0.5, 1), 1),                        # half of the soft loss with K = 1
        "soft, K 2": (SoftTruncatedLoss(2), 1),
        "soft, K 4": (SoftTruncatedLoss(4), 1),
        "hard, m ½": (HardTruncatedLoss(0.5), 1),
        "hard, m 0.6": (HardTruncatedLoss(0.6), 1),                       # 4293's
    }


def parts_of(x, y, sizes, rng):
    """Training, validation and test parts as [(x, y), ...]: so many samples of (0, 1) in each, at random."""
    rows = [rng.permutation(np.flatnonzero(y == label)) for label in (0, 1)]
    parts, start = [], np.zeros(2, int)
    for size in np.array(sizes):
        chosen = np.concatenate([rows[k][start[k]:start[k] + size[k]] for k in (0, 1)])
        chosen = rng.permutation(chosen)
        parts.append((x[chosen], y[chosen]))
        start += size
    return parts


def digits(images, seed):
    """Which images are an 8, of which one in 200 is: as rare in training as in validation and in testing."""
    x = np.concatenate([images.x_train, images.x_test]).reshape(-1, 28 * 28)
    y = (np.concatenate([images.y_train, images.y_test]) == 8).astype(int)
    others = (y == 0).sum()
    small = min(9950, others // 4)
    sizes = [(count, max(2, count // 199)) for count in (small, small, others - 2 * small)]
    parts = parts_of(x, y, sizes, np.random.default_rng(seed))
    return [(x.astype("float32") / 255, y) for x, y in parts]


def complaints(texts, labels, seed):
    """Which reviews complain, from the most frequent 1- and 2-grams of characters of the training part."""
    from common.harness.reviews import grams_of, split, vocabulary_of

    parts = split(len(texts), (0.6, 0.15), seed)
    vocabulary = vocabulary_of([texts[row] for row in parts[0]], (1, 2), 4000)
    found = []
    for rows in parts:
        x = np.zeros((len(rows), len(vocabulary)), "float32")
        for i, row in enumerate(rows):
            known = grams_of(texts[row], (1, 2)) & vocabulary.keys()
            x[i, [vocabulary[gram] for gram in known]] = 1
        found.append((x, 1 - labels[rows]))
    return found


def train(parts, loss, weight, seed, epochs):
    """The probabilities that a network with one hidden layer gives to validation and test samples."""
    import keras

    keras.utils.set_random_seed(seed)
    x, y = parts[0]
    if weight == "balanced":
        weight = (len(y) - y.sum()) / y.sum()
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(64, activation="relu"),
                              keras.layers.Dense(1)])
    model.compile("adam", loss)
    model.fit(x, y, batch_size=64, epochs=epochs, sample_weight=np.where(y == 1, weight, 1.0), verbose=0)
    logits = [model.predict_on_batch(x)[:, 0] for x, _ in parts[1:]]
    return [1 / (1 + np.exp(-x.astype("float64"))) for x in logits]


def scores_of(parts, probabilities):
    """What the table has of one run."""
    from common.harness.metrics import class_scores

    (_, y_valid), (_, y_test) = parts[1:]
    valid, test = probabilities
    calibrated = class_scores(np.stack([1 - test, test], axis=1), y_test)
    return {
        "average_precision": average_precision(y_test, test),
        "f1_at_half": f1_at(y_test, test, 0.5),
        "f1_at_best": f1_at(y_test, test, best_threshold(y_valid, valid)),
        "recall_at_half": float((test >= 0.5)[y_test == 1].mean()),
        "cross_entropy": calibrated["cross_entropy"],
        "calibration_error": calibrated["calibration_error"],
    }


def draw(run, tasks):
    """For each task, F1 of each loss at ½ and at the validated threshold, and its average precision."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    shown = {"f1_at_half": ("x", "F1 at ½"), "f1_at_best": ("o", "F1 at the validated threshold"),
             "average_precision": ("|", "average precision")}
    for axes, (task, arms) in zip(panels, tasks.items()):
        for key, (marker, label) in shown.items():
            axes.plot([scores[key] for scores in arms.values()], list(arms), marker, label=label)
        axes.set(title=task)
        axes.grid(axis="y", linewidth=0.3)
    panels[0].invert_yaxis()
    panels[0].legend(fontsize=7)
    run.draw(figure)


def demo(config):
    """Ten losses on two tasks, from one seed; with --table from three."""
    from common.harness import datasets, further
    from common.harness.reviews import load_reviews

    images = datasets.load_images("digits" if config.smoke else "")
    texts, labels, data = load_reviews(config.data, config.smoke)
    run = further.start(config, "focal")
    seeds = range(config.seed, config.seed + (3 if config.table else 1))
    epochs, chosen = config.epochs, losses()
    if config.smoke:
        epochs, chosen = 1, {name: chosen[name] for name in list(chosen)[1::4]}
    makers = {"the digit 8, 1 in 200": lambda seed: digits(images, seed),
              "complaints, 1 in 3": lambda seed: complaints(texts, labels, seed)}
    rows, tasks, metrics = [], {}, {}
    for task, make in makers.items():
        found = {name: [] for name in chosen}
        for seed in seeds:
            parts = make(seed)
            for name, (loss, weight) in chosen.items():
                found[name].append(scores_of(parts, train(parts, loss, weight, seed, epochs)))
            print(f"{task}, seed {seed}: done", flush=True)
        tasks[task] = {}
        for name, runs in found.items():
            values = np.array([list(scores.values()) for scores in runs])
            rows.append([task, name, *map(further.mean_and_deviation, values.T)])
            tasks[task][name] = dict(zip(runs[0], values.mean(axis=0)))
            metrics |= {f"{key}, {task}, {name}": value for key, value in tasks[task][name].items()}
    run.table(["task", "loss", "average precision", "F1 at ½", "F1 at the validated threshold", "recall at ½",
               "cross-entropy", "calibration error"], rows)
    draw(run, tasks)
    data |= {"also": images.describe(), "builtin": data["builtin"] and images.builtin}
    run.finish(data, metrics)


def main():
    """The demo, python more/focal.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(demo, __doc__, epochs=(8, cli.Between(1, 1000), "Passes over the training samples."))


if __name__ == "__main__":
    main()
