"""Keras实现两个优化器：Lookahead和LazyOptimizer, https://kexue.fm/archives/6869, section Lookahead

Another optimizer takes k steps, and a share α of the way that it went is kept.

    2018       the updates of the training function, replaced from outside
    Keras 3    not built in: Lookahead(keras.optimizers.Adam()), an optimizer that holds one

    article               here
    θ, kept               slow, a variable for each weight
    θ̃ after k steps       the weights of the model
    k, α                  steps, share

    python more/keras_tricks/lookahead.py    seconds
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class Lookahead(keras.optimizers.Optimizer):
    """k steps of another optimizer, then back to θ + α(θ̃ − θ).

    The weights are kept anew when a round of k steps begins, so weights that are loaded in between rounds are
    what the next round goes from. Where training ends amid a round the model has θ̃.

    Symbols: k = steps, α = share, θ = what a round began with, θ̃ = what its k steps lead to.

    Args:
        inner_optimizer: takes the k steps; its learning rate, weight decay and clipping are its own.
        steps: k.
        share: α, more than 0 and at most 1; 1 is the inner optimizer alone.
        name: of this optimizer.

    Raises:
        ValueError: k or α beyond these limits; an inner optimizer that averages weights (use_ema), as its
            average would know nothing of the way back.

    Precision: weights and what is kept of them have the type of the weights. Gradient accumulation of the
        inner optimizer counts: k are its updates.

    Example:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(Lookahead(keras.optimizers.Adam(1e-2)), "mse")
        model.fit(np.ones((8, 3)), np.ones((8, 1)), verbose=0)

    Reference: 苏剑林, Keras实现两个优化器：Lookahead和LazyOptimizer, https://kexue.fm/archives/6869
    """

    def __init__(self, inner_optimizer, steps=5, share=0.5, name=None):
        super().__init__(learning_rate=0.0, name=name)
        inner_optimizer = keras.optimizers.get(inner_optimizer)
        if not (isinstance(steps, int) and steps >= 1):
            raise ValueError(f"steps expects an integer of at least 1. Received: steps={steps!r}")
        if not 0 < share <= 1:
            raise ValueError(f"share expects a number above 0 and at most 1. Received: share={share!r}")
        if inner_optimizer.use_ema:
            raise ValueError("inner_optimizer expects one without use_ema: the average would leave out the "
                             f"way back. Received: inner_optimizer={inner_optimizer.name} with use_ema=True")
        self.inner_optimizer, self.steps, self.share = inner_optimizer, steps, share

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.slow = self.add_optimizer_variables(variables, "slow")
        self.taken = self.add_variable((), dtype="int32", name="taken")
        self.inner_optimizer.build(variables)

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        if not self.built:
            self.build(list(trainable_variables))
        pairs = [(v, slow) for v, slow in zip(self._trainable_variables, self.slow) if slow is not None]
        period = self.steps * (self.inner_optimizer.gradient_accumulation_steps or 1)
        begins, ends = ops.equal(self.taken, 0), ops.equal(self.taken, period - 1)
        for variable, slow in pairs:
            slow.assign(ops.where(begins, ops.convert_to_tensor(variable), ops.convert_to_tensor(slow)))
        self.inner_optimizer.apply(grads, trainable_variables)
        for variable, slow in pairs:
            fast, start = ops.convert_to_tensor(variable), ops.convert_to_tensor(slow)
            variable.assign(ops.where(ends, start + ops.cast(self.share, start.dtype) * (fast - start), fast))
            if variable.constraint is not None:              # what lies between two points need not have it
                variable.assign(variable.constraint(variable))
        self.taken.assign(ops.cast(ops.mod(ops.add(self.taken, 1), period), "int32"))

    @property
    def variables(self):
        return self._variables + self.inner_optimizer.variables

    @property
    def iterations(self):
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self):
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner_optimizer.learning_rate = learning_rate

    def get_config(self):
        return {"inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
                "steps": self.steps, "share": self.share, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        inner = keras.saving.deserialize_keras_object(config.pop("inner_optimizer"), custom_objects)
        return cls(inner, **config)


def check():
    """What holds of two rounds on a parabola, by arithmetic: a line for it."""
    variable = keras.Variable([8.0])
    optimizer = Lookahead(keras.optimizers.SGD(0.25), steps=2)
    optimizer.build([variable])
    for _ in range(4):
        optimizer.apply([ops.convert_to_tensor(variable)], [variable])        # of θ²/2 the gradient is θ
    expected = 8.0
    for _ in range(2):
        expected += 0.5 * (expected * 0.75 ** 2 - expected)
    assert np.allclose(variable.numpy(), expected), f"expected {expected}. Received: {variable.numpy()}"
    return [f"two rounds of two steps of SGD end at {expected:.4f}, half the way of each round"]


if __name__ == "__main__":
    print(*check(), sep="\n")
