"""The metrics of results.json and the pictures of the article for trained models: one digit, and two."""

import numpy as np
from matplotlib.figure import Figure

from capsule.pairs import NAMED, PAIRS, beside_nothing, k_hot
from common.harness.writing import write_figure

# ---------------------------------------------------------------------------------------------------- metrics


def pair_accuracy(found, pairs):
    """Three shares of the images: their two highest scores are the two digits; both are above 0.5 besides;
    these two digits and no others are above NAMED."""
    top = np.argsort(found, axis=1)[:, -2:]
    right = (np.sort(top, axis=1) == np.sort(pairs, axis=1)).all(axis=1)
    sure = np.take_along_axis(found, top, axis=1).min(axis=1) > 0.5
    return right.mean(), (right & sure).mean(), named_exactly(found, pairs)


def named_exactly(found, labels):
    """The share of the images of whose classes those that are there, and no others, are above NAMED."""
    return ((found > NAMED) == k_hot(labels, found.shape[1]).astype(bool)).all(axis=1).mean()


def metrics(classifier, images, labels):
    """Accuracies of one model on test images, for results.json: one digit, one beside nothing, two stacked,
    two overlapping. What is of another size than the model takes is left out."""
    result = {}
    if classifier.takes(images):
        found = classifier.scores(images)
        result["test_accuracy_one_digit"] = (found.argmax(axis=1) == labels).mean()
        result["test_one_digit_named_exactly"] = named_exactly(found, labels)
    halved = beside_nothing(images)
    if classifier.takes(halved):
        result["test_digit_beside_nothing_named_exactly"] = named_exactly(classifier.scores(halved), labels)
    for name, make in PAIRS.items():
        both, pairs = make(images, labels)
        if len(pairs) and classifier.takes(both):
            right, sure, exactly = pair_accuracy(classifier.scores(both), pairs)
            result[f"test_accuracy_two_{name}"] = right
            result[f"test_accuracy_two_{name}_above_half"] = sure
            result[f"test_accuracy_two_{name}_named_exactly"] = exactly
    return result


# --------------------------------------------------------------------------------------------------- pictures

def pictures(classifiers, images, labels, folder):
    """Answers of the models, a dict by name, to two digits; where votes come from in dynamic routing; and
    what a decoder draws."""
    for name, make in PAIRS.items():
        both, pairs = make(images, labels)
        taking = {key: classifier for key, classifier in classifiers.items() if classifier.takes(both)}
        if not len(pairs) or not taking:
            continue
        save_answers(taking, both, pairs, folder / f"{name}.png")
        for model_name, classifier in taking.items():
            if classifier.capsule:
                save_vote_maps(classifier, both[:4], folder / f"votes_{model_name}_{name}.png")
            if classifier.draws and name == "stacked":
                save_drawings(classifier, both[:8], folder / "drawings.png")


def save_vote_maps(classifier, images, path):
    """For each image: couplings, from 0 to 1, and shares of the two classes with the highest scores."""
    lengths, couplings, shares = classifier.vote_maps(images)
    figure = Figure(figsize=(8, 1.9 * len(images)), layout="constrained")
    for row, axes in enumerate(figure.subplots(len(images), 5, squeeze=False)):
        axes[0].imshow(images[row], cmap="gray")
        for column, j in enumerate(np.argsort(-lengths[row])[:2]):
            coupling, share = axes[column + 1], axes[column + 3]
            coupling.imshow(couplings[row, j], "viridis", vmin=0, vmax=1)
            coupling.set_title(f"coupling to {j}", fontsize="small")
            share.imshow(shares[row, j], "viridis")
            share.set_title(f"share in {j}: {lengths[row, j]:.2f}", fontsize="small")
        for axis in axes:
            axis.set_axis_off()
    _save(figure, path)


def save_drawings(classifier, images, path):
    """Images of two digits; below each, what the capsules of its two best classes hold of them."""
    best = np.argsort(-classifier.scores(images), axis=1)[:, :2]
    figure = Figure(figsize=(1.1 * len(images), 4.6), layout="constrained")
    axes = figure.subplots(3, len(images), squeeze=False, height_ratios=[2, 1, 1])
    for axis, image in zip(axes[0], images):
        axis.imshow(image, cmap="gray")
    for row, labels in zip(axes[1:], best.T):
        for axis, drawn, label in zip(row, classifier.drawings(images, labels), labels):
            axis.imshow(drawn, cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"{label}", fontsize="small")
    for axis in axes.flat:
        axis.set_axis_off()
    _save(figure, path)


def save_answers(classifiers, images, pairs, path, columns=10):
    """Two-digit images with the answer of each model below: its two best classes and their scores."""
    answers = {name: classifier.scores(images[:columns]) for name, classifier in classifiers.items()}
    figure = Figure(figsize=(1.15 * columns, 1.7 + 0.35 * len(classifiers)), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for column, axis in enumerate(axes[:len(images)]):
        axis.imshow(images[column], cmap="gray")
        lines = [answer(name, found[column], pairs[column]) for name, found in answers.items()]
        axis.set_title("\n".join(lines), fontsize=7)
    for axis in axes:
        axis.set_axis_off()
    _save(figure, path)


def answer(name, scores, pair):
    """Two lines: the model and whether it is right, its two best classes and their scores."""
    best = np.argsort(-scores)[:2]
    mark = "✓" if set(best) == set(pair) else "✗"
    return f"{name} {mark}\n" + " ".join(f"{j}:{scores[j]:.2f}" for j in best)


def _save(figure, path):
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))
