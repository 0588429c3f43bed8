"""The networks by their parameter counts, pairs and their metrics by loops, prediction, wrong input."""

import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from capsule import compare, evaluate, pairs, predict, report, train
from capsule.classifier import Classifier
from capsule.train import BUILDERS, Config
from common.harness import cli
from common.harness.models import save_model
from common.harness.reading import InputError
from common.harness.writing import ROOT

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 28, 28), "uint8")
LABELS = np.arange(60) % 10


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Untrained models as .keras files; the one without routing is a stub whose scores are known."""
    folder = tmp_path_factory.mktemp("models")
    save_model(BUILDERS["dynamic"](), folder / "dynamic.keras")
    x = keras.Input((None, None, 1))
    mean = keras.layers.GlobalAveragePooling2D()(x)
    known = keras.layers.Dense(10, kernel_initializer="zeros", activation="sigmoid")
    save_model(keras.Model(x, known(mean), name="capsule_none"), folder / "none.keras")
    model = keras.models.load_model(folder / "none.keras", compile=False)
    model.layers[-1].bias.assign([-3, -3, 2, -3, -3, -3, -3, 1, -3, -3])
    save_model(model, folder / "none.keras")
    return folder


@pytest.mark.parametrize("name, parameters", [
    ("dynamic", 640 + 36_928 + 73_856 + 147_584 + 128 * 160),                # the article: 约27万
    ("none", 640 + 36_928 + 73_856 + 147_584 + 128 * 128 + 128 + 1290),
    ("em", 9 * 32 + 4 * 32 + 9 * 32 * 64 + 4 * 64 + 65 * 8 * 17
     + (9 * 8 * 16 * 16 + 32) + (9 * 16 * 16 * 16 + 32) + (16 * 10 * 16 + 20)),
])
def test_parameter_counts(name, parameters):
    assert BUILDERS[name]().count_params() == parameters


def test_what_sees_nothing_does_not_vote():
    """A digit over an empty half has the scores of the digit alone with the positions of its own pixels."""
    keras.utils.set_random_seed(0)
    both = [train.build_dynamic(skip_empty=skip) for skip in (True, False)]
    for layer in both[0].layers:
        for weight in layer.weights:
            weight.assign(RNG.normal(size=weight.shape) * 0.1)   # biases too: empty positions are no zeros
    both[1].set_weights(both[0].get_weights())
    skipping, voting = map(Classifier, both)
    image = np.zeros((1, 84, 28), "uint8")
    image[0, 30:50, 4:24] = RNG.integers(100, 256, (20, 20))
    taller = np.concatenate([image, np.zeros((1, 40, 28), "uint8")], axis=1)
    np.testing.assert_allclose(skipping.scores(taller), skipping.scores(image), atol=1e-5)
    assert np.abs(voting.scores(taller) - voting.scores(image)).max() > 1e-3
    _, couplings, shares = skipping.vote_maps(image)
    assert (shares[0, :, -1] == 0).all() and (shares[0, :, 10] != 0).all()
    assert np.isfinite(skipping.scores(np.zeros((1, 28, 28), "uint8"))).all()


def test_the_full_version_has_a_matrix_for_every_position():
    """4819 (4) and the last box of 5112 by a loop over the positions of one image, from its features on."""
    keras.utils.set_random_seed(0)
    model = train.build_dynamic(pixels=(28, 28), skip_empty=False)
    assert model.count_params() == 259_008 + 64 * 128 * 160
    features = keras.Model(model.inputs, model.get_layer("features").output)
    x = IMAGES[:1, :, :, None] / np.float32(255)
    u = features.predict(x, verbose=0)[0].reshape(64, 128).astype("float64")
    kernel = np.random.default_rng(1).normal(size=(64, 128, 10, 16))
    model.get_layer("classes").set_weights([kernel.reshape(64, 128, 160)])
    votes = np.zeros((64, 10, 16))
    for i, j in np.ndindex(64, 10):
        votes[i, j] = kernel[i, :, j].T @ u[i]                       # û_ij = W_ji u_i
    v = votes.sum(axis=0) / 10
    for _ in range(2):
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        e = np.exp(np.einsum("ijd,jd->ij", votes, v))
        v = np.einsum("ij,ijd->jd", e / e.sum(axis=1, keepdims=True), votes)
    square = (v ** 2).sum(axis=1)
    np.testing.assert_allclose(Classifier(model).scores(IMAGES[:1])[0], square / (0.5 + square), rtol=1e-3)


def test_the_full_version_is_asked_what_it_can_read(tmp_path):
    both = Classifier(train.build_dynamic(pixels=(56, 28)))
    assert set(report.metrics(both, IMAGES, LABELS)) == {
        "test_digit_beside_nothing_named_exactly", "test_accuracy_two_stacked",
        "test_accuracy_two_stacked_above_half", "test_accuracy_two_stacked_named_exactly"}
    one = Classifier(train.build_dynamic(pixels=(28, 28)))
    assert set(report.metrics(one, IMAGES, LABELS)) == {
        "test_accuracy_one_digit", "test_one_digit_named_exactly"}
    with pytest.raises(InputError, match="its own size alone, 28 × 28 pixels. Received: 56 × 28"):
        one.scores(np.concatenate([IMAGES, IMAGES], axis=1))
    report.pictures({"one": one, "any": Classifier(train.build_dynamic())}, IMAGES, LABELS, tmp_path)
    assert (tmp_path / "votes_any_stacked.png").exists() and not (tmp_path / "votes_one_stacked.png").exists()
    lengths, _, shares = both.vote_maps(np.concatenate([IMAGES[:2], IMAGES[2:4]], axis=1))
    s = shares.sum(axis=(2, 3)).astype("float64")
    np.testing.assert_allclose(lengths, s ** 2 / (0.5 + s ** 2), rtol=1e-3)


def test_the_window_is_what_a_position_sees():
    """A pixel changes the features of the positions whose window holds it, and no others."""
    model = train.build_dynamic()
    features = keras.Model(model.inputs, model.get_layer("features").output)
    blank = np.zeros((1, 40, 40, 1), "float32")
    dot = blank.copy()
    dot[0, 17, 22] = 1
    changed = np.abs(features.predict(dot, verbose=0) - features.predict(blank, verbose=0)).max(axis=-1) > 0
    window = keras.Model(model.inputs, model.get_layer("window").output).predict(dot, verbose=0)[..., 0] > 0
    assert window.shape == changed.shape and not (changed & ~window).any() and changed.sum() > 30


def test_a_digit_beside_nothing_is_above_or_below_it():
    both = pairs.beside_nothing(IMAGES)
    above = (both[:, 28:] == 0).all(axis=(1, 2))
    assert both.shape == (60, 56, 28) and 10 < above.sum() < 50
    np.testing.assert_array_equal(both[above, :28], IMAGES[above])
    np.testing.assert_array_equal(both[~above, 28:], IMAGES[~above])
    assert not both[~above, :28].any()


def test_named_exactly():
    found = np.array([[0.9, 0.1, 0.2], [0.9, 0.8, 0.1], [0.1, 0.2, 0.3]])
    assert report.named_exactly(found, np.array([0, 0, 2])) == pytest.approx(1 / 3)
    assert report.named_exactly(found, np.array([[0, 1], [0, 1], [1, 2]])) == pytest.approx(1 / 3)


def test_the_decoder_draws_from_the_capsule_of_the_class_alone():
    """Sabour et al., section 4.1: 160 numbers, 512, 1024, 784; drawings change with that capsule only."""
    model = train.with_decoder(BUILDERS["dynamic"](), 10)
    added = 160 * 512 + 512 + 512 * 1024 + 1024 + 1024 * 784 + 784
    assert model.count_params() == BUILDERS["dynamic"]().count_params() + added
    classifier = Classifier(model)
    labels = np.array([3, 7])
    drawn = classifier.drawings(IMAGES[:2], labels)
    assert drawn.shape == (2, 28, 28) and 0 < drawn.min() and drawn.max() < 1
    # the same by hand: a vector of zeros but for v_3, or v_7, through the three dense layers
    capsules = keras.Model(model.inputs[0], model.get_layer("classes").output)
    v = capsules.predict(train.as_inputs(IMAGES[:2]), verbose=0).astype("float64")
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for image, vectors, label in zip(drawn, v, labels):
        h = np.zeros(160)
        h[16 * label:16 * label + 16] = vectors[label]
        for layer in dense:
            kernel, bias = layer.get_weights()
            h = h @ kernel + bias
            h = 1 / (1 + np.exp(-h)) if layer is dense[-1] else np.maximum(h, 0)
        np.testing.assert_allclose(image.ravel(), h, atol=1e-4)


def test_a_model_with_a_decoder_classifies_as_without(tmp_path):
    model = train.with_decoder(BUILDERS["dynamic"](), 10)
    save_model(model, tmp_path / "model.keras")
    classifier = Classifier.load(tmp_path / "model.keras")
    plain = keras.Model(model.inputs[0], model.outputs[0], name="capsule_dynamic")
    np.testing.assert_allclose(classifier.scores(IMAGES[:3]), Classifier(plain).scores(IMAGES[:3]), rtol=1e-5)
    assert (classifier.routing, classifier.classes, classifier.draws) == ("dynamic", 10, True)
    assert not Classifier(plain).draws
    assert classifier.vote_maps(IMAGES[:2])[0].shape == (2, 10)


def test_what_is_drawn_is_the_image_before_it_moves():
    """The positions' votes are added, so where a digit stands is nothing that its capsule knows."""
    rng = np.random.default_rng(5)

    class Run:
        config = Config(reconstruction=0.0005, shift=2, epochs=1)
        epoch = 0

    (moved, y), (same_y, drawn) = train.preparation(Run, IMAGES, LABELS, 10)(IMAGES, LABELS, rng)
    np.testing.assert_allclose(drawn, IMAGES.reshape(60, 784) / 255, rtol=1e-6)
    assert moved.shape == (60, 28, 28, 1) and not np.allclose(moved[..., 0], drawn.reshape(60, 28, 28))
    np.testing.assert_array_equal(y, np.eye(10)[LABELS])
    assert y is same_y


