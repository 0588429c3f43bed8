"""“让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765, section 基本定义方法

A layer that adds noise in training and none afterwards.

    2018       Lambda with K.in_train_phase(x + noise, x)
    Keras 3    built in, GaussianNoise(1.0); a layer of one's own asks its argument `training`

    python more/keras_tricks/noise_in_training.py    seconds
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class UniformNoise(keras.layers.Layer):
    """x + ε with ε uniform on [−size, size] in training, x in inference.

    Args:
        size: of the noise.
        seed: of the noise, which another call draws anew.
        **kwargs: as for any layer.

    Call arguments: x of any shape; training, a bool.

    Example:
        layer = UniformNoise(0.1)
        layer(np.zeros((2, 3)), training=True)

    Reference: 苏剑林, “让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765
    """

    def __init__(self, size=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.size, self.seed = size, seed
        # a generator, not a number: with a number each step would have the same noise
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, x, training=False):
        if not training:
            return x
        shape = ops.shape(x)
        noise = keras.random.uniform(shape, -self.size, self.size, x.dtype, seed=self.seed_generator)
        return x + noise

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "size": self.size, "seed": self.seed}


def check():
    """What holds of both layers: a line for each."""
    x, lines = np.zeros((1000, 10), "float32"), []
    for layer, deviation in ((keras.layers.GaussianNoise(1.0), 1.0), (UniformNoise(1.0), 1 / np.sqrt(3))):
        assert np.array_equal(layer(x, training=False), x)
        first, second = (np.array(layer(x, training=True)) for _ in range(2))
        assert abs(first.std() - deviation) < 0.05 and not np.array_equal(first, second)
        lines.append(f"{layer.__class__.__name__}: no noise in inference, deviation {first.std():.2f} in "
                     f"training, where {deviation:.2f} is meant, and another one in the next call")
    return lines


if __name__ == "__main__":
    print(*check(), sep="\n")
