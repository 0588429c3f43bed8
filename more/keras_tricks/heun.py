"""“让Keras更酷一些！”：小众的自定义优化器, https://kexue.fm/archives/5879

An optimizer of one's own, and one that needs two gradients for a step: Heun's method, which the article
inserts into the training function.

    2018       get_updates; for two gradients a train_function that is replaced
    Keras 3    update_step; for two gradients each batch comes twice, and the step knows which time it is

        θ̃ = θ − γ g(θ)                                first time
        θ ← θ − ½γ (g(θ) + g(θ̃)) = θ̃ + ½γ (g(θ) − g(θ̃))     second time

    python more/keras_tricks/heun.py    seconds

The soft batch of the same article is gradient_accumulation.py.
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class Heun(keras.optimizers.Optimizer):
    """Heun's method for θ̇ = −∂L/∂θ; each batch has to come twice in a row.

    Training data of which this is so: np.repeat of whole batches without shuffling, dataset.repeat of a
    single batch, or a PyDataset whose item is batch index // 2. The article's finding is that the method is
    not better than SGD at the same number of gradients.

    Args:
        learning_rate: γ.
        **kwargs: as for any optimizer, but for gradient_accumulation_steps and clipping, by which the two
            gradients would differ from those of the formula.

    Raises:
        ValueError: gradients are accumulated or clipped.

    Example:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(Heun(1e-2), "mse")
        model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=2, batch_size=8, verbose=0)

    Reference: 苏剑林, “让Keras更酷一些！”：小众的自定义优化器, https://kexue.fm/archives/5879
    """

    def __init__(self, learning_rate=0.01, **kwargs):
        super().__init__(learning_rate, **kwargs)
        refused = ("gradient_accumulation_steps", "clipnorm", "clipvalue", "global_clipnorm")
        given = {name: kwargs[name] for name in refused if kwargs.get(name) is not None}
        if given:
            raise ValueError(f"Heun's method expects gradients as they are, of both times. Received: {given}")

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.first = self.add_optimizer_variables(variables, "first_gradient")

    def update_step(self, gradient, variable, learning_rate):
        first = self.first[self._get_variable_index(variable)]
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(ops.convert_to_tensor(gradient, sparse=False), variable.dtype)
        kept = ops.convert_to_tensor(first)
        again = ops.equal(ops.mod(self.iterations, 2), 1)
        change = ops.where(again, (kept - gradient) / 2, -gradient)
        self.assign_add(variable, rate * change)
        self.assign(first, gradient)


def descend(optimizer, gradient, start, steps):
    """Where θ is after so many steps with gradient(θ)."""
    variable = keras.Variable(start, dtype="float32")
    optimizer.build([variable])
    for _ in range(steps):
        optimizer.apply([gradient(ops.convert_to_tensor(variable))], [variable])
    return variable.numpy()


def check():
    """What holds of θ̇ = −θ³ up to time 1, whose solution is known: a line."""
    start, errors = 1.5, {}
    exact = start / np.sqrt(1 + 2 * start ** 2)
    for name, times in (("SGD", 1), ("Heun", 2)):
        for count in (16, 32):
            optimizer = Heun(1 / count) if name == "Heun" else keras.optimizers.SGD(1 / count)
            found = descend(optimizer, lambda theta: theta ** 3, start, times * count)
            errors[name, count] = abs(found - exact)
    orders = {name: np.log2(errors[name, 16] / errors[name, 32]) for name in ("SGD", "Heun")}
    assert abs(orders["SGD"] - 1) < 0.2 and abs(orders["Heun"] - 2) < 0.3, f"Received: {orders}"
    return [f"half the step has 2^−{orders['SGD']:.2f} of the error by SGD, 2^−{orders['Heun']:.2f} by Heun"]


if __name__ == "__main__":
    print(*check(), sep="\n")