def test_the_loss_of_the_decoder_is_a_sum_over_the_pixels():
    """margin loss + 0.01 Σ (x − x̂)², a mean over the images, as a compiled model says it."""
    config = Config(reconstruction=0.01)
    lengths, drawn = RNG.uniform(0, 1, (4, 10)), RNG.uniform(0, 1, (4, 784))
    y, x = np.eye(10)[[1, 2, 3, 4]], RNG.uniform(0, 1, (4, 784))
    inputs = [keras.Input((10,)), keras.Input((784,))]
    outputs = [keras.layers.Identity(name=name)(i) for name, i in zip(("length", "drawn"), inputs)]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", **train.objective(config))
    expected = 0
    for b in range(4):
        for c in range(10):
            too_short, too_long = max(0, 0.9 - lengths[b, c]), max(0, lengths[b, c] - 0.1)
            expected += (too_short ** 2 if y[b, c] else 0.25 * too_long ** 2) / 4
        expected += 0.01 * sum((x[b, i] - drawn[b, i]) ** 2 for i in range(784)) / 4
    found = model.evaluate([lengths, drawn], [y, x], batch_size=4, verbose=0)
    assert found[0] == pytest.approx(expected, rel=1e-4)


def test_training_with_a_decoder_draws_pictures(tmp_path):
    np.savez(tmp_path / "few.npz", x_train=IMAGES, x_test=IMAGES[:12], y_train=LABELS, y_test=LABELS[:12])
    config = Config(data=str(tmp_path / "few.npz"), epochs=1, batch_size=20, out=tmp_path, images=50,
                    reconstruction=0.0005)
    run = train.train(config)
    assert run.path("drawings.png").stat().st_size > 1000
    assert set(run.state["log"][0]) >= {"length_loss", "drawn_loss", "val_length_loss"}
    assert run.state["best"] == run.state["log"][0]["val_length_loss"]
    assert Classifier.load(run.folder).draws


