"""Memory that stays with the process from one step to the next.

No Keras in here.
"""

import contextlib
import ctypes

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
