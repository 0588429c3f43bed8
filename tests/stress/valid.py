"""Valid small files of every kind, from which the fuzzer makes its own: what READERS in the articles'
cases.py are made of."""

import gzip
import io
import json
import struct

import numpy as np

X, Y = np.arange(12 * 784, dtype="uint32").astype("uint8").reshape(12, 28, 28), np.arange(12) % 10


def files(reader, name="", **contents):
    """Files with the contents, whose names have _ for their point, and a reader of the folder or of one file
    in it."""
    return {key.replace("_", "."): content for key, content in contents.items()}, lambda folder: reader(
        folder / name
    )


def dumped(value):
    return json.dumps(value, ensure_ascii=False).encode()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def picture(kind):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(X[0]).save(buffer, kind)
    return buffer.getvalue()


IMAGES = npz(x_train=X, y_train=Y, x_test=X[:3], y_test=Y[:3])
LABELS = Y.astype("uint8")
IDX = {
    "train-images-idx3-ubyte": idx(X),
    "train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
    "t10k-images-idx3-ubyte.gz": gzip.compress(idx(X[:3])),
    "t10k-labels-idx1-ubyte": idx(LABELS[:3]),
}
VOCAB = dumped({"padding": 0, "unknown": 1, "first": 2, "characters": "春风山水花"})
WORDS = "春风\n山水\n".encode()
