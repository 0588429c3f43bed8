"""Where data comes from: a path the user names, KEXUE_DATA, the cache, a download, or a built-in sample, in this order.

No Keras in here, so that every article can use it. Each loader says in one line which source it took; what it cannot use
it reports as an InputError, which the scripts print as one line. A file that is wrong is never changed or deleted.
"""

import gzip
import hashlib
import http.client
import os
import pathlib
import pickle
import re
import sys
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np


class InputError(Exception):
    """Something the user gave cannot be used: the message says what was expected, what came and what to do."""


@dataclass
class Images:
    """Grey images and their labels, as uint8 and int arrays; `labels` are None where the source has none."""

    name: str
    source: str
    sha256: str
    builtin: bool
    x_train: np.ndarray          # (n, height, width) uint8
    y_train: np.ndarray | None   # (n,) int
    x_test: np.ndarray
    y_test: np.ndarray | None

    def first(self, count):
        """At most so many training and test images, for a quick look."""
        cut = [array if array is None else array[:count] for array in (self.x_train, self.y_train, self.x_test, self.y_test)]
        return Images(self.name, self.source, self.sha256, self.builtin, *cut)

    def describe(self):
        """The `data` entry of results.json."""
        return {"name": self.name, "source": pathlib.Path(self.source).name, "sha256": self.sha256, "builtin": self.builtin,
                "train": len(self.x_train), "test": len(self.x_test)}


@dataclass
class Texts:
    """A text corpus: lists of training and test examples, in the form that its article's reader gives them."""

    name: str
    source: str
    sha256: str
    builtin: bool
    train: list
    test: list

    def describe(self):
        """The `data` entry of results.json."""
        return {"name": self.name, "source": pathlib.Path(self.source).name, "sha256": self.sha256, "builtin": self.builtin,
                "train": len(self.train), "test": len(self.test)}


@dataclass
class Download:
    """A file at its home, the sha256 that it must have, and its place below the cache folder."""

    url: str
    sha256: str
    path: str


HOME = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
DOWNLOADS = {
    "mnist": [
        Download(HOME + "mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1", "mnist.npz")
    ],
    "fashion_mnist": [
        Download(HOME + name, sha256, f"fashion-mnist/{name}")
        for name, sha256 in [
            ("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ]
    ],
}
LARGE = 2 ** 28              # bytes: what would take more is read batch by batch, where a script can do with that
TESTED = 10_000              # pictures or lines of such data that are held out for testing
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}
TIMEOUT, SLOWEST, LARGEST = 20, 1000, 1 << 30     # seconds of silence, bytes a second after those, bytes of a download
BOMB_RATIO, BOMB_BYTES = 200, 1 << 28             # a file that unpacks to more than both is no data set: MNIST's ratio is 4


class Pictures:
    """Picture files as the rows of an array that is never whole: indexing with an array of rows decodes those.

    images[2:5] is a part, images.map(f) has f(images) for the images, and np.asarray(images) decodes all.

    Args:
        paths: the files.
        read: function of a path → its image, an array; all have the same shape.
        functions: see map.
    """

    def __init__(self, paths, read, functions=()):
        self.paths, self.read, self.functions = paths, read, functions
        example = self[[0]]
        self.shape, self.dtype, self.ndim = (len(paths), *example.shape[1:]), example.dtype, example.ndim

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, rows):
        if isinstance(rows, slice):
            return Pictures(self.paths[rows], self.read, self.functions)
        images = np.stack([self.read(self.paths[row]) for row in rows])
        for function in self.functions:
            images = function(images)
        return images

    def __array__(self, dtype=None, copy=None):
        return self[range(len(self))].astype(dtype or self.dtype, copy=False)

    def map(self, function):
        """These pictures with a function of an array of them applied after they are decoded."""
        return Pictures(self.paths, self.read, (*self.functions, function))


