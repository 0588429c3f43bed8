"""Images for GANs: grey or colour, 28 to 64 pixels high and wide, as uint8 (n, size, size, channels)."""

import pathlib
import pickle
import tarfile

import numpy as np

from common import datasets
from common.datasets import Download, Images, InputError

CIFAR10 = Download("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                   "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce", "cifar-10-python.tar.gz")


def load(data="", size=32):
    """Loads images of size × size pixels.

    Args:
        data: "", "mnist", "fashion_mnist" or "digits" as in common/datasets.py, with a black edge around their 28 × 28
            pixels or scaled; "cifar10"; or the path of an .npz file (x_train, x_test, of any size; y_train, y_test if there
            are labels) or of a folder of pictures (one subfolder a class, if there are classes), which are cropped to a
            square and scaled. One colour picture makes all of them colour; what cannot be read is named and left out.
        size: 28 to 64, a multiple of 4.

    Raises:
        InputError: nothing usable there, with what was expected.
    """
    if not 28 <= size <= 64 or size % 4:
        raise InputError(f"--size expects 28 to 64 pixels, a multiple of 4. Received: {size}")
    if data in ("", "digits", *datasets.DOWNLOADS):
        return as_size(datasets.load_images(data), size)
    if data == "cifar10":
        images = cifar10()
    else:
        path = pathlib.Path(data).expanduser()
        if not path.exists():
            raise InputError(f"--data expects {', '.join(datasets.DOWNLOADS)}, cifar10, digits or a path that exists. "
                             f"Received: {data}")
        images = from_npz(path) if path.is_file() else from_pictures(path, size)
    images = as_size(images, size)
    print(f"data: {images.name}, {len(images.x_train):,} training and {len(images.x_test):,} test images, "
          f"{'grey' if images.x_train.shape[-1] == 1 else 'colour'}, from {images.source}", flush=True)
    return images


def as_size(images, size):
    """Images with one axis for the channels, brought to size × size: scaled, or MNIST's kind by a black edge up to 36."""
    def fit(x):
        from PIL import Image

        if isinstance(x, datasets.Pictures):          # were scaled when they were read
            return x
        x = x[..., None] if x.ndim == 3 else x
        height, width, channels = x.shape[1:]
        if (height, width, channels) == (28, 28, 1) and size <= 36:
            edge = (size - height) // 2
            return np.pad(x, [(0, 0), (edge, edge), (edge, edge), (0, 0)])
        scaled = np.empty((len(x), size, size, channels), "uint8")
        for image, row in zip(x, scaled):
            small = Image.fromarray(image[..., 0] if channels == 1 else image).resize((size, size), Image.Resampling.LANCZOS)
            row[:] = np.asarray(small).reshape(row.shape)
        return scaled

    return Images(images.name, images.source, images.sha256, images.builtin,
                  fit(images.x_train), images.y_train, fit(images.x_test), images.y_test)


def from_npz(path, name=None):
    """Grey (n, height, width) or colour (n, height, width, 3) images of an .npz file."""
    arrays = datasets.read_npz(path)
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays.get(f"y_{part}")
        if x.dtype != np.uint8 or not (x.ndim == 3 or x.ndim == 4 and x.shape[3] in (1, 3)) or 0 in x.shape:
            raise InputError(f"{path} should hold x_{part} as uint8 images, 0 to 255, of shape (n, height, width) or "
                             f"(n, height, width, 3). Received: {x.dtype} of shape {x.shape}")
        if y is not None and (y.size != len(x) or y.dtype.kind not in "iu" or y.min(initial=0) < 0):
            raise InputError(f"{path} should hold y_{part} as {len(x)} labels counted from 0. "
                             f"Received: {y.dtype} of shape {y.shape}")
    shapes = [arrays[f"x_{part}"].shape[1:] for part in ("train", "test")]
    if shapes[0] != shapes[1]:
        raise InputError(f"{path} should hold x_train and x_test of one size, both grey or both colour. "
                         f"Received: {shapes[0]} and {shapes[1]}")
    y_train, y_test = (None if arrays.get(key) is None else arrays[key].reshape(-1).astype("int64")
                       for key in ("y_train", "y_test"))
    return Images(name or path.stem, str(path), datasets.sha256_of(path), False,
                  arrays["x_train"], y_train, arrays["x_test"], y_test)


def cifar10():
    """CIFAR-10 from KEXUE_DATA or the cache (cifar10.npz, or a part of it, cifar10_11k.npz), else from its home."""
    if path := datasets.find("cifar10/cifar10.npz", "cifar10.npz", "cifar10/cifar10_11k.npz", "cifar10_11k.npz"):
        return from_npz(path, "cifar10" if "11k" not in path.name else "cifar10, 10k subset")
    try:
        path = datasets.fetch(CIFAR10)
    except OSError as error:
        raise InputError(f"cifar10 is not in the cache and could not be downloaded ({getattr(error, 'reason', error)}): get "
                         f"{CIFAR10.url} elsewhere and put it at {datasets.cache_folder() / CIFAR10.path}.") from error
    try:
        with tarfile.open(path) as archive:     # read where it is: no member is ever written to a path that it names
            members = {member.name: member for member in archive if member.isfile()}
            datasets.check_unpacked(path, sum(member.size for member in members.values()))

            def part(names):
                batches = [datasets.unpickle(archive.extractfile(members[f"cifar-10-batches-py/{name}"]), encoding="bytes")
                           for name in names]
                x = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
                return np.ascontiguousarray(x), np.concatenate([batch[b"labels"] for batch in batches]).astype("int64")

            return Images("cifar10", str(path), CIFAR10.sha256, False, *part([f"data_batch_{i}" for i in range(1, 6)]),
                          *part(["test_batch"]))
    except (tarfile.TarError, pickle.UnpicklingError, OSError, EOFError, KeyError, ValueError) as error:
        raise InputError(f"{path} should be the archive of CIFAR-10, but cannot be read as it: {error!r:.200}") from error


def from_pictures(folder, size):
    """Every tenth picture is held out for testing; very many pictures are decoded batch by batch."""
    from PIL import Image, ImageOps

    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in datasets.PICTURES and p.is_file())
    used, modes = [], []
    for path in paths:
        try:
            modes.append("grey" if datasets.open_picture(path).mode == "L" else "colour")
            used.append(path)
        except InputError as error:
            print(f"left out: {error}", flush=True)
    if len(used) < 10:
        raise InputError(f"{folder} should hold at least 10 pictures ({' '.join(sorted(datasets.PICTURES))}). "
                         f"Received: {len(used)} that can be read, {len(paths) - len(used)} that cannot")
    if len(used) < len(paths):
        print(f"NOTE: {len(paths) - len(used)} of {len(paths)} pictures were left out; the rest is used.", flush=True)
    if len(set(modes)) == 2:
        print(f"NOTE: {modes.count('grey')} pictures are grey and {modes.count('colour')} colour: all are taken as colour.",
              flush=True)
    channels = 1 if set(modes) == {"grey"} else 3

    def read(path):
        image = datasets.open_picture(path).convert("RGB")
        return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))[..., :channels]

    arrays = datasets.parts_of_pictures(used, read, len(used) * size * size * channels > datasets.LARGE)
    return Images(folder.name, str(folder), datasets.sha256_of_all(used), False,
                  arrays["x_train"], arrays.get("y_train"), arrays["x_test"], arrays.get("y_test"))
