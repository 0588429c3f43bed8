"""Small photographs with labels: CIFAR-10 or a part of it, or an .npz file that a user names.

No Keras in here.
"""

import numpy as np

from common.harness import datasets
from common.harness.images import read_npz
from common.harness.language import in_users_language
from common.harness.paths import named_path
from common.harness.reading import InputError, sha256_of

NAMES = ("cifar10/cifar10.npz", "cifar10.npz", "cifar10/cifar10_11k.npz", "cifar10_11k.npz")


def load_photographs(data="", smoke=False):
    """(images, labels) for training and for testing, and where they are from.

    Args:
        data: the path of an .npz file with x_train, y_train, x_test, y_test; "" for CIFAR-10 in the
            folder that KEXUE_DATA names or in the cache, or the built-in digits where it is not there.
        smoke: take the built-in digits for "".

    Returns:
        two pairs of uint8 images (n, height, width, channels) and int labels (n,), and a dict for
        results.json.

    Raises:
        InputError: no such file, or other arrays in it.
    """
    found = "" if smoke else datasets.find(*NAMES) or ""
    path = data or found
    if not path:
        print(in_users_language(
            "NOTE: the built-in digits stand in for CIFAR-10: put cifar10.npz (x_train, y_train, x_test, "
            "y_test) into the folder that KEXUE_DATA names.",
            "注意：没有 CIFAR-10，改用自带的手写数字：请把 cifar10.npz（x_train、y_train、x_test、y_test）"
            "放进 KEXUE_DATA 所指的目录。"), flush=True)
        digits = datasets.builtin_digits()
        arrays, described = vars(digits), digits.describe()
    elif not named_path(path).is_file():
        raise InputError(in_users_language(f"--data expects an .npz file of images. Received: {path}",
                                           f"--data 需要图片的 .npz 文件。收到：{path}"))
    else:
        path = named_path(path)
        arrays = read_npz(path)
        described = datasets.Dataset(path.stem, str(path), sha256_of(path), False).describe()
    parts = []
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays.get(f"y_{part}", np.zeros(0))
        if x.dtype != np.uint8 or x.ndim not in (3, 4) or y.size != len(x):
            raise InputError(f"{path} should hold x_{part} as uint8 images (n, height, width) or (n, height, "
                             "width, channels), and a label for each. "
                             f"Received: {x.dtype} of shape {x.shape}, {y.size} labels")
        parts.append((x.reshape(*x.shape[:3], -1), y.reshape(-1).astype("int64")))
    return *parts, described | {"train": len(parts[0][0]), "test": len(parts[1][0])}