def load_images(data="", size=28, stream=False):
    """Loads grey images of size × size pixels with a training and a test part.

    Args:
        data: "" for MNIST, or the built-in digits where MNIST cannot be had; "mnist", "fashion_mnist" or "digits";
            or the path of an .npz file (x_train, x_test and, if there are labels, y_train, y_test), of a folder with
            the four idx files of MNIST, or of a folder of pictures (one subfolder a class; converted to grey, cropped
            to a square and scaled; every tenth is held out for testing).
        size: height and width in pixels.
        stream: lets the training images of a folder that would take more than LARGE bytes be Pictures, not an array.

    Raises:
        InputError: nothing usable there, with what was expected and what to do.
    """
    if data in ("", *DOWNLOADS):
        images = _find(data or "mnist", size, required=bool(data))
    elif data == "digits":
        images = builtin_digits(size)
    else:
        path = pathlib.Path(data).expanduser()
        if not path.exists():
            raise InputError(f"--data expects {', '.join(DOWNLOADS)}, digits or a path that exists. Received: {data}")
        images = _read(path, size, path.stem, stream)
    print(f"data: {images.name}, {len(images.x_train):,} training and {len(images.x_test):,} test images, "
          f"from {images.source}", flush=True)
    return images


def builtin_digits(size=28):
    """scikit-learn's 1,797 handwritten digits, 8×8, brought to MNIST's format: 20×20 pixels amid 28×28."""
    import sklearn.datasets
    from PIL import Image

    digits = sklearn.datasets.load_digits()
    inner = size * 20 // 28
    x = np.zeros((len(digits.images), size, size), "uint8")
    for image, small in zip(x, digits.images):
        big = Image.fromarray((small * (255 / 16)).astype("uint8")).resize((inner, inner), Image.Resampling.BICUBIC)
        edge = (size - inner) // 2
        image[edge:edge + inner, edge:edge + inner] = np.asarray(big)
    y = digits.target.astype("int64")
    return Images("digits", "scikit-learn", hashlib.sha256(x.tobytes()).hexdigest(), True,
                  x[:1500], y[:1500], x[1500:], y[1500:])


def cache_folder():
    """~/.keras/datasets, or the folder below KERAS_HOME: where Keras itself puts data sets."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def find(*names):
    """The first of these files or folders in the folder named by KEXUE_DATA, else in the cache, or None."""
    folders = [pathlib.Path(os.environ["KEXUE_DATA"])] if os.environ.get("KEXUE_DATA") else []
    return next((folder / name for folder in [*folders, cache_folder()] for name in names if (folder / name).exists()), None)


def fetch(download):
    """Returns the path of a download in the cache, fetching it where it is not there yet.

    The file appears whole or not at all. A cached file or a download with another sha256 is an InputError, and a
    cached one is left as it is. A network that fails, stalls, crawls or stops half way raises OSError.
    """
    path = cache_folder() / download.path
    if path.exists():
        if (found := sha256_of(path)) != download.sha256:
            raise InputError(f"{path} is damaged or another version: expected sha256 {download.sha256}, received {found}. "
                             f"Move it away to download it again, or name your file with --data. Nothing was changed.")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with urllib.request.urlopen(download.url, timeout=TIMEOUT) as response, open(part, "wb") as file:
            from tqdm import tqdm

            length = response.headers.get("Content-Length", "")
            total, received, start = int(length) if length.isdecimal() else 0, 0, time.monotonic()
            with tqdm(total=total, unit="B", unit_scale=True, desc=path.name, disable=not sys.stderr.isatty()) as bar:
                while block := response.read1(1 << 20):      # what has come, where read() would wait for the whole of it
                    file.write(block)
                    bar.update(len(block))
                    received, seconds = received + len(block), time.monotonic() - start
                    if seconds > TIMEOUT and received < SLOWEST * seconds:
                        raise TimeoutError(f"{received:,} bytes in {seconds:.0f} seconds")
                    if received > LARGEST:
                        raise InputError(f"{download.url} sent more than {LARGEST:,} bytes. Get the file elsewhere and put "
                                         f"it at {path}, or use --data.")
        if received < total:
            raise OSError(f"the connection ended after {received:,} of {total:,} bytes")
        if (found := sha256_of(part)) != download.sha256:
            raise InputError(f"{download.url} sent something else than expected: sha256 {found} instead of "
                             f"{download.sha256}. Get the file elsewhere and put it at {path}, or use --data.")
        os.replace(part, path)
    except (http.client.HTTPException, urllib.error.HTTPError, ValueError) as error:     # ValueError: to what is no URL
        raise OSError(f"broken answer: {error!r}") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def read_text(path, keep_mark=False):
    """The text of a UTF-8 file, with its line ends as they are; a byte order mark is left out, or kept."""
    try:
        text = decoded(pathlib.Path(path).read_bytes(), path)
        return text if keep_mark else text.removeprefix("\ufeff")
    except OSError as error:
        raise InputError(f"expected a text file. Received: {path} ({error.strerror})") from error


def parse_rows(path, rows, parse, wanted):
    """The samples in the rows of a text file, blank ones apart. Up to one in a hundred that is none is left out with a note.

    Args:
        rows: lines, or lists of columns.
        parse: row → (sample, None), or (None, why there is none).
        wanted: what the file should hold, for the message.

    Raises:
        InputError: no sample, or more rows that are none, with the first one's line.
    """
    samples, wrong = [], []
    for number, row in enumerate(rows, 1):
        if not "".join(row).strip():
            continue
        sample, reason = parse(row)
        if reason:
            wrong.append(f"line {number}: {reason}")
        else:
            samples.append(sample)
    if len(wrong) > len(rows) // 100 or not samples:
        raise InputError(f"{path} should hold {wanted}. Received: {wrong[0] if wrong else 'no line'}"
                         f"{f', and {len(wrong) - 1:,} more such lines' if len(wrong) > 1 else ''}")
    if wrong:
        print(f"note: {len(wrong):,} of {len(rows):,} lines of {path} are left out ({wrong[0]})", flush=True)
    return samples


def groups_of(keys):
    """For each list of keys the number of its group: lists that share a key, directly or over others, are in one group."""
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


def decoded(content, name):
    """The text of UTF-8 bytes, or an InputError that says in which line of `name` they are none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[:error.start].count(b"\n") + 1
        raise InputError(f"{name} should be a text in UTF-8, but line {line} is not ({error.reason}). Convert it, for "
                         f"instance with iconv -f gb18030 -t utf-8") from error


