"""Where data comes from: a path that the user names, KEXUE_DATA, the cache, a download, or a built-in sample,
in this order.

Each loader says in one line which source it took. What it cannot use it reports as an InputError, which the
scripts print as one line. A file that is wrong is never changed or deleted.

No Keras in here.
"""

import hashlib
import os
import pathlib
from dataclasses import dataclass, replace

import numpy as np

from common.harness.download import Download, cache_folder, fetch
from common.harness.images import PICTURES, read_idx, read_npz, read_pictures
from common.harness.language import in_users_language
from common.harness.paths import named_path
from common.harness.reading import InputError, sha256_of, sha256_of_all


@dataclass
class Dataset:
    """Where data are from; a subclass has the data themselves."""

    name: str
    source: str
    sha256: str
    builtin: bool

    def describe(self):
        """The `data` entry of results.json."""
        return {"name": self.name, "source": pathlib.Path(self.source).name,
                "sha256": self.sha256, "builtin": self.builtin}


@dataclass
class Images(Dataset):
    """Grey images and their labels, as uint8 and int arrays; `labels` are None where the source has none."""

    x_train: np.ndarray          # (n, height, width) uint8
    y_train: np.ndarray | None   # (n,) int
    x_test: np.ndarray
    y_test: np.ndarray | None

    def first(self, count):
        """At most so many training and test images, for a quick look."""
        parts = {name: getattr(self, name) for name in ("x_train", "y_train", "x_test", "y_test")}
        return replace(self, **{name: part if part is None else part[:count] for name, part in parts.items()})

    def describe(self):
        return super().describe() | {"train": len(self.x_train), "test": len(self.x_test)}


@dataclass
class Texts(Dataset):
    """A text corpus: lists of training and test examples, in the form that its article's reader gives
    them."""

    train: list
    test: list

    def describe(self):
        return super().describe() | {"train": len(self.train), "test": len(self.test)}


