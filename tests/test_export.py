"""docs/export.md: its recipes run as they stand, and what they export answers as the Keras model does, at
other batch sizes and lengths than those of the recipes."""

import re

import keras
import numpy as np
import pytest

from tests.articles import ROOT

pytestmark = [
    pytest.mark.export,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports go by TensorFlow"),
]
SIZES = [(1, 1), (1, 90), (3, 7), (5, 20), (16, 2)]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """What the page's blocks have defined, the last answer of each section, and the folder they wrote into.

    Before the model is exported its CRF gets weights, as training would give it: fresh ones are too small
    to change a path."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    blocks = BLOCK.findall((ROOT / "docs/export.md").read_text(encoding="utf-8"))
    names, answers = {}, []
    folder = tmp_path_factory.mktemp("export")
    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks:
            names.pop("answer", None)
            exec(block, names)
            if "tagger" not in names:
                train(names["model"])
            if "answer" in names:
                answers.append(np.asarray(names["answer"]))
    return names, answers, folder


def train(model):
    rng = np.random.default_rng(0)
    kernel = model.get_layer("scores").kernel
    kernel.assign(30 * rng.normal(size=kernel.shape))       # embeddings are small at first
    for weight in model.get_layer("crf").weights:
        weight.assign(rng.normal(size=weight.shape))


def sentences(rows, length):
    """Characters; the first row is full, the second one padding alone, others have random lengths."""
    rng = np.random.default_rng(rows * length)
    lengths = rng.integers(0, length + 1, rows)
    lengths[:2] = [length, 0][:rows]
    characters = rng.integers(1, 5000, (rows, length), "int32")
    return np.where(np.arange(length) < lengths[:, None], characters, 0).astype("int32")


def compare(served, tagger, rows, length):
    x = sentences(rows, length)
    expected = tagger.predict(x, verbose=0)
    got = {name: np.asarray(value) for name, value in served(x).items()}
    np.testing.assert_allclose(got["emissions"], expected["emissions"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(got["tags"], expected["tags"])
    assert ((got["tags"] == -1) == (x == 0)).all()


def test_every_section_answers_as_keras_does(exported):
    names, answers, _ = exported
    expected = names["tagger"].predict(names["sentences"], verbose=0)["tags"]
    assert len(answers) == 4
    for answer in answers:
        np.testing.assert_array_equal(answer, expected[:len(answer)])


def test_the_paths_are_not_those_of_the_emissions_alone(exported):
    """Else a decoder that ignores transitions would pass."""
    tagger = exported[0]["tagger"]
    x = sentences(5, 20)
    answer = tagger.predict(x, verbose=0)
    greedy = answer["emissions"].argmax(-1)
    assert (answer["tags"] != greedy)[x > 0].any() and len(np.unique(answer["tags"][x > 0])) == 4


@pytest.mark.parametrize("rows, length", SIZES)
def test_saved_model(exported, rows, length):
    names, _, folder = exported
    loaded = names["tf"].saved_model.load(folder / "tagger")
    compare(loaded.serve, names["tagger"], rows, length)


@pytest.mark.parametrize("rows, length", SIZES)
def test_onnx(exported, rows, length):
    names, _, folder = exported
    session = names["onnxruntime"].InferenceSession(folder / "tagger.onnx")
    outputs = [output.name for output in session.get_outputs()]

    def serve(x):
        return dict(zip(outputs, session.run(None, {"characters": x})))

    compare(serve, names["tagger"], rows, length)


@pytest.mark.parametrize("rows, length", SIZES)
def test_litert(exported, rows, length):
    names, _, folder = exported
    runner = names["Interpreter"](str(folder / "tagger.tflite")).get_signature_runner()
    compare(lambda x: runner(characters=x), names["tagger"], rows, length)


@pytest.mark.parametrize("length", [1, 7, 90])
def test_litert_one_sentence_at_a_time(exported, length):
    names, _, folder = exported
    runner = names["Interpreter"](str(folder / "one.tflite")).get_signature_runner()
    compare(lambda x: runner(characters=x), names["tagger"], 1, length)


def test_the_decoder_has_its_own_loop_again(exported):
    names, _, _ = exported
    assert names["crf"].scan is names["scan"]


def test_the_shipped_segmenter_goes_to_onnx(exported, tmp_path):
    """Three inputs, convolutions of Keras, a mask by comparison, and both outputs of the CRF."""
    from crf.segmenter import WEIGHTS, Segmenter

    segmenter = Segmenter.load(WEIGHTS / "default")
    text = "今天天气不错我们去公园吧"
    segmenter.segment(text)
    segmenter.model.export(tmp_path / "segmenter.onnx", format="onnx", verbose=False)
    session = exported[0]["onnxruntime"].InferenceSession(tmp_path / "segmenter.onnx")
    rng = np.random.default_rng(0)
    characters, pairs = rng.integers(1, 900, (2, 3, 40)).astype("int32")
    characters[1, 9:] = 0
    inputs = dict(zip(["characters", "bigrams", "words"],
                      [characters, pairs, rng.integers(0, 2, (3, 40, 8)).astype("float32")]))
    tags, potentials = segmenter.model.predict(inputs, verbose=0)
    got = session.run(None, inputs)
    np.testing.assert_array_equal(got[0], tags)
    np.testing.assert_allclose(got[1], potentials, rtol=1e-5, atol=1e-4)
    assert (tags[1, 9:] == -1).all()