def check_text(text, name):
    """InputError where a string holds what no UTF-8 file can: half a surrogate pair, from JSON or a command line's bytes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{name} should be text that UTF-8 can write. "
                         f"Received: {text[max(0, error.start - 9):error.start + 9]!r}") from None


def sha256_of(path):
    """The sha256 of a file as a hexadecimal string."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find(name, size, required):
    """A named data set from KEXUE_DATA, the cache or its home; else the built-in digits, unless it was asked for."""
    if folder := os.environ.get("KEXUE_DATA"):
        for place in (pathlib.Path(folder) / name / f"{name}.npz", pathlib.Path(folder) / f"{name}.npz",
                      pathlib.Path(folder) / name):
            if place.exists():
                return _read(place, size, name)
    downloads = DOWNLOADS[name]
    try:
        paths = [fetch(download) for download in downloads]
    except OSError as error:
        target = cache_folder() / downloads[0].path
        reason = getattr(error, "reason", None) or error
        advice = f"get {downloads[0].url} elsewhere and put it at {target}" if len(downloads) == 1 else (
            f"get {', '.join(download.url for download in downloads)} elsewhere and put them into {target.parent}")
        if required:
            raise InputError(f"{name} is not in the cache and could not be downloaded ({reason}): {advice}.") from error
        print(f"NOTE: training on the built-in 1,797 digits, not on {name.upper()}, which could not be downloaded "
              f"({reason}).\n      The numbers in the README need {name.upper()}: {advice}.", flush=True)
        return builtin_digits(size)
    return _read(paths[0] if len(paths) == 1 else paths[0].parent, size, name)


def _read(path, size, name, stream=False):
    """Images from an .npz file, a folder of idx files or a folder of pictures."""
    if path.is_file():
        arrays, sha256 = read_npz(path), sha256_of(path)
    elif found := sorted(p for p in path.iterdir() if "-ubyte" in p.name):
        arrays, sha256 = _read_idx(path, found), sha256_of_all(found)
    else:
        pictures = sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
        if len(pictures) < 10:
            raise InputError(f"{path} should hold the four idx files of MNIST or at least 10 pictures "
                             f"({' '.join(sorted(PICTURES))}). Received: {len(pictures)} pictures")
        arrays, sha256 = _read_pictures(path, pictures, size, stream), sha256_of_all(pictures)
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays.get(f"y_{part}")
        if x.dtype != np.uint8 or x.ndim != 3 or len(x) == 0 or x.shape[1:] != (size, size):
            raise InputError(f"{path} should hold x_{part} as uint8 images of shape (n, {size}, {size}), values 0 to 255. "
                             f"Received: {x.dtype} of shape {x.shape}. Scale the images, or give a folder of picture "
                             f"files: those are scaled for you")
        if y is not None and (y.shape != (len(x),) or y.dtype.kind not in "iu" or y.min(initial=0) < 0):
            raise InputError(f"{path} should hold y_{part} as {len(x)} labels counted from 0. "
                             f"Received: {y.dtype} of shape {y.shape}")
    return Images(name, str(path), sha256, False, arrays["x_train"], arrays.get("y_train"),
                  arrays["x_test"], arrays.get("y_test"))


