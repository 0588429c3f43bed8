"""Memory: what weights may take, what an error for want of it looks like, and what stays with the process
from one step to the next.

No Keras in here.
"""

import contextlib
import ctypes
import errno
import functools
import inspect
import math
import os
import pathlib

from common.harness.language import in_users_language
from common.harness.reading import InputError

# -------------------------------------------------------------------------------------- weights of a model

NUMBERS = 4               # that training holds for each weight: itself, its gradient and Adam's two moments
BYTES = 4                 # of a number: weights are float32 under every policy
_left = math.inf          # bytes that may still be taken for weights, see limit_weights


def limit_weights(layer_class, devices=1):
    """From here on a layer refuses a weight before it is made, if it and those made since cannot be trained
    in the memory that is free now.

    Without it the system grants the memory, and ends the process without a word when it is used.

    Args:
        layer_class: Layer, of Keras 3 or of tf_keras.
        devices: that hold the whole model each.
    """
    global _left
    _left = available() / devices
    if not hasattr(layer_class.add_weight, "limited"):
        layer_class.add_weight = _limited(layer_class.add_weight)


def lift_limit():
    """Ends what limit_weights began: what is built after a training is no larger than what was trained."""
    global _left
    _left = math.inf


def _limited(add_weight):
    signature = inspect.signature(add_weight)

    @functools.wraps(add_weight)
    def limited(layer, *arguments, **options):
        global _left
        shape = signature.bind(layer, *arguments, **options).arguments.get("shape") or ()
        shape = tuple(map(int, [shape] if isinstance(shape, int) else shape))
        size = NUMBERS * BYTES * math.prod(shape)
        if size > _left:
            error = InputError(in_users_language(
                f"training one of the model's weights takes {readable(size)}, but only {readable(_left)} are "
                f"free: choose smaller sizes. Received: a weight of shape {shape} in the layer {layer.name}",
                f"训练模型的一个权重要 {readable(size)} 内存，只剩 {readable(_left)}：请减小尺寸。"
                f"收到：{layer.name} 层中形状为 {shape} 的权重"))
            # without this mark Keras adds a page of what the layer was called with
            error._keras_call_info_injected = True
            raise error
        _left -= size
        return add_weight(layer, *arguments, **options)

    limited.limited = True
    return limited


def available():
    """Bytes that this process may still take: of the machine's and its container's free memory the smaller;
    infinity where the system does not say."""
    return min(_free_of_machine(), _free_of_container())


def _free_of_machine():
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable:"))
        return 1024 * int(free.split()[1])
    with contextlib.suppress(AttributeError, OSError, ValueError):            # Windows has no sysconf
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return math.inf


def _free_of_container(folder="/sys/fs/cgroup"):
    """What the control group leaves, in version 2 of their files; pages of files that it could drop are
    free."""
    folder = pathlib.Path(folder)
    with contextlib.suppress(OSError, ValueError):
        most = int((folder / "memory.max").read_text())                          # "max": there is no limit
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        used = int((folder / "memory.current").read_text())
        return most - used + int(statistics["file"])
    return math.inf


def readable(size):
    """Bytes as a person reads them."""
    if size < 1e9:
        return f"{max(size, 0) / 1e6:,.0f} MB"
    return f"{size / 1e9:,.1f} GB"


# ------------------------------------------------------------------------------------ errors for want of it

ADVICE = ("this needs more memory than there is: try a smaller --batch-size, smaller sizes of the model or "
          "fewer data")
CHINESE_ADVICE = "内存不够：请减小 --batch-size 或模型的尺寸，或减少数据"
# How those say it whose errors are of a general kind: JAX, PyTorch on a CPU, NumPy within Keras, TensorFlow
# when it copies to a GPU, and NVIDIA's libraries.
WORDS = ("RESOURCE_EXHAUSTED", "can't allocate memory", "not enough memory", "Unable to allocate",
         "Dst tensor is not initialized", "STATUS_ALLOC_FAILED")


def is_exhausted(error):
    """Whether an exception, or what it came from, says that there is no memory."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if _says_exhausted(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _says_exhausted(error):
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    if type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError"):     # TensorFlow, PyTorch
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in WORDS)


# -------------------------------------------------------------------------------- from one step to the next

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3     # from glibc's malloc.h


def keep_freed_memory():
    """Asks the C library to keep freed memory for the next step; to be called before TensorFlow's first
    operation.

    The first tf.data generator of a process, which is how model.fit reads a PyDataset, lowers glibc's
    M_TRIM_THRESHOLD to 128 kB (tensorflow/core/kernels/data/generator_dataset_op.cc). From then on the
    buffers of an XLA loop go back to the
    system after each operation and come back page by page: 800 page faults in a step of the 784-256-2
    autoencoder, half of its time. Fixed thresholds and 16 MB of slack (M_TOP_PAD) end that. Other C libraries
    are left alone.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        for name, size in [(M_MMAP_THRESHOLD, 1 << 25), (M_TRIM_THRESHOLD, 1 << 30), (M_TOP_PAD, 1 << 24)]:
            library.mallopt(name, size)
