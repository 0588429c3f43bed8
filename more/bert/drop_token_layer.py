"""DropToken on Keras 3, to copy: it needs keras alone. drop_token.py has the same layer on tf_keras, for
bert4keras' models, and measures it.

    x = TokenAndPosition(...)(tokens)                    # positions are added before
    x, mask = DropToken(0.15)(x)                         # shorter in training
    x = x + SelfAttention(4)(x, mask=mask)               # of common/attention.py, and so on

Article: 苏剑林, 从Dropout视角看MLM和MAE：一些新的启发, https://kexue.fm/archives/8770
"""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class DropToken(keras.layers.Layer):
    """Leaves some tokens of each sequence out, in training: what follows computes shorter sequences.

    Of m real tokens ⌈m (1 − rate)⌉ stay, drawn anew for each sequence, in their order. In inference it does
    nothing. It belongs behind the layer that adds positions, and before layers that mix tokens by attention:
    to convolutions and rotary positions what stays would look like neighbours.

    Args:
        rate: share of the tokens that go, from 0 to below 1.
        keep_first: so many tokens at the beginning stay in any case, for [CLS].
        seed: integer seed of the draw.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, time, channels).
        mask: (batch, time), True at real tokens, which come first; by default the one that Keras hands on.

    Output:
        Two tensors, in training (batch, ⌈time (1 − rate)⌉, channels), and the same without channels: the mask
        of the tokens that stay, since rows that are shorter than others have padding at their end. Otherwise
        the inputs and their mask. Give that mask to the layers that follow: a functional model fixes the
        masks that Keras hands on when it is built, and could not shorten them.

    Raises:
        ValueError: rate or keep_first out of range, inputs without three axes, a mask of another shape.

    Precision: tokens are moved, not computed with.

    Example:
        layer = DropToken(0.25)
        x = np.random.normal(size=(2, 8, 16))
        print(layer(x, training=True)[0].shape)      # (2, 6, 16)

    Reference: 苏剑林, https://kexue.fm/archives/8770; He et al., Masked Autoencoders Are Scalable Vision
        Learners, https://arxiv.org/abs/2111.06377
    """

    def __init__(self, rate, keep_first=1, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate expects a share from 0 to below 1. Received: rate={rate}")
        if not isinstance(keep_first, int) or keep_first < 0:
            raise ValueError("keep_first expects a whole number, at least 0. "
                             f"Received: keep_first={keep_first}")
        self.rate, self.keep_first, self.seed = rate, keep_first, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True

    def call(self, inputs, mask=None, training=False):
        batch, time = ops.shape(inputs)[:2]
        if mask is None:
            mask = ops.ones((batch, time), "bool")
        elif len(mask.shape) != 2:
            raise ValueError(f"mask expects (batch, time). Received: mask.shape={tuple(mask.shape)}")
        mask = ops.cast(mask, "bool")
        if not training or not self.rate:
            return inputs, mask
        draw = keras.random.uniform((batch, time), seed=self.seed_generator)
        places = self.chosen(mask, draw)
        outputs = ops.take_along_axis(inputs, ops.minimum(places, time - 1)[..., None], axis=1)
        return outputs, places < time

    def compute_mask(self, inputs, mask=None):
        return None, None

    def chosen(self, mask, draw):
        """The places that stay, in ascending order, (batch, ⌈time (1 − rate)⌉); `time` for none.

        Args:
            mask: (batch, time), boolean.
            draw: (batch, time), numbers from 0 to 1; tokens with the smallest ones stay.
        """
        time = ops.shape(mask)[1]
        draw = ops.where(ops.arange(time) < self.keep_first, -1.0, draw)
        order = ops.argsort(ops.where(mask, draw, 2.0), axis=1)          # padding comes last
        order = ops.cast(order, "int32")[:, :self.kept(time)]
        count = self.kept(ops.sum(ops.cast(mask, "int32"), axis=1))
        real = ops.arange(ops.shape(order)[1]) < count[:, None]
        return ops.sort(ops.where(real, order, time), axis=1)

    def kept(self, count):
        """⌈count (1 − rate)⌉, and keep_first at least, of an integer or a tensor of integers."""
        # a little less: 10 (1 − 0.3) is 7.000000000000001 in some precision, and should not become 8
        if isinstance(count, int):
            return min(max(math.ceil(count * (1 - self.rate) - 1e-4), self.keep_first), count)
        kept = ops.cast(ops.ceil(ops.cast(count, "float32") * (1 - self.rate) - 1e-4), "int32")
        return ops.minimum(ops.maximum(kept, self.keep_first), count)

    def compute_output_spec(self, inputs, mask=None, training=False):
        shape, without_channels = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, self.compute_dtype), keras.KerasTensor(without_channels, "bool")

    def compute_output_shape(self, input_shape):
        """The time is open where training and inference differ in it."""
        batch, time, channels = input_shape
        time = None if self.rate else time
        return (batch, time, channels), (batch, time)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "keep_first": self.keep_first, "seed": self.seed}
