"""tf.data's tuning, turned off: with it an epoch may end only when the tuning thread wakes.

That thread sleeps 10 ms, 20 ms, 40 ms and so on, and the end of an epoch may wait for it: epochs of gan whose
steps took 2.05 s ended after 2.58 s, others after 5.1 or 10.3 s, and those of nl2sql and flow_nice jumped
between two speeds. Without it epochs end with their last step. A generator that is read one batch ahead has
nothing to tune.

No Keras in here.
"""

import functools


def never(get_dataset):
    """A method that gives a tf.data.Dataset, which from here on is not tuned; for Keras 3 and tf_keras."""
    if getattr(get_dataset, "untuned", False):
        return get_dataset

    @functools.wraps(get_dataset)
    def untuned(adapter):
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = False
        return get_dataset(adapter).with_options(options)

    untuned.untuned = True
    return untuned
