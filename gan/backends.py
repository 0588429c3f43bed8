"""Gradients, and a training step with several optimizers, on TensorFlow, JAX and PyTorch.

TensorFlow and PyTorch record what is done to variables. JAX differentiates and compiles functions of values:
the variables' values go in as arguments, and what was assigned to a variable comes out as a result. train.py
need not know which of them computes.
"""

import itertools

import keras
from keras import ops

BACKENDS = ("tensorflow", "jax", "torch")


def input_gradient(function, x):
    """function(x), and the gradient of its sum by x: ∇T of each image where function is a critic."""
    if keras.backend.backend() == "jax":
        import jax

        value, pull = jax.vjp(function, x)
        gradient, = pull(ops.ones_like(value))
        return value, gradient
    if keras.backend.backend() == "torch":
        import torch

        x = x if x.requires_grad else x.detach().requires_grad_()
        value = function(x)
        gradient, = torch.autograd.grad(value.sum(), x, create_graph=True)      # a penalty differentiates it
        return value, gradient
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return value, tape.gradient(value, x)


class AlternatingModel(keras.Model):
    """A model whose parts have optimizers of their own and are updated in turns.

    A subclass defines update(x), a whole training step on a batch, which calls `minimize` for one part after
    the other and returns what model.fit logs.
    """

    def update(self, x):
        raise NotImplementedError

    def train_step(self, *arguments):
        """What model.fit compiles and calls: with (state, data) on JAX, else with (data)."""
        *state, (x, _) = arguments
        if state:
            return self._update_of_values(state[0], x)
        return self.update(x)

    def _update_of_values(self, state, x):
        """update(x) for JAX: the values of all variables go in, and come out in the same four groups."""
        groups = (self.trainable_variables, self.non_trainable_variables, self.optimizer.variables,
                  self.metrics_variables)
        pairs = zip(itertools.chain(*groups), itertools.chain(*state), strict=True)
        with keras.StatelessScope(list(pairs)) as scope:
            logs = self.update(x)
        return logs, tuple(_values(scope, group) for group in groups)

    def minimize(self, function, variables, optimizer):
        """One step of the optimizer on the first of the values that function() returns; returns all of
        them."""
        outputs, gradients = self.gradients(function, variables, optimizer.scale_loss(1.0))
        if keras.backend.backend() == "jax":
            _apply_on_jax(optimizer, gradients, variables)
        else:
            optimizer.apply(gradients, variables)
        return outputs

    def gradients(self, function, variables, scale=1.0):
        """function(), a tuple, and the gradients of its first value times scale.

        What function assigns to other variables (random states, moving averages) stays assigned.
        """
        if keras.backend.backend() == "jax":
            return self._gradients_on_jax(function, variables, scale)
        if keras.backend.backend() == "torch":
            return _gradients_on_torch(function, variables, scale)
        import tensorflow as tf

        with tf.GradientTape() as tape:
            outputs = function()
            loss = outputs[0] * scale
        return outputs, tape.gradient(loss, [variable.value for variable in variables])

    def _gradients_on_jax(self, function, variables, scale):
        import jax

        chosen = {id(variable) for variable in variables}
        others = [variable for variable in self.variables if id(variable) not in chosen]

        def of_values(values, other_values):
            pairs = [*zip(variables, values), *zip(others, other_values)]
            with keras.StatelessScope(pairs) as scope:
                outputs = function()
            return outputs[0] * scale, (outputs, _values(scope, others))

        differentiated = jax.value_and_grad(of_values, has_aux=True)
        values = [variable.value for variable in variables]
        other_values = [variable.value for variable in others]
        (_, (outputs, other_values)), gradients = differentiated(values, other_values)
        for variable, value in zip(others, other_values):
            variable.assign(value)
        return outputs, gradients


def _gradients_on_torch(function, variables, scale):
    import torch

    outputs = function()
    loss = outputs[0] * scale
    gradients = torch.autograd.grad(loss, [variable.value for variable in variables])
    return tuple(output.detach() for output in outputs), gradients


def _values(scope, variables):
    """What the variables hold in a scope."""
    return [scope.get_current_value(variable) for variable in variables]


def _apply_on_jax(optimizer, gradients, variables):
    """optimizer.apply by its function of values: a LossScaleOptimizer branches on whether the gradients are
    finite, and JAX allows no assignment inside a branch."""
    memory = [variable.value for variable in optimizer.variables]
    values = [variable.value for variable in variables]
    values, memory = optimizer.stateless_apply(memory, gradients, values)
    for variable, value in zip([*variables, *optimizer.variables], [*values, *memory]):
        variable.assign(value)
