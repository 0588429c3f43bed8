"""Images that a user names: .npz files, MNIST's idx files, and pictures of any kind.

No Keras in here.
"""

import math
import warnings
import zlib

import numpy as np

from common.harness.archives import Gzip, read_arrays
from common.harness.reading import TESTED, InputError, check_unpacked, too_large

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
FORMATS = ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"]      # whatever the name says; PostScript is a program
PIXELS = 25_000_000                                          # of a picture: a camera's are fewer, mostly
ORIENTATION = 274                                            # EXIF's field that says how to turn it
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class Pictures:
    """Picture files as the rows of an array that is never whole: indexing with an array of rows decodes
    those.

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
            paths = self.paths[rows]
            if not paths:
                return np.empty((0, *self.shape[1:]), self.dtype)
            return Pictures(paths, self.read, self.functions)
        images = np.stack([self.read(self.paths[row]) for row in rows])
        for function in self.functions:
            images = function(images)
        return images

    def __array__(self, dtype=None, copy=None):
        return self[range(len(self))].astype(dtype or self.dtype, copy=False)

    def map(self, function):
        """These pictures with a function of an array of them applied after they are decoded."""
        return Pictures(self.paths, self.read, (*self.functions, function))


def read_npz(path):
    """The arrays x_train, x_test and, if there are labels, y_train, y_test of an .npz file, as a dict."""
    try:
        arrays = read_arrays(path, ARRAYS)
    except InputError:
        raise
    # zipfile and NumPy raise a dozen kinds for a file that is not theirs, MemoryError too
    except Exception as error:
        raise InputError(f"{path} should be a NumPy .npz file with x_train and x_test, but cannot be read as "
                         f"one: {error}. Nothing was changed; get the file again.") from error
    missing = sorted({"x_train", "x_test"} - set(arrays))
    if missing:
        raise InputError(f"{path} should hold the arrays x_train and x_test. Missing: {', '.join(missing)}")
    for key in ("y_train", "y_test"):
        if key in arrays and arrays[key].dtype.kind == "u":
            arrays[key] = as_labels(arrays[key], path)
    return arrays


def as_labels(array, path):
    """Unsigned labels as int64, which may take eight times as much."""
    check_unpacked(path, 8 * array.size)
    return array.astype("int64")


def read_idx(folder, found):
    """The arrays of MNIST's four idx files, packed or not, as read_npz returns them."""
    arrays = {}
    for key, stem in [("x_train", "train-images"), ("y_train", "train-labels"),
                      ("x_test", "t10k-images"), ("y_test", "t10k-labels")]:
        path = next((p for p in found if p.name.startswith(stem)), None)
        if path is None:
            raise InputError(f"{folder} should hold MNIST's four idx files. Missing: {stem}-*-ubyte[.gz]")
        array = _idx_array(path, rank=3 if key[0] == "x" else 1)
        arrays[key] = array if key[0] == "x" else as_labels(array, path)
    return arrays


def _idx_array(path, rank):
    """The array in an idx file of unsigned bytes: two zeros, 8, the rank, big-endian sizes, the bytes."""
    try:
        with Gzip(path) if path.suffix == ".gz" else open(path, "rb") as file:
            start = file.read(4 + 4 * rank)
            if start[:4] != bytes([0, 0, 8, rank]):
                raise ValueError(f"starts with {start[:4].hex()}")
            shape = np.frombuffer(start, ">u4", count=rank, offset=4).tolist()
            size = math.prod(shape)
            check_unpacked(path, size)
            array = np.zeros(size, np.uint8)
            if file.readinto(array) < size or file.read(1):
                raise ValueError(f"does not hold {size:,} bytes behind its header, as that says")
        return array.reshape(shape)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} should be an idx file of unsigned bytes, but cannot be read as one: "
                         f"{error}. Nothing was changed; get the file again.") from error


def read_pictures(folder, pictures, size, stream):
    """Pictures as grey images of size × size, as read_npz returns them; see parts_of_pictures."""
    from PIL import Image, ImageOps

    def read(path):
        try:
            grey = open_picture(path).convert("L")
            return np.asarray(ImageOps.fit(grey, (size, size), Image.Resampling.LANCZOS))
        except InputError as error:
            raise InputError(f"{error}. Take it out of {folder} or replace it.") from error

    return parts_of_pictures(pictures, read, stream and too_large(len(pictures) * size * size))


