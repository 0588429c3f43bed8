"""What makes a step of training as fast as its arithmetic: input that is left alone, steps that are fused."""

import keras
import numpy as np

from common.harness import devices

FUSED = 20                                              # 20 batches of MNIST are 6 MB: they stay in the cache


def disable_autotune():
    """Turns tf.data's tuning of what model.fit reads from a PyDataset off; Keras itself does so for several
    workers alone.

    With it epochs of gan whose steps took 2.05 s ended after 2.58 s, others after 5.1 or 10.3 s: as if fit
    waited for a thread whose pauses double from 10 ms on. Without it they end with their last step. A
    generator that is read one batch ahead has nothing to tune.
    """
    if keras.backend.backend() != "tensorflow":
        return
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    plain = PyDatasetAdapter.get_tf_dataset
    if getattr(plain, "untuned", False):
        return

    def get_tf_dataset(adapter):
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = False
        return plain(adapter).with_options(options)

    get_tf_dataset.untuned = True
    PyDatasetAdapter.get_tf_dataset = get_tf_dataset


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
