"""Every source of common/harness/datasets.py, and every way in which a user's data can be wrong."""

import gzip
import hashlib
import http.server
import threading

import numpy as np
import pytest
from PIL import Image

from common.harness import datasets, reading
from common.harness.datasets import load_images
from common.harness.download import Download, fetch
from common.harness.reading import InputError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (20, 28, 28), "uint8")
Y = RNG.integers(0, 10, 20)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("KEXUE_DATA", raising=False)
    monkeypatch.setattr(
        datasets, "DOWNLOADS", {"mnist": [Download("http://127.0.0.1:9/mnist.npz", "0" * 64, "mnist.npz")]}
    )


def write_npz(path, **changes):
    arrays = {"x_train": X, "y_train": Y, "x_test": X[:5], "y_test": Y[:5]} | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_npz_with_and_without_labels(tmp_path, capsys):
    images = load_images(str(write_npz(tmp_path / "my.npz")))
    np.testing.assert_array_equal(images.x_train, X)
    np.testing.assert_array_equal(images.y_test, Y[:5])
    assert images.describe() | {"sha256": ""} == {
        "name": "my", "source": "my.npz", "sha256": "", "builtin": False, "train": 20, "test": 5}
    assert "my, 20 training and 5 test images" in capsys.readouterr().out
    assert load_images(str(write_npz(tmp_path / "my.npz", y_train=None, y_test=None))).y_train is None


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype("uint8").tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_folder(tmp_path, suffix):
    for stem, array in [("train-images-idx3", X), ("train-labels-idx1", Y), ("t10k-images-idx3", X[:5]),
                        ("t10k-labels-idx1", Y[:5])]:
        write_idx(tmp_path / f"{stem}-ubyte{suffix}", array)
    images = load_images(str(tmp_path))
    np.testing.assert_array_equal(images.x_train, X)
    np.testing.assert_array_equal(images.y_train, Y)
    path = tmp_path / f"train-labels-idx1-ubyte{suffix}"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="train-labels.*cannot be read.*Nothing was changed"):
        load_images(str(tmp_path))


def test_folder_of_pictures_in_classes(tmp_path):
    for name, value in [("dark", 10), ("light", 240)]:
        (tmp_path / name).mkdir()
        for i in range(10):
            Image.new("RGB", (40 + i, 60), (value, value, value)).save(tmp_path / name / f"{i}.png")
    images = load_images(str(tmp_path))
    assert images.x_train.shape == (18, 28, 28) and images.x_test.shape == (2, 28, 28)
    np.testing.assert_array_equal(images.x_train.mean(axis=(1, 2)), np.where(images.y_train == 0, 10, 240))
    # mixed: scripts hold the last ones out
    assert len(set(images.y_train[:9])) == len(set(images.y_train[9:])) == 2


def test_lists_that_share_a_key_directly_or_over_others_are_one_group():
    assert datasets.groups_of(["ab", "cd", "be", "f", "gh", "ec", "hh"]) == [0, 0, 0, 1, 2, 0, 2]


def test_kexue_data_then_cache_then_builtin(tmp_path, monkeypatch, capsys):
    (tmp_path / "keras/datasets").mkdir(parents=True)
    cached = write_npz(tmp_path / "keras/datasets/mnist.npz")
    monkeypatch.setitem(
        datasets.DOWNLOADS,
        "mnist",
        [
            Download(
                "http://127.0.0.1:9/mnist.npz", hashlib.sha256(cached.read_bytes()).hexdigest(), "mnist.npz"
            )
        ],
    )
    assert len(load_images().x_train) == 20
    (tmp_path / "data/mnist").mkdir(parents=True)
    write_npz(tmp_path / "data/mnist/mnist.npz", x_train=X[:7], y_train=Y[:7])
    monkeypatch.setenv("KEXUE_DATA", str(tmp_path / "data"))
    assert len(load_images().x_train) == 7
    monkeypatch.delenv("KEXUE_DATA")
    cached.unlink()
    assert load_images().builtin
    assert "built-in 1,797 digits" in capsys.readouterr().out
    with pytest.raises(InputError, match="could not be downloaded.*put it at"):
        load_images("mnist")


def test_builtin_digits_look_like_mnist():
    images = datasets.builtin_digits()
    assert images.x_train.shape == (1500, 28, 28) and images.x_test.shape == (297, 28, 28)
    assert images.x_train.max() == 255 and images.x_train[:, :4].max() == 0
    assert sorted(set(images.y_test)) == list(range(10))


def test_a_cached_file_with_another_hash_is_reported_and_left_alone(tmp_path):
    path = tmp_path / "keras/datasets/mnist.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match="damaged or another version.*Nothing was changed"):
        load_images()
    assert path.read_bytes() == b"half a file"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000" if self.path == "/short" else "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_download_is_checked_and_appears_whole_or_not_at_all(server, tmp_path):
    good = hashlib.sha256(b"hello").hexdigest()
    folder = tmp_path / "keras/datasets"
    assert fetch(Download(server + "/file", good, "file")).read_bytes() == b"hello"
    with pytest.raises(InputError, match="sent another file than expected"):
        fetch(Download(server + "/file", "0" * 64, "other"))
    with pytest.raises((InputError, OSError)):
        fetch(Download(server + "/short", hashlib.sha256(b"longer").hexdigest(), "short"))
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("changes, message", [
    ({"x_train": X.astype("float32")}, "uint8 images of shape"),
    ({"x_train": X[:, :14, :14]}, r"\(n, 28, 28\).*Received: uint8 of shape \(20, 14, 14\)"),
    ({"x_test": X[:0], "y_test": Y[:0]}, "x_test"),
    ({"x_test": None}, "Missing: x_test"),
    ({"y_train": Y[:3]}, "20 labels"),
    ({"y_train": Y - 100}, "counted from 0"),
    ({"x_train": np.array([{}], object)}, "cannot be read"),
])
def test_wrong_npz(tmp_path, changes, message):
    path = write_npz(tmp_path / "bad.npz", **changes)
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        load_images(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("keep", [0, 10, 1000, -10])
def test_truncated_npz(tmp_path, keep):
    path = write_npz(tmp_path / "bad.npz")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="cannot be read"):
        load_images(str(path))


def test_nothing_there_an_empty_folder_and_a_broken_picture(tmp_path):
    with pytest.raises(InputError, match="a path that exists"):
        load_images(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="at least 10 pictures.*Received: 0"):
        load_images(str(tmp_path))
    for i in range(10):
        (tmp_path / f"{i}.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InputError, match=r"\d.png should be a picture"):
        load_images(str(tmp_path))


def test_what_unpacks_to_far_more_than_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BOMB_BYTES", 100_000)
    zeros = np.zeros((1000, 28, 28), "uint8")
    np.savez_compressed(tmp_path / "bomb.npz", x_train=zeros, x_test=zeros)
    with pytest.raises(InputError, match="unpacks to more than"):
        load_images(str(tmp_path / "bomb.npz"))
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", zeros)
    with pytest.raises(InputError, match="unpacks to more than"):
        load_images(str(tmp_path))