def test_partners_have_different_labels():
    labels, others = RNG.integers(0, 4, 200), np.array([0, 0, 0, 1, 2, 3])
    rows = pairs.partners(labels, others, 2, RNG)
    assert all(len({label, *others[row]}) == 3 for label, row in zip(labels, rows))
    assert pairs.partners(labels[:1], others, 3, RNG).shape == (1, 3)     # one image, all four classes


def test_training_images_of_several_digits():
    images, labels = train.stack(IMAGES[:7], LABELS[:7], 3, np.random.default_rng(1), (IMAGES, LABELS))
    rows = pairs.partners(LABELS[:7], LABELS, 2, np.random.default_rng(1))
    assert images.shape == (7, 84, 28) and labels.shape == (7, 3)
    for i, (image, row) in enumerate(zip(images, rows)):
        np.testing.assert_array_equal(image, np.concatenate([IMAGES[i], *IMAGES[row]]))
        assert labels[i].tolist() == [LABELS[i], *LABELS[row]]
    y = train.targets(labels, 10, 0.5)
    assert all(set(np.flatnonzero(target)) == set(row) for target, row in zip(y, labels))
    assert set(np.unique(y)) == {0, 0.5}
    within, labels = train.stack(IMAGES, LABELS, 2, RNG)
    assert within.shape == (60, 56, 28) and (labels[:, 0] != labels[:, 1]).all()
    alone, same = train.stack(IMAGES, LABELS, 1, RNG)
    np.testing.assert_array_equal(alone, IMAGES)
    np.testing.assert_array_equal(same[:, 0], LABELS)


