"""more/spectra.py against float64 NumPy, counts by hand and brute force, and its files."""

import keras
import numpy as np
import pytest

from common.harness import spectra as files
from common.harness.models import save_model
from common.harness.reading import InputError
from more import spectra
from tests.articles import ROOT, last_line, run

POINTS = 130


def test_the_network_has_the_article_s_parameters():
    """Counted from its listing: three convolutions of 2f, a 1×1 one where f changes, 128 and 4 units."""
    expected, channels = 0, 1
    for f in (16, 16, 32, 32, 64, 64, 128, 128):
        expected += (3 * channels + 1) * 2 * f + 2 * (3 * f + 1) * 2 * f
        expected += (channels + 1) * f if channels != f else 0
        channels = f
    expected += 128 * 128 + 128 + 128 * 4 + 4
    assert expected == 748_324
    model = spectra.build_classifier()
    assert model.count_params() == expected
    assert model.layers[-4].input.shape == (None, 20, 128)               # 2,600 points after seven poolings


def convolved(x, kernel, bias, dilation):
    """A "same" convolution in float64, one step after the other."""
    y = np.zeros((*x.shape[:2], kernel.shape[2])) + bias
    for step in range(x.shape[1]):
        for tap in range(3):
            place = step + (tap - 1) * dilation
            if 0 <= place < x.shape[1]:
                y[:, step] += x[:, place] @ kernel[tap]
    return y


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_folded_convolution_is_the_sum_of_two(dilation):
    layer = spectra.FoldedConv1D(3, dilation_rate=dilation)
    x = np.random.default_rng(0).normal(size=(2, 11, 4))
    found = np.array(layer(x.astype("float32")))
    kernel, bias = (np.array(part, "float64") for part in layer.get_weights())
    halves = [np.maximum(convolved(x, kernel[..., half], bias[half], dilation), 0)
              for half in (slice(3), slice(3, 6))]
    np.testing.assert_allclose(found, halves[0] + halves[1], rtol=1e-4, atol=1e-5)


def test_padding_that_is_masked_changes_nothing():
    layer = spectra.FoldedConv1D(3, dilation_rate=2)
    x = np.random.default_rng(0).normal(size=(2, 8, 4)).astype("float32")
    longer = np.concatenate([x, np.full((2, 5, 4), 7.0, "float32")], axis=1)
    mask = np.arange(13)[None].repeat(2, axis=0) < 8
    found = np.array(layer(longer, mask=mask))
    np.testing.assert_allclose(found[:, :8], layer(x), atol=1e-5)
    assert not found[:, 8:].any()


def test_the_layer_saves_and_refuses_other_inputs(tmp_path):
    layer = spectra.FoldedConv1D(3, 5, 2, "tanh", dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input((9, 2)), layer])
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 9, 2)).astype("float32")
    np.testing.assert_array_equal(np.array(copy(x), "float32"), np.array(model(x), "float32"))
    assert copy.layers[0].get_config() == model.layers[0].get_config()
    for wrong in (np.zeros((2, 9, 3)), np.zeros((2, 9))):
        with pytest.raises(ValueError):
            model.layers[0](wrong)


def test_dropout_takes_whole_steps():
    x = keras.Input((6, 4))
    model = keras.Model(x, keras.layers.Dropout(0.5, noise_shape=(None, None, 1))(x))
    found = np.array(model(np.ones((50, 6, 4), "float32"), training=True))
    assert set(np.unique(found)) == {0.0, 2.0} and (found == found[:, :, :1]).all()
    assert 0 < (found[:, :, 0] > 0).mean() < 1 and (found[0] != found[1:]).any()


def soft_f1(y, logits, w):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    total = 0
    for k in range(logits.shape[1]):
        above = below = 0
        for i in range(len(y)):
            above += w[i] * (y[i] == k) * p[i, k]
            below += w[i] * ((y[i] == k) + p[i, k])
        total += 2 / logits.shape[1] * above / below
    return -np.log(total)


