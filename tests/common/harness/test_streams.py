"""Data that are read batch by batch: the same samples as in memory, each once an epoch, in an order that can
be resumed."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from common.harness import batches, cli, datasets, reading
from common.harness.batches import ArrayBatches, LineBatches
from common.harness.folder import RunFolder
from common.harness.images import Pictures
from common.harness.order import Order
from common.harness.reading import InputError
from common.harness.streams import Lines
from common.harness.vocab import Vocab

ROOT = pathlib.Path(__file__).resolve().parents[3]


def run_of(seed=0, epoch=0, batch_size=4, **options):
    run = RunFolder(None, cli.BaseConfig(seed=seed, batch_size=batch_size, **options))
    run.state["epoch"] = epoch
    return run


# ----------------------------------------------------------------------------------------------- permutations

@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 63, 64, 65, 1000, 4097])
def test_an_order_is_a_permutation(size):
    order = Order(size, [3, 5])
    assert sorted(order[:]) == list(range(size))
    np.testing.assert_array_equal(order[1:3], order[:][1:3])
    np.testing.assert_array_equal(order[np.arange(size)[::-1]], order[:][::-1])


def test_orders_of_different_keys_are_different_and_look_random():
    a, b = Order(10_000, [0, 0])[:], Order(10_000, [0, 1])[:]
    assert (a == b).sum() < 20 and (a == np.arange(10_000)).sum() < 20
    for order in (a, b):                                     # deviations of 1 %: the numbers are a fixed draw
        assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.04
        assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.04
    firsts = np.array([Order(10, [0, key])[:1][0] for key in range(2000)])
    assert np.bincount(firsts, minlength=10).min() > 120     # 200 each, ± 13


def test_an_order_of_more_than_memory_holds():
    rows = Order(10 ** 15, [0])[10 ** 14:10 ** 14 + 1000]
    assert len(set(rows.tolist())) == 1000 and rows.max() < 10 ** 15 and rows.max() > 9 * 10 ** 14


# ------------------------------------------------------------------------------------------------------ lines

TEXT = [f"第{i}行{'长' * (i % 7)}" for i in range(100)]


@pytest.fixture
def path(tmp_path):
    content = "".join(
        f"{line}{end}{gap}" for line, end, gap in zip(TEXT, ["\n", "\r\n"] * 50, ["", "", "\n", " \n"] * 25)
    )
    (tmp_path / "lines.txt").write_bytes(content.removesuffix("\n").encode())
    return tmp_path / "lines.txt"


def test_lines_are_a_sequence_of_the_samples(path):
    lines = Lines(path, str)
    assert len(lines) == 100 and list(lines) == TEXT and lines[17] == TEXT[17] and lines[-1] == TEXT[-1]
    rows = np.random.default_rng(0).integers(0, 100, 300)
    assert lines[rows] == [TEXT[row] for row in rows]
    part = lines[10:-5]
    assert (
        list(part) == TEXT[10:-5] and len(part[:20]) == 20 and part[np.array([0, 84])] == [TEXT[10], TEXT[94]]
    )
    assert list(lines[:0]) == [] and list(lines[16:33]) == TEXT[16:33]
    assert lines.sha256 == reading.sha256_of(path)
    assert len(lines.places) == 8                            # one for 16 lines, and the end
    with pytest.raises(IndexError):
        part[np.array([85])]
    with pytest.raises(ValueError, match="without a step"):
        lines[::2]


def test_lines_that_are_no_samples(path, capsys):
    with pytest.raises(InputError, match="a number on each line. Received: line 1: 第0行, and 99 more"):
        Lines(path, lambda line: None, "a number")
    some = Lines(path, lambda line: None if line == TEXT[50] else line)
    assert list(some) == TEXT[:50] + TEXT[51:] and some[np.array([49, 50])] == [TEXT[49], TEXT[51]]
    assert "1 lines" in capsys.readouterr().out
    path.write_bytes(b"a\n\xff\n")
    with pytest.raises(InputError, match="line 2 is not"):
        Lines(path, str)
    path.write_text("\n\n")
    with pytest.raises(InputError, match="no line"):
        Lines(path, str)
    with pytest.raises(InputError, match="expected a text file"):
        Lines(path.with_name("nowhere"), str)


# ---------------------------------------------------------------------------------------------------- batches

def encode(samples, width, rng):
    x = np.array([[int(sample[1:sample.index("行")])] + [len(sample)] * (width - 1) for sample in samples])
    return x, rng.random(len(samples))


def test_batches_hold_each_sample_once_in_an_order_of_seed_and_epoch(path, monkeypatch):
    monkeypatch.setattr(batches, "POOL", 5)
    lines = Lines(path, str)

    def epoch(*arguments, **options):
        items = LineBatches(run_of(*arguments, **options), lines, encode)
        return [items[i] for i in range(len(items))]

    first = epoch()
    assert len(first) == 25 and sorted(np.concatenate([x[:, 0] for x, _ in first])) == list(range(100))
    for (x, y), (again, y_again) in zip(first, epoch()):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, y_again)
    assert [x[:, 0].tolist() for x, _ in first] != [x[:, 0].tolist() for x, _ in epoch(epoch=1)]
    length = np.array([len(text) for text in TEXT])
    assert np.mean([np.ptp(length[x[:, 0]]) for x, _ in first]) < 3
    assert first[0][0].shape[1] != first[1][0].shape[1]
    sevens = LineBatches(run_of(batch_size=7), lines, encode)
    assert len(sevens) == 14 and sevens[13][0].shape[0] == 7
    widths = LineBatches(run_of(), lines, encode, allowed_widths=np.array([8, 12, 20]))
    assert {widths[i][0].shape[1] for i in range(len(widths))} <= {8, 12, 20}


def test_batches_in_any_order_of_asking(path):
    items = LineBatches(run_of(), Lines(path, str), encode)
    forward = [items[i][0] for i in range(25)]
    for i in reversed(range(25)):
        np.testing.assert_array_equal(items[i][0], forward[i])


# --------------------------------------------------------------------------------------------------- articles

def test_large_files_of_each_text_article_are_read_batch_by_batch(tmp_path, monkeypatch):
    from couplet import data as couplet
    from crf import data as crf
    from crf.features import Features
    from poetry_vae import data as poetry

    monkeypatch.setattr(reading, "LARGE", 1000)
    for load, sample, some in [
        (couplet.load_couplets, couplet.SAMPLE, lambda pair: len(pair[0]) == len(pair[1])),
        (poetry.load_poems, poetry.SAMPLE, lambda line: len(line) == 10),
        (crf.load_corpus, crf.SAMPLE, lambda words: all(isinstance(word, str) for word in words)),
    ]:
        copy = tmp_path / sample.name
        copy.write_bytes(sample.read_bytes())
        texts = load(str(copy))
        assert (
            isinstance(texts.train, Lines) and len(texts.test) == (len(texts.train) + len(texts.test)) // 10
        )
        assert all(map(some, texts.train)) and texts.describe()["sha256"] == reading.sha256_of(sample)

    lines = crf.load_corpus(str(tmp_path / crf.SAMPLE.name)).train
    features = Features.of(lines)
    same = Features.of(list(lines))
    assert (features.vocab, features.bigrams, features.words) == (same.vocab, same.bigrams, same.words)
    batches = crf.StreamedBatches(run_of(batch_size=8), lines, features, rare=2.0)
    (characters, bigrams, words), tags = batches[3]
    assert (
        characters.shape == bigrams.shape == tags.shape == words.shape[:2]
        and characters.shape[1] in crf.LENGTHS
    )
    plain = crf.StreamedBatches(run_of(batch_size=8), lines, features, rare=0.0)[3]
    np.testing.assert_array_equal(plain[1], tags)
    assert 0 < (plain[0][0] != characters).mean() < 0.5

    pairs = couplet.load_couplets(str(tmp_path / couplet.SAMPLE.name)).train
    vocab = Vocab.from_texts(line for pair in pairs for line in pair)
    x, y = couplet.stream_batches(run_of_couplets(), pairs, vocab)[2]
    assert x.shape == y.shape and x.shape[1] <= 7 and (x > 0).any(axis=1).all()


def run_of_couplets():
    from couplet.train import Config

    return RunFolder(None, Config(batch_size=8, max_length=7))


# --------------------------------------------------------------------------------------------------- pictures

@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(15):
            Image.fromarray(rng.integers(0, 255, (40, 30), "uint8")).save(
                tmp_path / "pictures" / name / f"{i:02d}.png"
            )
    return tmp_path / "pictures"


def test_pictures_are_the_arrays_that_they_stand_for(folder, monkeypatch):
    whole = datasets.load_images(str(folder), stream=True)
    monkeypatch.setattr(reading, "LARGE", 100)
    assert isinstance(datasets.load_images(str(folder)).x_train, np.ndarray)
    images = datasets.load_images(str(folder), stream=True)
    assert isinstance(images.x_train, Pictures) and images.x_train.shape == whole.x_train.shape
    np.testing.assert_array_equal(np.asarray(images.x_train), whole.x_train)
    np.testing.assert_array_equal(images.x_train[np.array([3, 1])], whole.x_train[[3, 1]])
    np.testing.assert_array_equal(
        np.asarray(images.x_train[2:5].map(lambda x: x / 2)), whole.x_train[2:5] / 2
    )
    np.testing.assert_array_equal(images.x_test, whole.x_test)
    np.testing.assert_array_equal(images.y_train, whole.y_train)
    assert images.describe() == whole.describe() and len(images.first(7).x_train) == 7
    a, b = (ArrayBatches(run_of(), x, x)[1] for x in (images.x_train, whole.x_train))
    np.testing.assert_array_equal(a, b)

    from gan import data

    few = data.load(str(folder), 28)
    assert isinstance(few.x_train, Pictures) and few.x_train.shape[1:] == (28, 28, 1)
    monkeypatch.setattr(reading, "LARGE", 2 ** 28)
    np.testing.assert_array_equal(np.asarray(few.x_train), data.load(str(folder), 28).x_train)


@pytest.mark.slow
def test_a_vae_and_a_poet_train_on_data_read_batch_by_batch(folder, tmp_path):
    from poetry_vae import data

    for script, path, options in [("vae/train.py", folder, ["--iw-images", "0"]),
                                  ("poetry_vae/train.py", data.SAMPLE, ["--iw-couplets", "0"])]:
        code = (f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r}); from common.harness import reading; "
                "reading.LARGE = 100; sys.argv = "
                f"{[script, '--data', str(path), '--epochs', '1', '--batch-size', '9', *options]!r} + "
                f"['--out', {str(tmp_path)!r}]; runpy.run_path({str(ROOT / script)!r}, run_name='__main__')")
        subprocess.run([sys.executable, "-c", code], check=True)
        assert list((tmp_path / script.split("/")[0]).glob("*/results.json"))
