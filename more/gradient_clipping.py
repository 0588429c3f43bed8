"""为什么梯度裁剪能加速训练过程？一个简明的分析, https://kexue.fm/archives/7469

Where the gradient changes the faster the larger it is, |f''| ≤ L₀ + L₁|f'|, no constant rate is right: the
rate that lowers f for sure is 1 / (L₀ + L₁|g|). Up to constants that is the soft form of clipping,
η γ / (|g| + γ), and clipping as one knows it, η min(1, γ / |g|), is within a factor of two of it. θ⁴ is the
article's example.

    article                        here
    γ, η                           limit, rate
    min(1, γ/|g|)                  hard_factor
    γ/(|g| + γ)                    soft_factor
    the soft form while training   SoftClippedAdam

    python more/gradient_clipping.py    seconds: steps to the minimum of θ⁴ by rate, without and with clipping
"""

import keras
import numpy as np
from keras import ops


def hard_factor(norm, limit):
    """min(1, γ/|g|): what global_clipnorm of Keras' optimizers does."""
    return np.minimum(1.0, limit / np.maximum(norm, np.finfo("float64").tiny))


def soft_factor(norm, limit):
    """γ/(|g| + γ): between half of hard_factor and all of it."""
    return limit / (norm + limit)


def soft_clip(gradients, limit):
    """Gradients times γ / (|g| + γ), where |g| is the norm of all of them together; None stays None."""
    squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients if g is not None]
    factor = limit / (ops.sqrt(sum(squares)) + limit)
    return [None if g is None else g * ops.cast(factor, g.dtype) for g in gradients]


@keras.saving.register_keras_serializable(package="kexue")
class SoftClippedAdam(keras.optimizers.Adam):
    """Adam on gradients that are clipped softly, g γ / (|g| + γ), by the norm of all of them together.

    Args:
        learning_rate: as in Adam.
        soft_clipnorm: γ.
        **kwargs: as in Adam, but for gradient_accumulation_steps: what would be clipped is each batch.

    Raises:
        ValueError: γ is not positive, or gradients are accumulated.

    Example:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(SoftClippedAdam(1e-2, soft_clipnorm=1.0), "mse")
        model.fit(np.ones((8, 3)), np.ones((8, 1)), verbose=0)

    Reference: 苏剑林, 为什么梯度裁剪能加速训练过程？一个简明的分析, https://kexue.fm/archives/7469
    """

    def __init__(self, learning_rate=0.001, soft_clipnorm=1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        if not soft_clipnorm > 0:
            raise ValueError("soft_clipnorm expects a positive number. "
                             f"Received: soft_clipnorm={soft_clipnorm!r}")
        if self.gradient_accumulation_steps:
            raise ValueError("gradient_accumulation_steps expects None: clipping is not linear. "
                             f"Received: gradient_accumulation_steps={self.gradient_accumulation_steps}")
        self.soft_clipnorm = soft_clipnorm

    def apply(self, grads, trainable_variables=None):
        return super().apply(soft_clip(grads, self.soft_clipnorm), trainable_variables)

    def get_config(self):
        return {**super().get_config(), "soft_clipnorm": self.soft_clipnorm}


def steps_to_minimum(start, rate, factor=None, limit=10.0, goal=0.1, most=200_000):
    """Steps of θ ← θ − η g on θ⁴ until |θ| < goal, or None where θ leaves for good or `most` do not do.

    Args:
        factor: of the gradient, a function of its norm and the limit; None: plain gradient descent.
    """
    theta = start
    for step in range(1, most + 1):
        gradient = 4 * theta ** 3
        scale = 1.0 if factor is None else factor(abs(gradient), limit)
        theta -= rate * scale * gradient
        if abs(theta) < goal:
            return step
        if not abs(theta) < 1e6:
            return None
    return None


# ------------------------------------------------------------------------------------------------------- demo

ARMS = {"gradient descent": None, "hard": hard_factor, "soft": soft_factor}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)


def draw(run, results, starts):
    """For each start, steps to the minimum by rate; an arm that diverges ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, start in zip(figure.subplots(1, len(starts), sharey=True), starts):
        for arm, line in zip(ARMS, ("o-", "s--", "^:")):
            steps = [results[start, rate, arm] or np.nan for rate in RATES]
            axes.loglog(RATES, steps, line, label=arm, markersize=4)
        axes.set(xlabel="rate", ylabel="steps to |θ| < 0.1", title=f"θ⁴ from θ = {start:g}")
        axes.legend(fontsize="small")
    run.draw(figure)


def demo(config):
    """Steps to the minimum for every start, rate and arm."""
    import hashlib

    from common.harness import further
    from common.harness.reading import InputError

    if config.data:
        raise InputError("--data expects nothing, since θ⁴ is all there is; leave it out. "
                         f"Received: {config.data}")
    run = further.start(config, "gradient_clipping", ("keras", "numpy"))
    starts, rows, results = (3.0, 10.0), [], {}
    for start in starts:
        for rate in RATES:
            for arm, factor in ARMS.items():
                most = 2000 if config.smoke else 200_000
                results[start, rate, arm] = steps_to_minimum(start, rate, factor, config.limit, most=most)
            rows.append([start, rate, *(results[start, rate, arm] or "–" for arm in ARMS)])
    run.table(["start", "rate", *ARMS], rows)
    draw(run, results, starts)
    metrics = {}
    for arm in ARMS:
        reached = {rate: results[10.0, rate, arm] for rate in RATES if results[10.0, rate, arm]}
        key = arm.replace(" ", "_")
        metrics |= {f"largest_rate_{key}": max(reached, default=0), f"reached_{key}": len(reached)}
        if reached:
            metrics[f"fewest_steps_{key}"] = min(reached.values())
    digest = hashlib.sha256(b"theta^4").hexdigest()
    run.finish({"name": "θ⁴", "source": "a formula", "sha256": digest, "builtin": True}, metrics)


def main():
    """The demo, python more/gradient_clipping.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    limits = cli.Between(above=0, most=1e6)
    further.main(demo, __doc__, limit=(10.0, limits, "γ, the norm at which a gradient begins to be clipped."))


if __name__ == "__main__":
    main()