@pytest.mark.parametrize("form", ["numbers", "column", "one-hot"])
@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 2.0, 4.0)])
def test_the_loss_is_the_formula(form, weights):
    rng = np.random.default_rng(0)
    y, logits, sample = rng.integers(4, size=9), rng.normal(size=(9, 4)), rng.random(9)
    w = np.ones(9) if weights is None else np.array(weights)[y]
    targets = {"numbers": y, "column": y[:, None], "one-hot": np.eye(4)[y]}[form]
    loss = spectra.MacroF1Loss(weights)
    loss = keras.losses.deserialize(keras.losses.serialize(loss))
    logits32 = logits.astype("float32")
    assert float(loss(targets, logits32)) == pytest.approx(soft_f1(y, logits, w), rel=1e-5)
    assert float(loss(targets, logits32, sample)) == pytest.approx(soft_f1(y, logits, w * sample), rel=1e-5)


def test_the_loss_of_certain_answers_is_that_of_the_counts():
    rng = np.random.default_rng(0)
    y, said = rng.integers(4, size=200), rng.integers(4, size=200)
    loss = spectra.MacroF1Loss()(y, 1000 * np.eye(4, dtype="float32")[said])
    assert float(loss) == pytest.approx(-np.log(spectra.macro_f1(y, said)[0]), rel=1e-4)