def open_picture(path):
    """A picture as a viewer shows it: a PIL image in mode L or RGB, upright, without transparency, 8 bits a
    channel.

    More than 8 bits (scans, depth maps) are scaled, so that the brightest pixel has 255. What is transparent
    becomes white behind dark ink and black behind bright ink.

    Raises:
        InputError: it cannot be read.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)      # of more pixels than ours
            file = Image.open(path, formats=FORMATS)
        with file:
            if math.prod(file.size) > PIXELS:
                raise InputError(f"{path} should be a picture of at most {PIXELS:,} pixels. "
                                 f"Received: {file.width:,} × {file.height:,}")
            image = _upright(file)
        del file                                             # its decoder may hold as much again
        if image.mode[0] in "IF":
            return _to_8_bits(image)
        mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
        return _on_paper(image, mode) if image.has_transparency_data else image.convert(mode)
    except Image.UnidentifiedImageError as error:
        raise InputError(f"{path} should be a picture ({', '.join(FORMATS)}), but is none") from error
    # TypeError: a TIFF file whose places are no numbers
    except (OSError, ValueError, TypeError, SyntaxError, NotImplementedError,
            Image.DecompressionBombError) as error:
        raise InputError(f"{path} should be a picture, but cannot be read as one: {error}") from error


def _upright(file):
    """The image in an open file, turned if the camera stored it on its side, as EXIF says."""
    from PIL import Image

    file.load()                                              # EXIF may stand behind the pixels
    turns = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
             4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
             6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}
    # ImageOps.exif_transpose would write the other fields anew, which fails where one of them is damaged.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)     # of damaged fields
            turn = turns.get(file.getexif().get(ORIENTATION))
    # Pillow raises half a dozen kinds for EXIF that is damaged as a whole; the pixels are fine
    except Exception:
        turn = None
    return file.copy() if turn is None else file.transpose(turn)


def _to_8_bits(image):
    """An image of integers or floats, which convert would cut off above 255, with the brightest pixel at
    255."""
    from PIL import Image

    grey = np.array(image, "float32")                        # 32 bits: pictures have millions of pixels
    np.nan_to_num(grey, copy=False)
    np.clip(grey, 0, None, out=grey)
    grey *= 255 / max(grey.max(), 1e-9)
    return Image.fromarray(np.uint8(np.rint(grey, out=grey)))


def _on_paper(image, mode):
    """An image in a mode without transparency, dark ink on white and bright ink on black."""
    from PIL import Image

    if image.mode not in ("LA", "RGBA"):                     # of a palette one colour can be transparent
        image = image.convert("RGBA")
    mask, grey = image.getchannel("A"), np.asarray(image.convert("L"))
    alpha = np.asarray(mask)
    # row by row: products of whole pictures would take eight bytes a pixel
    weighted = sum(int(row @ weights.astype("int64")) for row, weights in zip(grey, alpha))
    ink = weighted / max(int(alpha.sum(dtype="int64")), 1)
    del alpha, grey
    paper = Image.new(mode, image.size, "black" if ink > 127 else "white")
    paper.paste(image.convert(mode), mask=mask)
    return paper


def parts_of_pictures(paths, read, stream):
    """x_train and x_test, every tenth, and the classes y_train and y_test if the pictures lie in several
    folders.

    Args:
        paths: the files.
        read: function of a path → its image.
        stream: whether the training images are Pictures; of the others at most TESTED are kept.
    """
    test, rng = np.arange(len(paths)) % 10 == 9, np.random.default_rng(0)
    # Mixed, as the paths come class by class: scripts hold the last training images out, and take the first
    # for a look.
    rows_train = rng.permutation(np.flatnonzero(~test))
    rows_test = rng.permutation(np.flatnonzero(test))[:TESTED if stream else None]
    x_train = Pictures([paths[row] for row in rows_train], read)
    x_test = Pictures([paths[row] for row in rows_test], read)
    arrays = {"x_train": x_train if stream else np.asarray(x_train), "x_test": np.asarray(x_test)}
    folders = sorted({path.parent for path in paths})
    numbers = {folder: number for number, folder in enumerate(folders)}
    if len(numbers) > 1:
        y = np.array([numbers[path.parent] for path in paths])
        arrays |= {"y_train": y[rows_train], "y_test": y[rows_test]}
    return arrays
