"""Images for GANs: grey or colour, 28 to 128 pixels high and wide, as uint8 (n, size, size, channels)."""

import tarfile
from dataclasses import replace

import numpy as np

from common.harness import datasets
from common.harness.archives import Gzip
from common.harness.datasets import Images
from common.harness.download import Download, cache_folder, fetch
from common.harness.images import PICTURES, Pictures, open_picture, parts_of_pictures, read_npz
from common.harness.language import in_users_language
from common.harness.paths import named_path
from common.harness.reading import InputError, check_unpacked, sha256_of, sha256_of_all, too_large

CIFAR10 = Download(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    "cifar-10-binary.tar.gz",
)
CIFAR10_TRAIN = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)]
CIFAR10_TEST = ["cifar-10-batches-bin/test_batch.bin"]
RECORDS = 10_000                  # in each of these files
RECORD = 1 + 3 * 32 * 32          # bytes of a record: the label, then the planes R, G and B, row by row


def load(data="", size=32):
    """Loads images of size × size pixels.

    Args:
        data: "", "mnist", "fashion_mnist" or "digits" as in common/harness/datasets.py, with a black edge
            around their 28 × 28 pixels or scaled; "cifar10"; or the path of an .npz file (x_train, x_test, of
            any size; y_train, y_test if there are labels) or of a folder of pictures (one subfolder a class,
            if there are classes), which are cropped to a square and scaled. One colour picture makes all of
            them colour; what cannot be read is named and left out.
        size: 28 to 128, a multiple of 4.

    Raises:
        InputError: nothing usable there, with what was expected.
    """
    if not 28 <= size <= 128 or size % 4:
        raise InputError(in_users_language(
            f"--size expects 28 to 128 pixels, a multiple of 4. Received: {size}",
            f"--size 应在 28 到 128 像素之间，是 4 的倍数。收到：{size}"))
    if data in ("", "digits", *datasets.DOWNLOADS):
        return as_size(datasets.load_images(data), size)
    images = cifar10() if data == "cifar10" else read_path(data, size)
    images = as_size(images, size)
    colours = ("grey", "灰度") if images.x_train.shape[-1] == 1 else ("colour", "彩色")
    train, test = len(images.x_train), len(images.x_test)
    print(in_users_language(
        f"data: {images.name}, {train:,} training and {test:,} test images, {colours[0]}, from "
        f"{images.source}",
        f"数据：{images.name}，{colours[1]}训练图 {train:,} 张，测试图 {test:,} 张，"
        f"来自 {images.source}"), flush=True)
    return images


def read_path(data, size):
    """The images that a path names, an .npz file or a folder of pictures."""
    path = named_path(data)
    if not path.exists():
        raise datasets.wrong_data(f"{', '.join(datasets.DOWNLOADS)}, cifar10, digits", data)
    return from_npz(path) if path.is_file() else from_pictures(path, size)


def as_size(images, size):
    """Images with one axis for the channels, brought to size × size: scaled, or MNIST's kind by a black edge
    up to 36."""
    return replace(images, x_train=_fit(images.x_train, size), x_test=_fit(images.x_test, size))


def _fit(x, size):
    if isinstance(x, Pictures):          # were scaled when they were read
        return x
    if x.ndim == 3:
        x = x[..., None]
    height, width, channels = x.shape[1:]
    if (height, width, channels) == (28, 28, 1) and size <= 36:
        edge = (size - height) // 2
        return np.pad(x, [(0, 0), (edge, edge), (edge, edge), (0, 0)])
    return _scale(x, size)


def _scale(x, size):
    from PIL import Image

    scaled = np.empty((len(x), size, size, x.shape[-1]), "uint8")
    for pixels, row in zip(x, scaled):
        image = Image.fromarray(pixels[..., 0] if x.shape[-1] == 1 else pixels)
        row[:] = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS)).reshape(row.shape)
    return scaled


# ------------------------------------------------------------------------------------------------- .npz files

def from_npz(path, name=None):
    """Grey (n, height, width) or colour (n, height, width, 3) images of an .npz file."""
    arrays = read_npz(path)
    for part in ("train", "test"):
        _check_arrays(path, part, arrays[f"x_{part}"], arrays.get(f"y_{part}"))
    sizes = [arrays[f"x_{part}"].shape[1:] for part in ("train", "test")]
    if sizes[0] != sizes[1]:
        raise InputError(f"{path} should hold x_train and x_test of one size, both grey or both colour. "
                         f"Received: {sizes[0]} and {sizes[1]}")
    for key in {"y_train", "y_test"} & set(arrays):
        arrays[key] = arrays[key].reshape(-1).astype("int64")
    return Images(name or path.stem, str(path), sha256_of(path), False,
                  arrays["x_train"], arrays.get("y_train"), arrays["x_test"], arrays.get("y_test"))


