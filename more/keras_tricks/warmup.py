"""“让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765, section 修改超参数

The learning rate grows from zero in the first epochs, and falls in steps later.

    2018       K.set_value(model.optimizer.lr, ...) in on_batch_begin
    Keras 3    a LearningRateSchedule, which is a part of the compiled step. Built in: CosineDecay has
               warmup_steps, PiecewiseConstantDecay the steps, the callback LearningRateScheduler one rate for
               each epoch

    python more/keras_tricks/warmup.py    seconds
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """rate · (step + 1) / steps in the first steps, then the rate, or what another schedule says.

    Args:
        rate: a number, or a LearningRateSchedule.
        steps: how many the warm-up takes: the article's ten epochs are 10 · steps_per_epoch.

    Example:
        optimizer = keras.optimizers.Adam(Warmup(1e-3, steps=1000))

    Reference: 苏剑林, “让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765
    """

    def __init__(self, rate, steps):
        if not steps >= 1:
            raise ValueError(f"steps expects at least 1. Received: steps={steps!r}")
        self.rate, self.steps = rate, steps

    def __call__(self, step):
        rate = self.rate(step) if callable(self.rate) else self.rate
        share = (ops.cast(step, "float32") + 1) / self.steps
        return ops.cast(rate, "float32") * ops.minimum(share, 1.0)

    def get_config(self):
        rate = keras.saving.serialize_keras_object(self.rate) if callable(self.rate) else self.rate
        return {"rate": rate, "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        rate = config["rate"]
        rate = keras.saving.deserialize_keras_object(rate) if isinstance(rate, dict) else rate
        return cls(rate, config["steps"])


def check():
    """What holds of the rates that SGD takes: a line."""
    falling = keras.optimizers.schedules.PiecewiseConstantDecay([5], [1.0, 0.1])
    schedule = Warmup.from_config(Warmup(falling, 4).get_config())
    variable, optimizer, places = keras.Variable(0.0), keras.optimizers.SGD(schedule), [0.0]
    for _ in range(8):
        optimizer.apply([ops.convert_to_tensor(-1.0)], [variable])
        places.append(float(variable.numpy()))
    assert np.allclose(np.diff(places), [0.25, 0.5, 0.75, 1, 1, 1, 0.1, 0.1]), f"Received: {places}"
    return ["SGD goes by 0.25, 0.5, 0.75, 1, 1, 1, 0.1, 0.1 of the gradient, as the saved schedule says"]


if __name__ == "__main__":
    print(*check(), sep="\n")