def test_training_images_move_by_at_most_so_many_pixels():
    images = np.repeat(IMAGES[:1, :9, :7], 500, axis=0)
    seen = set()
    for image in train.random_shift(images, 2, RNG):
        found = [(y, x) for y in range(-2, 3) for x in range(-2, 3)
                 if (image == np.pad(images[0], 2)[2 + y:2 + y + 9, 2 + x:2 + x + 7]).all()]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) == 25
    np.testing.assert_array_equal(train.random_shift(IMAGES, 0, RNG), IMAGES)


def test_stacked_pairs_are_two_test_images_with_different_labels():
    images, labels = pairs.stacked_pairs(IMAGES, LABELS, seed=3)
    order = np.random.default_rng(3).permutation(60)
    expected = [(i, order[i]) for i in range(60) if LABELS[i] != LABELS[order[i]]]
    assert [tuple(pair) for pair in labels] == [(LABELS[i], LABELS[j]) for i, j in expected]
    for image, (i, j) in zip(images, expected):
        np.testing.assert_array_equal(image, np.concatenate([IMAGES[i], IMAGES[j]]))


def test_overlapping_pairs_hold_both_images_shifted_by_at_most_eight_pixels():
    """Each pair again by search: some two shifts of the two images give the canvas."""
    small = RNG.integers(1, 256, (6, 4, 5), "uint8")
    images, labels = pairs.overlapping_pairs(small, np.arange(6), seed=1)
    order = np.random.default_rng(1).permutation(6)
    expected = [(i, order[i]) for i in range(6) if i != order[i]]
    assert images.shape[1:] == (12, 13) and [tuple(pair) for pair in labels] == expected

    def shifted(image):
        for y, x in np.ndindex(9, 9):
            canvas = np.zeros((12, 13), "uint8")
            canvas[y:y + 4, x:x + 5] = image
            yield canvas

    for image, (i, j) in zip(images, expected):
        assert any((np.maximum(a, b) == image).all() for a in shifted(small[i]) for b in shifted(small[j]))


def test_pair_accuracy_is_the_articles():
    found = np.array([[0.9, 0.8, 0.1], [0.9, 0.4, 0.1], [0.9, 0.1, 0.8], [0.6, 0.1, 0.7]])
    shown = np.array([[1, 0], [0, 1], [0, 1], [0, 2]])
    assert report.pair_accuracy(found, shown) == (0.75, 0.5, 0.25)
    found[0, 2] = 0.75                                       # a third one is named
    assert report.pair_accuracy(found, shown) == (0.75, 0.5, 0.0)


def test_other_rounds_of_the_same_weights(tmp_path, monkeypatch):
    """--routings R answers as a model that was built with R rounds; pooling has none."""
    keras.utils.set_random_seed(0)
    models = {r: train.build_dynamic(routings=r) for r in (3, 1)}
    models[1].set_weights(models[3].get_weights())
    for layer in (models[1], models[3]):
        layer.get_layer("classes").set_weights([np.random.default_rng(1).normal(size=(128, 160))])
    save_model(models[3], tmp_path / "three.keras")
    np.savez(tmp_path / "few.npz", x_train=IMAGES, x_test=IMAGES[:12], y_train=LABELS, y_test=LABELS[:12])
    seen = []

    def metrics(classifier, images, _):
        seen.append(classifier.scores(images))
        return {}

    monkeypatch.setattr(report, "metrics", metrics)
    for routings in (0, 1):
        evaluate.evaluate(evaluate.Config(tmp_path / "three.keras", str(tmp_path / "few.npz"), routings))
    for r, scores in zip((3, 1), seen):
        np.testing.assert_allclose(scores, Classifier(models[r]).scores(IMAGES[:12]), rtol=1e-4)
    assert np.abs(seen[0] - seen[1]).max() > 1e-3
    save_model(BUILDERS["none"](), tmp_path / "none.keras")
    with pytest.raises(InputError, match="a model with dynamic routing. Received: one with none"):
        evaluate.evaluate(evaluate.Config(run=tmp_path / "none.keras", routings=2))