def test_weights_turn_quotas_into_natural_shares():
    """With w = share / quota, a batch of quotas has the loss of all samples."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2, 3], (800, 100, 60, 40))
    logits = rng.normal(size=(1000, 4)) + 2 * np.eye(4)[y]
    rows = np.concatenate([np.flatnonzero(y == k)[:40] for k in range(4)])
    logits[:] = np.eye(4)[y] * 2                    # alike within a class, so that 40 stand for all of it
    weights = np.array([0.8, 0.1, 0.06, 0.04]) / 0.25
    found = spectra.MacroF1Loss(weights)(y[rows], logits[rows].astype("float32"))
    assert float(found) == pytest.approx(soft_f1(y, logits, np.ones(1000)), rel=1e-4)


def test_a_class_that_is_nowhere_leaves_the_gradient_finite():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model.compile("sgd", spectra.MacroF1Loss())
    model.fit(np.ones((4, 3)), np.zeros(4, int), verbose=0)
    assert all(np.isfinite(part).all() for part in model.get_weights())


@pytest.mark.parametrize("y, logits, weights, message", [
    (np.zeros((4, 3)), np.zeros((4, 4)), None, "the loss expects logits"),
    (np.zeros(4), np.zeros((4, 5, 4)), None, "the loss expects logits"),
    (np.zeros(4), np.zeros((4, 4)), (1, 2), "class_weights expects 4 numbers")])
def test_what_the_loss_refuses(y, logits, weights, message):
    with pytest.raises(ValueError, match=message):
        spectra.MacroF1Loss(weights)(y, logits.astype("float32"))


def test_macro_f1_is_scikit_learn_s():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    y, said = rng.integers(4, size=300), rng.integers(4, size=300)
    mean, each = spectra.macro_f1(y, said)
    np.testing.assert_allclose(each, f1_score(y, said, average=None))
    assert mean == pytest.approx(each.mean())
    assert spectra.macro_f1(np.zeros(5, int), np.zeros(5, int))[1].tolist() == [1, 0, 0, 0]


def test_batches_have_their_quotas():
    y = np.array([0] * 50 + [1] * 5 + [2] * 2 + [3])
    batches = spectra.QuotaBatches(np.arange(58), y, (8, 4, 2, 1), steps=3)
    for i in range(len(batches)):
        x, labels = batches[i]
        assert np.bincount(labels).tolist() == [8, 4, 2, 1] and (y[x] == labels).all()
    first = batches[0][0].tolist()
    batches.on_epoch_end()
    assert batches[0][0].tolist() != first
    with pytest.raises(ValueError, match=r"Received: none of \[3\]"):
        spectra.QuotaBatches(np.arange(57), y[:57], (8, 4, 2, 1))


# ---------------------------------------------------------------------------------------------- resampling

def test_resampling_is_the_mean_in_a_bin_by_brute_force():
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(3800, 9100, 700))
    y = rng.normal(size=700).cumsum()
    grid = np.linspace(3900, 9000, 90)
    fine = np.linspace(-0.5, 0.5, 20_001) * (grid[1] - grid[0])
    expected = [np.interp(point + fine, x, y).mean() for point in grid]
    order = rng.permutation(700)
    found, covered = files.resample(x[order], y[order], grid)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert covered == 1


@pytest.mark.parametrize("points", [40, 400, 5000])
def test_a_straight_line_stays_one_at_any_sampling(points):
    x = np.linspace(3000, 10_000, points)
    grid = np.linspace(*spectra.ENDS, POINTS)
    found, _ = files.resample(x, 2 * x + 1, grid)
    np.testing.assert_allclose(found, 2 * grid + 1, rtol=1e-5)


def test_points_that_are_not_finite_are_left_out_and_the_rest_is_covered():
    x = np.linspace(3900, 6450, 100)
    y = np.where(np.arange(100) == 50, np.nan, 5.0)
    found, covered = files.resample(x, y, np.linspace(*spectra.ENDS, 1000))
    assert covered == pytest.approx(0.5, abs=0.002) and (found == 5).all()


def test_synthetic_spectra_have_their_classes_and_lines():
    flux, labels = spectra.synthesize((6, 4, 3, 2), 650, 0)
    assert flux.shape == (15, 650) and np.isfinite(flux).all()
    assert np.bincount(labels).tolist() == [6, 4, 3, 2]
    assert (flux == spectra.synthesize((6, 4, 3, 2), 650, 0)[0]).all()
    x, rng = np.linspace(4000, 5000, 2001), np.random.default_rng(0)
    hot, cool = spectra.star(x, rng, 9500), spectra.star(x, rng, 4500)
    depth = [1 - spectrum[np.abs(x - 4861) < 3].min() / spectrum[np.abs(x - 4800) < 3].mean()
             for spectrum in (hot, cool)]
    assert depth[0] > 0.4 > 0.15 > depth[1]


# --------------------------------------------------------------------------------------------------- files

def spectrum_files(folder):
    """One spectrum in each form, and the wavelengths and fluxes in them."""
    x = np.linspace(3800, 9200, 500)
    y = 10 + np.sin(x / 300)
    rows = "".join(f"{a:.3f},{b:.5f}\n" for a, b in zip(x, y))
    (folder / "plain.csv").write_text(rows)
    sdss = "".join(f"{a:.3f},{b:.5f},1.0,0.0\n" for a, b in zip(x, y))
    (folder / "sdss.csv").write_text("Wavelength,Flux,BestFit,SkyFlux\n" + sdss)
    swapped = "".join(f"{b:.5f};{a:.3f}\n" for a, b in zip(x, y))
    (folder / "swapped.csv").write_text("flux;wavelength\n" + swapped)
    np.savez(folder / "arrays.npz", wavelength=x, flux=y)
    return x, y


def test_all_forms_are_read_alike(tmp_path):
    x, y = spectrum_files(tmp_path)
    grid = np.linspace(*spectra.ENDS, POINTS)
    expected, _ = files.resample(x, y, grid)
    for name in ("plain.csv", "sdss.csv", "swapped.csv", "arrays.npz"):
        found = files.on_grid(tmp_path / name, POINTS, spectra.ENDS)
        np.testing.assert_allclose(found, expected, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("name, content, message", [
    ("a.csv", "", "two numbers in each row"),
    ("a.csv", "name,flux\n1,2\n", "a header with the columns wavelength and flux"),
    ("a.csv", "5000,1\nx,2\n" * 20, "no two numbers in 'x,2'"),
    ("a.csv", "".join(f"{i},1\n" for i in range(400, 900)), "multiply nm by 10"),
    ("a.csv", "".join(f"{i},nan\n" for i in range(4000, 9000)), "at least 10 different wavelengths"),
    ("a.csv", "".join(f"{i},1\n" for i in range(4000, 4500)), "at least half"),
    ("a.txt", "1,2,x" * 20, "numbers with commas between them"),
    ("a.npz", "no archive", "an .npz file with the arrays wavelength and flux"),
])
def test_what_is_no_spectrum(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as error:
        files.on_grid(tmp_path / name, POINTS, spectra.ENDS)
    assert "Received: " in str(error.value) and "\n" not in str(error.value)


def contest_folder(folder, ending=".txt"):
    """A folder in the contest's form, or SDSS's, of few synthetic spectra."""
    flux, labels = spectra.synthesize((16, 8, 8, 8), POINTS, 0)
    x = np.linspace(*spectra.ENDS, POINTS)
    rows = ["id,type"]
    for i, (row, label) in enumerate(zip(flux, labels)):
        rows.append(f"{i},{spectra.CLASSES[label].upper()}")
        text = ",".join(f"{value:.4f}" for value in row)
        if ending == ".csv":
            text = "Wavelength,Flux\n" + "".join(f"{a},{b}\n" for a, b in zip(x, row))
        (folder / f"{i}{ending}").write_text(text)
    (folder / "index.csv").write_text("\n".join(rows))
    return flux, labels


@pytest.mark.parametrize("ending", [".txt", ".csv"])
def test_folders_are_read(ending, tmp_path):
    flux, labels = contest_folder(tmp_path, ending)
    found, kinds = files.read_folder(tmp_path, spectra.CLASSES, POINTS, spectra.ENDS, 30, 1)
    assert found.shape == (30, POINTS)
    order = np.random.default_rng(1).permutation(40)[:30]
    assert (kinds == labels[order]).all()
    inner = slice(1, -1)                            # at its ends the grid's bins reach beyond the spectrum
    x = np.linspace(*spectra.ENDS, POINTS)
    expected, _ = files.resample(x, flux[order[0]].astype("float64"), x)
    np.testing.assert_allclose(found[0][inner], expected[inner], rtol=1e-3, atol=0.02)


def test_a_folder_without_a_file_that_it_names(tmp_path):
    contest_folder(tmp_path)
    (tmp_path / "3.txt").unlink()
    with pytest.raises(InputError, match="should hold 3.txt, .csv or .npz"):
        files.read_folder(tmp_path, spectra.CLASSES, POINTS, spectra.ENDS, 100, 0)


def answer(name, folder):
    """What --predict prints: (class, probability) in each line."""
    result = run("more/spectra.py", "--predict", name, "--run", folder)
    rows = [row.split() for row in result.stdout.splitlines()]
    return [(row[0], float(row[1])) for row in rows if len(row) == 2 and row[0] in spectra.CLASSES]


def test_a_file_is_answered_by_the_model_of_a_run(tmp_path):
    keras.utils.set_random_seed(0)
    model = spectra.build_classifier(POINTS)
    save_model(model, tmp_path / "model.keras")
    (tmp_path / "config.json").write_text('{"scaling": "rms"}')
    x, y = spectrum_files(tmp_path)
    flux, _ = files.resample(x, y, np.linspace(*spectra.ENDS, POINTS))
    logits = np.array(model(spectra.scaled(flux[None])), "float64")[0]
    p = np.exp(logits) / np.exp(logits).sum()
    for name in ("plain.csv", "sdss.csv", "arrays.npz"):
        found = answer(tmp_path / name, tmp_path)
        assert [kind for kind, _ in found] == [spectra.CLASSES[k] for k in np.argsort(-p)]
        assert [share for _, share in found] == pytest.approx(sorted(p, reverse=True), abs=2e-3)


@pytest.mark.slow
def test_a_run_on_a_folder_answers_for_a_file(tmp_path):
    """The whole way of a user: train on a folder, then ask."""
    folder = tmp_path / "data"
    folder.mkdir()
    contest_folder(folder)
    options = ["--data", folder, "--steps", "10", "--points", "130", "--batch-size", "20"]
    run("more/spectra.py", *options, "--out", tmp_path / "out")
    made, = (tmp_path / "out" / "more").glob("spectra-*")
    spectrum_files(tmp_path)
    assert sum(share for _, share in answer(tmp_path / "plain.csv", made)) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("options, message", [
    ("--predict a.csv", "--predict FILE and --run FOLDER go together"),
    ("--run runs", "--predict FILE and --run FOLDER go together"),
    ("--predict a.csv --run /nowhere", "expected a run folder with model.keras"),
    ("--points 5", "--points expects 16 to 20,000. Received: 5"),
    (f"--data {ROOT / 'more'}", "--data expects a folder with index.csv"),
])
def test_bad_options(options, message, tmp_path):
    error = last_line(run("more/spectra.py", *options.split(), code=2, cwd=tmp_path))
    assert error.startswith("error: ") and message in error
    assert not list(tmp_path.iterdir())
