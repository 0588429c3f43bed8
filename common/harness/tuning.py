"""What makes a step of training as fast as its arithmetic: input that is left alone, steps that are fused, a
softmax over thousands of classes in one pass."""

import functools

import keras
import numpy as np
from keras import ops

from common.harness import autotune, devices

FUSED = 20                                              # 20 batches of MNIST are 6 MB: they stay in the cache


def disable_autotune():
    """Turns tf.data's tuning of what model.fit reads from a PyDataset off, see autotune.py; Keras itself does
    so for several workers alone."""
    if keras.backend.backend() != "tensorflow":
        return
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    PyDatasetAdapter.get_tf_dataset = autotune.never(PyDatasetAdapter.get_tf_dataset)


def fuse_steps(model, x, y):
    """Lets model.fit run the batches of one ArrayBatches item in a single compiled function: small models
    train much faster.

    A 784-256-2 autoencoder computes for two milliseconds a batch; fetching the batch and starting a step cost
    as much again. On the TensorFlow backend this compiles a loop over model.train_step by XLA and returns the
    number of batches that an item should hold; on other backends, which compile whole steps anyway, it
    changes nothing and returns 1.
    Not for convolutions: XLA on a CPU slows them down.

    Args:
        model: a compiled model with plain inputs and targets of fixed shape.
        x, y: a few samples, from which the model builds its optimizer and metrics.
    """
    if keras.backend.backend() != "tensorflow" or devices.count() > 1:
        return 1
    import tensorflow as tf

    x, y = keras.tree.map_structure(np.asarray, (x, y))
    model.evaluate(x, y, verbose=0)                                 # builds the metrics
    model.optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=True)
    def steps(data):
        for i in tf.range(tf.shape(tf.nest.flatten(data)[0])[0]):
            model.train_step(tf.nest.map_structure(lambda t: t[i], data))
        return model.get_metrics_result()

    model.train_function = lambda iterator: steps(next(iterator))   # what model.fit calls for each item
    return FUSED


def cross_entropy(y, logits):
    """−log p of the right class in nats, in float32: keras.ops.sparse_categorical_crossentropy from logits,
    compiled by XLA on TensorFlow.

    TensorFlow's own kernel takes three times as long on a CPU. In couplet, with 64 × 7 × 8,000 logits, that
    was a fifth of a training step.

    Args:
        y: numbers of classes, (...).
        logits: (..., classes), of any dtype.

    Returns:
        (...).
    """
    compute = _by_xla() if keras.backend.backend() == "tensorflow" else _cross_entropy
    return compute(y, logits)


def _cross_entropy(y, logits):
    return ops.sparse_categorical_crossentropy(y, ops.cast(logits, "float32"), from_logits=True)


@functools.cache
def _by_xla():
    import tensorflow as tf

    return tf.function(_cross_entropy, jit_compile=True)