def read_npz(path):
    """The arrays x_train, x_test and, if there are labels, y_train, y_test of an .npz file, as a dict."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_unpacked(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("x_train", "y_train", "x_test", "y_test") if key in file.files}
        if wrong := [key for key, value in arrays.items() if not isinstance(value, np.ndarray)]:
            raise ValueError(f"{wrong[0]} is no array")
    except InputError:
        raise
    except Exception as error:      # zipfile and NumPy raise a dozen kinds for a file that is not theirs, MemoryError too
        raise InputError(f"{path} should be a NumPy .npz file with x_train and x_test, but cannot be read as one: "
                         f"{error}. Nothing was changed; get the file again.") from error
    if missing := {"x_train", "x_test"} - set(arrays):
        raise InputError(f"{path} should hold the arrays x_train and x_test. Missing: {', '.join(sorted(missing))}")
    return {key: value.astype("int64") if key[0] == "y" and value.dtype.kind == "u" else value
            for key, value in arrays.items()}


def _read_idx(folder, found):
    arrays = {}
    for key, stem in [("x_train", "train-images"), ("y_train", "train-labels"),
                      ("x_test", "t10k-images"), ("y_test", "t10k-labels")]:
        path = next((p for p in found if p.name.startswith(stem)), None)
        if path is None:
            raise InputError(f"{folder} should hold MNIST's four idx files. Missing: {stem}-*-ubyte[.gz]")
        try:
            with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
                content = file.read(max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size) + 1)
            check_unpacked(path, len(content))
            rank = content[3]
            shape = tuple(int(n) for n in np.frombuffer(content, ">u4", count=rank, offset=4))
            if content[:3] != b"\0\0\x08" or rank != (3 if key[0] == "x" else 1):
                raise ValueError(f"starts with {content[:4].hex()}")
            array = np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
        except (ValueError, IndexError, OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path} should be an idx file of unsigned bytes, but cannot be read as one: {error}. "
                             f"Nothing was changed; get the file again.") from error
        arrays[key] = array if key[0] == "x" else array.astype("int64")
    return arrays


def _read_pictures(folder, pictures, size, stream):
    from PIL import Image, ImageOps

    def read(path):
        try:
            return np.asarray(ImageOps.fit(open_picture(path).convert("L"), (size, size), Image.Resampling.LANCZOS))
        except InputError as error:
            raise InputError(f"{error}. Take it out of {folder} or replace it.") from error

    return parts_of_pictures(pictures, read, stream and len(pictures) * size * size > LARGE)


def open_picture(path):
    """A picture as a viewer shows it: a PIL image in mode L or RGB, upright, without transparency, 8 bits a channel.

    More than 8 bits (scans, depth maps) are scaled, so that the brightest pixel has 255. What is transparent becomes white
    behind dark ink and black behind bright ink.

    Raises:
        InputError: it cannot be read.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)           # a photograph that the camera stored on its side
        if image.mode[0] in "IF":                            # convert would cut off what is above 255
            grey = np.nan_to_num(np.asarray(image, "float64")).clip(0)
            image = Image.fromarray(np.uint8(grey * (255 / max(grey.max(), 1e-9))))
        mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
        if image.has_transparency_data:
            image = image.convert("RGBA")
            alpha = np.asarray(image.getchannel("A"), "float64")
            ink = np.average(np.asarray(image.convert("L")), weights=alpha) if alpha.any() else 0
            image = Image.alpha_composite(Image.new("RGBA", image.size, "black" if ink > 127 else "white"), image)
        return image.convert(mode)
    except (OSError, ValueError, SyntaxError, NotImplementedError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} should be a picture, but cannot be read as one: {error}") from error