HOME = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SHA256 = {                   # folder in the cache → file → sha256
    "": {
        "mnist.npz": "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    },
    "fashion-mnist/": {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}


def _downloads(folder):
    return [Download(HOME + file, sha256, folder + file) for file, sha256 in SHA256[folder].items()]


DOWNLOADS = {"mnist": _downloads(""), "fashion_mnist": _downloads("fashion-mnist/")}


def load_images(data="", size=28, stream=False):
    """Loads grey images of size × size pixels with a training and a test part.

    Args:
        data: "" for MNIST, or the built-in digits where MNIST cannot be had; "mnist", "fashion_mnist" or
            "digits"; or the path of an .npz file (x_train, x_test and, if there are labels, y_train, y_test),
            of a folder with the four idx files of MNIST, or of a folder of pictures (one subfolder a class;
            converted to grey, cropped to a square and scaled; every tenth is held out for testing).
        size: height and width in pixels.
        stream: lets the training images of a folder that would take more than reading.LARGE bytes be
            Pictures, not an array.

    Raises:
        InputError: nothing usable there, with what was expected and what to do.
    """
    if data in ("", *DOWNLOADS):
        images = _find_images(data or "mnist", size, required=bool(data))
    elif data == "digits":
        images = builtin_digits(size)
    else:
        path = named_path(data)
        if not path.exists():
            raise wrong_data(f"{', '.join(DOWNLOADS)}, digits", data)
        images = _read_images(path, size, path.stem, stream)
    train, test = len(images.x_train), len(images.x_test)
    print(in_users_language(
        f"data: {images.name}, {train:,} training and {test:,} test images, from {images.source}",
        f"数据：{images.name}，训练图 {train:,} 张，测试图 {test:,} 张，来自 {images.source}"), flush=True)
    return images


def wrong_data(names, data, english="a path that exists", chinese="存在的路径"):
    """InputError for what --data names; it may be one of the names, or what the last two say."""
    return InputError(in_users_language(f"--data expects {names} or {english}. Received: {data}",
                                        f"--data 需要 {names} 或{chinese}。收到：{data}"))


def builtin_digits(size=28):
    """scikit-learn's 1,797 handwritten digits, 8×8, brought to MNIST's format: 20×20 pixels amid 28×28."""
    import sklearn.datasets
    from PIL import Image

    digits = sklearn.datasets.load_digits()
    inner = size * 20 // 28
    x = np.zeros((len(digits.images), size, size), "uint8")
    for image, small in zip(x, digits.images):
        small = Image.fromarray((small * (255 / 16)).astype("uint8"))
        big = small.resize((inner, inner), Image.Resampling.BICUBIC)
        edge = (size - inner) // 2
        image[edge:edge + inner, edge:edge + inner] = np.asarray(big)
    y = digits.target.astype("int64")
    return Images("digits", "scikit-learn", hashlib.sha256(x.tobytes()).hexdigest(), True,
                  x[:1500], y[:1500], x[1500:], y[1500:])


def own_folder():
    """The folder that KEXUE_DATA names, or None."""
    folder = os.environ.get("KEXUE_DATA")
    return named_path(folder, "KEXUE_DATA") if folder else None


def find(*names):
    """The first of these files or folders in the folder named by KEXUE_DATA, else in the cache, or None."""
    folders = [own] if (own := own_folder()) else []
    places = [folder / name for folder in [*folders, cache_folder()] for name in names]
    return next((place for place in places if place.exists()), None)


def find_text(data, names, sample, note):
    """The path that --data names: a file or a folder, "sample", or "" for the first of `names` that find()
    finds.

    Args:
        sample: the built-in sample, which stands in where nothing is found.
        note: what to print then, which tells how to get the data.

    Raises:
        InputError: there is no such path.
    """
    if data == "sample":
        return sample
    path = named_path(data) if data else find(*names)
    if path is None:
        print(note, flush=True)
        return sample
    if not path.exists():
        raise wrong_data("sample", data)
    return path


def groups_of(keys):
    """For each list of keys the number of its group: lists that share a key, directly or over others, are in
    one group."""
    parent, numbers = {}, {}

    def root(key):
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for first, *rest in keys:
        for key in rest:
            parent[root(key)] = root(first)
    return [numbers.setdefault(root(first), len(numbers)) for first, *_ in keys]


def _find_images(name, size, required):
    """A named data set from KEXUE_DATA, the cache or its home; else the built-in digits, unless it was asked
    for."""
    if folder := own_folder():
        for place in (f"{name}/{name}.npz", f"{name}.npz", name):
            if (path := folder / place).exists():
                return _read_images(path, size, name)
    downloads = DOWNLOADS[name]
    try:
        paths = [fetch(download) for download in downloads]
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        advice = _advice(downloads)
        if required:
            raise InputError(in_users_language(
                f"{name} is not in the cache and could not be downloaded ({reason}): {advice}.",
                f"缓存里没有 {name}，也下载不了（{reason}）：{advice}。")) from error
        print(in_users_language(
            f"NOTE: training on the built-in 1,797 digits, not on {name.upper()}, which could not be "
            f"downloaded ({reason}).\n      The numbers in the README need {name.upper()}: {advice}.",
            f"注意：下载不了 {name.upper()}（{reason}），改用自带的 1,797 个手写数字训练。\n"
            f"      README 里的数字要用 {name.upper()}：{advice}。"), flush=True)
        return builtin_digits(size)
    return _read_images(paths[0] if len(paths) == 1 else paths[0].parent, size, name)


def _advice(downloads):
    """How to get by hand what could not be downloaded."""
    target = cache_folder() / downloads[0].path
    if len(downloads) == 1:
        return in_users_language(f"get {downloads[0].url} elsewhere and put it at {target}",
                                 f"请另行下载 {downloads[0].url} 并存为 {target}")
    urls = ", ".join(download.url for download in downloads)
    return in_users_language(f"get {urls} elsewhere and put them into {target.parent}",
                             f"请另行下载 {urls} 并放进 {target.parent}")


def _read_images(path, size, name, stream=False):
    """Images from an .npz file, a folder of idx files or a folder of pictures."""
    if path.is_file():
        arrays, files = read_npz(path), None
    elif files := sorted(file for file in path.iterdir() if "-ubyte" in file.name):
        arrays = read_idx(path, files)
    else:
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES and file.is_file())
        if len(files) < 10:
            endings = " ".join(sorted(PICTURES))
            raise InputError(in_users_language(
                f"{path} should hold the four idx files of MNIST or at least 10 pictures ({endings}). "
                f"Received: {len(files)} pictures",
                f"{path} 里应有 MNIST 的四个 idx 文件，或至少 10 张图片（{endings}）。"
                f"收到：{len(files)} 张图片"))
        arrays = read_pictures(path, files, size, stream)
    for part in ("train", "test"):
        _check_images(path, part, arrays[f"x_{part}"], arrays.get(f"y_{part}"), size)
    return Images(name, str(path), sha256_of_all(files) if files else sha256_of(path), False,
                  arrays["x_train"], arrays.get("y_train"), arrays["x_test"], arrays.get("y_test"))


def _check_images(path, part, x, y, size):
    if x.dtype != np.uint8 or x.ndim != 3 or len(x) == 0 or x.shape[1:] != (size, size):
        raise InputError(f"{path} should hold x_{part} as uint8 images of shape (n, {size}, {size}), values "
                         f"0 to 255. Received: {x.dtype} of shape {x.shape}. Scale the images, or give a "
                         "folder of picture files: those are scaled for you")
    if y is not None and (y.shape != (len(x),) or y.dtype.kind not in "iu" or y.min(initial=0) < 0):
        raise InputError(f"{path} should hold y_{part} as {len(x)} labels counted from 0. "
                         f"Received: {y.dtype} of shape {y.shape}")