def _check_arrays(path, part, x, y):
    grey_or_colour = x.ndim == 3 or x.ndim == 4 and x.shape[3] in (1, 3)
    if x.dtype != np.uint8 or not grey_or_colour or 0 in x.shape:
        raise InputError(f"{path} should hold x_{part} as uint8 images, 0 to 255, of shape (n, height, "
                         f"width) or (n, height, width, 3). Received: {x.dtype} of shape {x.shape}")
    if y is not None and (y.size != len(x) or y.dtype.kind not in "iu" or y.min(initial=0) < 0):
        raise InputError(f"{path} should hold y_{part} as {len(x)} labels counted from 0. "
                         f"Received: {y.dtype} of shape {y.shape}")


# --------------------------------------------------------------------------------------------------- CIFAR-10

def cifar10():
    """CIFAR-10 from KEXUE_DATA or the cache (cifar10.npz, or a part of it, cifar10_11k.npz), else from its
    home."""
    path = datasets.find("cifar10/cifar10.npz", "cifar10.npz", "cifar10/cifar10_11k.npz", "cifar10_11k.npz")
    if path:
        return from_npz(path, "cifar10, 10k subset" if "11k" in path.name else "cifar10")
    try:
        path = fetch(CIFAR10)
    except OSError as error:
        reason = getattr(error, "reason", error)
        target = cache_folder() / CIFAR10.path
        raise InputError(in_users_language(
            f"cifar10 is not in the cache and could not be downloaded ({reason}): get {CIFAR10.url} "
            f"elsewhere and put it at {target}.",
            f"缓存里没有 cifar10，也下载不了（{reason}）："
            f"请另行下载 {CIFAR10.url} 并存为 {target}。")) from error
    return from_cifar10_archive(path)


def from_cifar10_archive(path, records=RECORDS):
    """CIFAR-10 from its binary archive, read where it is: no member is ever written to a path that it names.

    Args:
        path: a .tar.gz file with five files for training and one for testing.
        records: how many records each of the six has to hold.
    """
    try:
        with Gzip(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            members = _members(archive, path)
            x_train, y_train = _records(archive, members, CIFAR10_TRAIN, records)
            x_test, y_test = _records(archive, members, CIFAR10_TEST, records)
    except InputError:
        raise
    # tarfile, gzip and NumPy raise a dozen kinds for a file that is not theirs, RecursionError too
    except Exception as error:
        raise InputError(f"{path} should be the binary archive of CIFAR-10, but cannot be read as it: "
                         f"{error!r:.200}. Nothing was changed; get the file again.") from error
    return Images("cifar10", str(path), sha256_of(path), False, x_train, y_train, x_test, y_test)


def _members(archive, path):
    """The files in the archive by their names. Their sizes are checked before their contents are unpacked."""
    members, size = {}, 0
    for member in archive:
        size += member.size
        check_unpacked(path, size)
        if member.isfile():
            members[member.name] = member
    return members


def _records(archive, members, names, records):
    """Images (n, 32, 32, 3) and labels (n,) of some files of the archive."""
    x, y = [], []
    for name in names:
        if members[name].size != records * RECORD:
            raise ValueError(f"{name} has {members[name].size:,} bytes, not {records * RECORD:,}")
        content = np.frombuffer(archive.extractfile(members[name]).read(), np.uint8).reshape(records, RECORD)
        if content[:, 0].max() > 9:
            raise ValueError(f"{name} has a label {content[:, 0].max()}, beyond 9")
        planes = content[:, 1:].reshape(-1, 3, 32, 32)
        x.append(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)))
        y.append(content[:, 0].astype("int64"))
    return np.concatenate(x), np.concatenate(y)


# --------------------------------------------------------------------------------------------------- pictures

def from_pictures(folder, size):
    """Every tenth picture is held out for testing; very many pictures are decoded batch by batch."""
    from PIL import Image, ImageOps

    paths, channels = _usable_pictures(folder)

    def read(path):
        image = open_picture(path).convert("RGB")
        return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))[..., :channels]

    arrays = parts_of_pictures(paths, read, too_large(len(paths) * size * size * channels))
    return Images(folder.name, str(folder), sha256_of_all(paths), False,
                  arrays["x_train"], arrays.get("y_train"), arrays["x_test"], arrays.get("y_test"))


def _usable_pictures(folder):
    """(paths of the pictures that can be read, channels that hold all of them: 1 or 3). Says what is left
    out."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
    used, modes = [], []
    for path in paths:
        try:
            modes.append(open_picture(path).mode)
            used.append(path)
        except InputError as error:
            print(in_users_language(f"left out: {error}", f"略去：{error}"), flush=True)
    left_out, grey = len(paths) - len(used), modes.count("L")
    if len(used) < 10:
        raise InputError(f"{folder} should hold at least 10 pictures ({' '.join(sorted(PICTURES))}). "
                         f"Received: {len(used)} that can be read, {left_out} that cannot")
    if left_out:
        print(in_users_language(
            f"NOTE: {left_out} of {len(paths)} pictures were left out; the rest is used.",
            f"注意：{len(paths)} 张图片中略去 {left_out} 张，用其余的。"), flush=True)
    if 0 < grey < len(used):
        print(in_users_language(
            f"NOTE: {grey} pictures are grey and {len(used) - grey} are in colour: all are taken as colour.",
            f"注意：{grey} 张灰度，{len(used) - grey} 张彩色：一律按彩色处理。"), flush=True)
    return used, 1 if grey == len(used) else 3
