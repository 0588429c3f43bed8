"""“让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765, section 修改超参数

A number in the loss that changes while the model is trained: label smoothing from 0.1 to 0.01.

    2018       K.variable, and K.set_value in a callback
    Keras 3    a weight that is not trained, of a layer with add_loss, which a callback assigns. A number
               would be compiled into the training function, and on JAX so would a variable that is not the
               model's

    python more/keras_tricks/loss_weight.py    seconds
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class SmoothedLoss(keras.layers.Layer):
    """Cross-entropy with (1 − e) of the label and e of the uniform distribution, where e may change.

        L = (1 − e) · CE(y, p) + e · CE(1/K, p)

    Args:
        share: e at first.
        **kwargs: as for any layer.

    Call arguments: [y, logits], class numbers (batch,) or (batch, 1) and (batch, K). Output: the logits.

    Example:
        x, y = keras.Input((4,)), keras.Input((), dtype="int32")
        layer = SmoothedLoss(0.1)
        model = keras.Model([x, y], layer([y, keras.layers.Dense(3)(x)]))
        layer.share.assign(0.01)

    Reference: 苏剑林, “让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765
    """

    def __init__(self, share=0.1, **kwargs):
        super().__init__(**kwargs)
        self.start = share

    def build(self, input_shape):
        self.share = self.add_weight(shape=(), initializer=keras.initializers.Constant(self.start),
                                     trainable=False, dtype="float32", autocast=False, name="share")

    def call(self, inputs):
        y, logits = inputs
        log_p = ops.log_softmax(ops.cast(logits, "float32"))
        y = ops.one_hot(ops.reshape(y, (-1,)), logits.shape[-1])
        right, uniform = -ops.sum(y * log_p, axis=-1), -ops.mean(log_p, axis=-1)
        self.add_loss(ops.mean((1 - self.share) * right + self.share * uniform))
        return logits

    def compute_output_shape(self, input_shape):
        return input_shape[1]

    def get_config(self):
        return {**super().get_config(), "share": self.start}


class ShareFrom(keras.callbacks.Callback):
    """layer.share is set to a value when an epoch begins, counted from 0.

    Args:
        layer: a SmoothedLoss.
        epoch, value: from which epoch on, to what.

    Example:
        layer = SmoothedLoss(0.1)
        layer.build([(None,), (None, 3)])
        ShareFrom(layer, 0, 0.01).on_epoch_begin(0)

    Reference: 苏剑林, “让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765
    """

    def __init__(self, layer, epoch, value):
        super().__init__()
        self.layer, self.epoch, self.value = layer, epoch, value

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.layer.share.assign(self.value)


def check():
    """What holds of a model whose weights rest while e changes: a line."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 5, size=(6, 4)).astype("float32"), np.arange(6) % 3
    features, labels = keras.Input((4,)), keras.Input((), dtype="int32")
    dense, layer = keras.layers.Dense(3), SmoothedLoss(0.1)
    model = keras.Model([features, labels], layer([labels, dense(features)]))
    model.compile(keras.optimizers.SGD(0.0))
    log = model.fit([x, y], epochs=4, batch_size=6, verbose=0, callbacks=[ShareFrom(layer, 2, 0.01)]).history
    kernel, bias = dense.get_weights()
    logits = (x @ kernel + bias).astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    right, uniform = -log_p[np.arange(6), y].mean(), -log_p.mean()
    expected = [(1 - e) * right + e * uniform for e in (0.1, 0.1, 0.01, 0.01)]
    assert np.allclose(log["loss"], expected, rtol=1e-5), f"expected {expected}. Received: {log['loss']}"
    return [f"the loss goes from {expected[0]:.4f} to {expected[2]:.4f} when e does, in a compiled function"]


if __name__ == "__main__":
    print(*check(), sep="\n")