def parts_of_pictures(paths, read, stream):
    """x_train and x_test, every tenth, and the classes y_train and y_test if the pictures lie in several folders.

    Args:
        paths: the files.
        read: function of a path → its image.
        stream: whether the training images are Pictures; of the others at most TESTED are kept.
    """
    test, rng = np.arange(len(paths)) % 10 == 9, np.random.default_rng(0)
    # Mixed, as the paths come class by class: scripts hold the last training images out, and take the first for a look.
    parts = [rng.permutation(np.flatnonzero(rows)) for rows in (~test, test)]
    parts[1] = parts[1][:TESTED if stream else None]
    x = [Pictures([paths[i] for i in rows], read) for rows in parts]
    arrays = {"x_train": x[0] if stream else np.asarray(x[0]), "x_test": np.asarray(x[1])}
    classes = {folder: number for number, folder in enumerate(sorted({path.parent for path in paths}))}
    if len(classes) > 1:
        y = np.array([classes[path.parent] for path in paths])
        arrays |= {"y_train": y[parts[0]], "y_test": y[parts[1]]}
    return arrays


def check_unpacked(path, size):
    """Raises InputError for an archive that would fill the memory: data never shrink to a 200th, and small files may."""
    if size > max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size):
        raise InputError(f"{path} should hold data, but unpacks to more than {BOMB_RATIO} times its size. "
                         f"Received: {path.stat().st_size:,} bytes that become {size:,} or more")


class _Kind:
    """The dtype of an array in a pickle. A real one would take flags from there that make pointers of the array's bytes."""

    def __init__(self, name, *options):
        name = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        if not isinstance(name, str) or not re.fullmatch("[biuf][0-9]{1,2}", name):
            raise pickle.UnpicklingError(f"it holds an array of {name!r:.40}, and data are numbers")
        self.dtype = np.dtype(name)

    def __setstate__(self, state):
        if state[1] in ("<", ">", b"<", b">"):
            self.dtype = self.dtype.newbyteorder(str(state[1], "ascii") if isinstance(state[1], bytes) else state[1])


class _Array(np.ndarray):
    """An array in a pickle, filled with numbers alone."""

    def __setstate__(self, state):
        _, shape, kind, fortran, content = state
        content = content.encode("latin1") if isinstance(content, str) else content               # str: Python 2's
        array = _frombuffer(content, kind, shape, "F" if fortran else "C")
        super().__setstate__((1, array.shape, array.dtype, bool(fortran), bytes(content)))


class _Ignored:
    """Stands for what no data need: states of random numbers."""

    def __init__(self, *arguments, **options):
        pass

    def __setstate__(self, state):
        pass


def _reconstruct(kind, shape, name):
    return np.ndarray.__new__(_Array, (0,), "b")


def _frombuffer(content, kind, shape, order):
    if min(shape, default=0) < 0:
        raise pickle.UnpicklingError(f"it holds an array of shape {shape!r:.40}")
    return np.frombuffer(bytes(content), kind.dtype).reshape(shape, order=order)


class _Harmless(pickle._Unpickler):       # in Python: that in C makes room for as many objects as a pickle says it numbers
    def __init__(self, file, allowed, **options):
        super().__init__(file, **options)
        self.allowed = allowed

    def find_class(self, module, name):
        known = {"dtype": _Kind, "ndarray": None, "_reconstruct": _reconstruct, "_frombuffer": _frombuffer}
        if module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy._core.numeric") and name in known:
            return known[name]
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which data do not need")
        return _Ignored if module.startswith("numpy.random.") else super().find_class(module, name)


def unpickle(file, allowed=(), **options):
    """What a pickle holds. A pickle can call any function that it names: this one may name NumPy's arrays, which are built
    by functions of this file, and what is `allowed`, (module, name) each; of numpy.random that is read and left out. Any
    other name raises pickle.UnpicklingError before anything of it is called, and so do arrays of anything but numbers and
    whatever else is wrong."""
    try:
        return _Harmless(file, allowed, **options).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:             # the opcodes of a damaged pickle may do anything to Python's own objects
        raise pickle.UnpicklingError(f"it is damaged: {error!r:.100}") from error


def sha256_of_all(paths):
    """One sha256 for several files."""
    return hashlib.sha256("".join(sha256_of(path) for path in paths).encode()).hexdigest()