def test_vote_maps_sum_to_what_they_say():
    classifier = Classifier(BUILDERS["dynamic"]())
    images = np.concatenate([IMAGES[:2], IMAGES[2:4]], axis=1)
    lengths, couplings, shares = classifier.vote_maps(images)
    assert couplings.shape == shares.shape == (2, 10, 22, 8)
    np.testing.assert_allclose(couplings.sum(axis=1), 1, rtol=1e-4)
    s = shares.sum(axis=(2, 3)).astype("float64")
    np.testing.assert_allclose(lengths, s ** 2 / (0.5 + s ** 2), rtol=1e-3)
    np.testing.assert_allclose(lengths, classifier.scores(images), rtol=1e-3, atol=1e-4)


def picture(path, height, width, invert=False):
    pixels = np.zeros((height, width), "uint8")
    pixels[height // 4:height // 2, width // 3:width // 2] = 200
    Image.fromarray(255 - pixels if invert else pixels).save(path)
    return path


def test_predict_names_digits_with_their_scores(saved, tmp_path, capsys):
    paths = (picture(tmp_path / "a.png", 40, 28), picture(tmp_path / "b.png", 280, 140))
    # the stub's scores do not depend on the picture
    predict.predict(predict.Config(paths, saved / "none.keras"))
    predict.predict(predict.Config(paths[:1], saved / "none.keras", digits=3))
    predict.predict(predict.Config(paths[:1], saved / "none.keras", threshold=0.95))
    lines = [line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["2 (0.88), 7 (0.73)", "2 (0.88), 7 (0.73)", "2 (0.88), 7 (0.73), 0 (0.05)",
                     "no digit above 0.95; most likely 2 (0.88)"]


def drawn(path, pixels):
    Image.fromarray(pixels.astype("uint8")).save(path)
    return predict.read(path)


def test_pictures_are_read_as_mnist_has_them(tmp_path):
    """However a pair is photographed, it becomes what it was in MNIST: 20 pixels, bright, 4 black around."""
    one, other = np.zeros((2, 28, 28), "uint8")
    one[4:24, 8:20] = other[4:24, 10:18] = 255
    plain = np.concatenate([one, other])
    np.testing.assert_array_equal(drawn(tmp_path / "a.png", plain), plain)
    faint = plain * (80 / 255)
    for pixels in (255 - plain, faint + 30, 200 - faint,                         # ink on paper, faint ink
                   np.pad(plain, ((50, 9), (7, 40))), plain[3:53, 7:21],         # wide margins, and none
                   np.insert(plain, [28] * 60, 0, axis=0),                       # a wide gap
                   np.kron(plain, np.ones((7, 7)))):
        np.testing.assert_allclose(drawn(tmp_path / "b.png", pixels), plain, atol=60)
    thin = np.zeros((28, 28))
    thin[4:24, 13:15] = 255
    np.testing.assert_array_equal(drawn(tmp_path / "c.png", np.pad(thin, 30)), thin)
    assert drawn(tmp_path / "d.png", np.concatenate([one, one], axis=1)).shape == (28, 40)     # side by side


def test_pictures_that_are_stored_in_other_ways(tmp_path):
    plain = predict.read(picture(tmp_path / "a.png", 56, 28))
    deep = Image.fromarray(plain.astype("uint16") * 200)
    deep.save(tmp_path / "16 bits.png")
    np.testing.assert_allclose(predict.read(tmp_path / "16 bits.png"), plain, atol=1)
    for ink in (0, 255):                                     # on a transparent ground, bright or dark
        clear = np.dstack([np.full_like(plain, ink), plain])
        Image.fromarray(clear).save(tmp_path / f"ink {ink}.png")
        np.testing.assert_allclose(predict.read(tmp_path / f"ink {ink}.png"), plain, atol=1)
    lying = Image.fromarray(plain).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6                     # the camera was turned: shown, the picture is rotated clockwise
    lying.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(predict.read(tmp_path / "turned.png"), plain)


@pytest.mark.parametrize("settings, message", [
    ({"images": ()}, "paths of one or more pictures"),
    ({"images": ("missing.png",)}, "should be a picture"),
    ({"images": ("text.png",)}, "should be a picture"),
    ({"images": ("small.png",)}, "digits of at least 8 pixels. Received: 5"),
    ({"images": ("long.png",)}, "at most 20 digits in a row"),
    ({"images": ("blank.png",)}, "should show digits.*Received: one grey from 0 to 20"),
    ({"digits": 11}, "--digits expects 0 to 10.*Received: 11"),
    ({"threshold": 1.5}, "--threshold expects 0 to 1. Received: 1.5"),
    ({"run": ROOT / "vae/weights/vae.keras"}, "is not a model|expected a model trained by capsule/train.py"),
])
def test_wrong_input_of_predict(saved, tmp_path, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    for name, height, width in [("good.png", 40, 28), ("small.png", 20, 20)]:
        picture(tmp_path / name, height, width)
    row = np.zeros((28, 28 * 30), "uint8")
    row[4:24].reshape(20, 30, 28)[:, :, 4:24] = 255
    Image.fromarray(row).save("long.png")
    Image.fromarray(row // 255 * 20).save("blank.png")
    given = {"images": ("good.png",), "run": saved / "none.keras"} | settings
    with pytest.raises(InputError, match=message):
        predict.predict(cli.settle(predict.Config(**given)))


@pytest.mark.parametrize("settings, message", [
    ({"shift": -1}, "--shift expects 0 to 27. Received: -1"),
    ({"data": "PLAIN"}, "needs labels"),
    ({"data": "HALF"}, "needs labels: --data with y_train and y_test"),
    ({"data": "WIDE"}, r"\(n, 28, 28\).*Received: uint8 of shape \(60, 28, 30\)"),
])
def test_wrong_input_of_train(tmp_path, settings, message):
    np.savez(tmp_path / "plain.npz", x_train=IMAGES, x_test=IMAGES)
    wide = np.pad(IMAGES, [(0, 0), (0, 0), (1, 1)])
    np.savez(tmp_path / "wide.npz", x_train=wide, x_test=wide, y_train=LABELS, y_test=LABELS)
    np.savez(tmp_path / "half.npz", x_train=IMAGES, x_test=IMAGES, y_train=LABELS)
    files = {name: str(tmp_path / f"{name.lower()}.npz") for name in ("PLAIN", "HALF", "WIDE")}
    settings = {"data": "digits"} | {key: files.get(value, value) for key, value in settings.items()}
    with pytest.raises(InputError, match=message):
        train.train(cli.settle(Config(out=tmp_path / "out", **settings)))
    assert not (tmp_path / "out").exists()


def test_compare_puts_runs_together_that_differ_in_their_seed_alone(saved, tmp_path, capsys):
    np.savez(tmp_path / "few.npz", x_train=IMAGES, x_test=IMAGES[:12], y_train=LABELS, y_test=LABELS[:12])
    folders = [tmp_path / name for name in ("a", "b", "c")]
    configs = [{"digits": 1, "seed": 0}, {"digits": 1, "seed": 1}, {"digits": 2, "seed": 0}]
    for folder, config in zip(folders, configs):
        folder.mkdir()
        shutil.copy(saved / "none.keras", folder / "model.keras")
        (folder / "config.json").write_text(json.dumps(config))
    compare.compare(compare.Config(tuple(folders), str(tmp_path / "few.npz"), tmp_path / "out"))
    titles = [line for line in capsys.readouterr().out.splitlines() if line.startswith(str(tmp_path))]
    assert titles == [f"{folders[0]}, {folders[1]}", str(folders[2])]


def test_compare_writes_a_table_and_pictures(saved, tmp_path, capsys):
    np.savez(tmp_path / "few.npz", x_train=IMAGES, x_test=IMAGES[:12], y_train=LABELS, y_test=LABELS[:12])
    models = (saved / "dynamic.keras", saved / "none.keras")
    compare.compare(compare.Config(models, str(tmp_path / "few.npz"), tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "table.json", "stacked.png", "overlapping.png",
        "votes_dynamic_stacked.png", "votes_dynamic_overlapping.png"}
    assert "test_accuracy_two_stacked" in capsys.readouterr().out


def test_the_margin_of_em_routing_rises_over_the_epochs(monkeypatch, tmp_path):
    """What model.fit is given: targets of 0.2 in the first epoch, of 0.9 from the middle on."""
    seen = {}

    def fit(self, batches, validation_data, **_):
        seen["validation"] = validation_data[1].max()
        seen["epochs"] = []
        for epoch in range(4):
            batches.run.state["epoch"] = epoch
            seen["epochs"].append(float(batches[0][1].max()))
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        train.train(Config(epochs=4, routing="em", data="digits", out=tmp_path, batch_size=10))
    assert seen["validation"] == pytest.approx(0.9) and seen["epochs"] == pytest.approx([0.2, 0.55, 0.9, 0.9])
