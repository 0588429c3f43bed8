"""What the articles say about gradients and convergence, made visible and measured in two dimensions.

1. 6163, 性能分析: two Gaussians far apart, the critic trained until it stands still. How large is the
   generator's gradient, |∂L_G/∂θ| of x_f = θ + noise? The first GAN's divergence is log 2 whatever the
   distance, and its gradient vanishes; W-distance and GAN-QP's divergence grow with the distance. For GAN-QP
   also: how far is T(x_r, x_f) − T(x_f, x_r) from its bound λ d(x_r, x_f), eq. (17), which no constraint
   enforces? And what becomes of it for T of one image?
2. 6583: Dirac-GANs, x_r = 0, x_f = θ, T(x) = φ·x, followed as differential equations. Most of them circle
   around 0.

    python gan/toy.py                   gradients.png, dirac.png and table.json
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure

from common.harness import cli
from common.harness.reading import InputError
from common.harness.writing import ROOT, shown, write_figure, write_json
from common.spectral import SpectralNorm
from gan.objectives import DISTANCES, EPSILONS, LAMBDA, OBJECTIVES, critic_loss, input_gradient

DEVIATION = 0.1                      # of both Gaussians: at a distance of 1 they have nothing in common
SATURATING = "sgan, log(1 − σ(T))"   # the generator's loss of eq. (3) of 6163, beside the −log σ(T) in use


@dataclass
class Config:
    out: pathlib.Path = ROOT / "runs/gan/toy"
    """Folder for the pictures and the table; files of the same name there are replaced."""
    steps: Annotated[int, cli.Between(1, 1_000_000)] = 1000
    """Updates of each critic, with 128 real and 128 generated points."""
    distances: tuple[Annotated[float, cli.Between(above=0, most=1000)], ...] = (1.0, 2.0, 4.0, 8.0)
    """Distances between the centres of the two Gaussians."""
    seed: cli.Seed = 0
    """Seed of the weights and the points."""


# ----------------------------------------------------------------------------------- 1. the critic's gradient

class CriticAlone(keras.Model):
    """A critic that learns to tell two fixed sets of points apart: (x_r, x_f) → the critic's loss, which is
    minimised."""

    def __init__(self, critic, objective):
        super().__init__()
        self.critic, self.objective = critic, objective
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, points, training=False):
        x_r, x_f = points
        if self.critic.inputs[0].shape[-1] == 4:             # T(x_r, x_f) of eq. (15)
            return self.objective.critic(*pair_scores(self.critic, x_r, x_f), x_r, x_f)
        epsilon = None
        if self.objective.r in EPSILONS:
            epsilon = keras.random.uniform((ops.shape(x_r)[0], 1), seed=self.seeds)
        return critic_loss(self.objective, self.critic, x_r, x_f, epsilon)[0]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return y_pred


def build_critic(spectral, images=1):
    """T(x) for one point, or T(x_r, x_f) for two side by side."""
    x = h = keras.Input((2 * images,))
    for _ in range(2):
        h = normed(layers.Dense(64), spectral)(h)
        h = layers.LeakyReLU(0.2)(h)
    return keras.Model(x, normed(layers.Dense(1, use_bias=False), spectral)(h))


def normed(layer, spectral):
    return SpectralNorm(layer) if spectral else layer


def points(distance, count, rng):
    """Real points around (0, 0), generated ones around (distance, 0)."""
    centers = [0, 0], [distance, 0]
    return [(DEVIATION * rng.normal(size=(count, 2)) + center).astype("float32") for center in centers]


def scores(critic, x):
    return ops.squeeze(critic(x, training=False), -1)


def generator_gradient(critic, generator, x_r, x_f):
    """|∂L_G/∂θ| where every x_f moves with θ: the sum of the gradients with respect to the points."""
    t_r = scores(critic, x_r)
    _, gradient = input_gradient(lambda x: generator(t_r, scores(critic, x)), ops.convert_to_tensor(x_f))
    return float(np.linalg.norm(ops.convert_to_numpy(gradient).sum(axis=0)))


def pair_scores(critic, x_r, x_f):
    """T(x_r, x_f) and T(x_f, x_r) of a critic of two images; T(x_r) and T(x_f) of a critic of one."""
    if critic.inputs[0].shape[-1] == 2:
        return scores(critic, x_r), scores(critic, x_f)
    pair, turned = ops.concatenate([x_r, x_f], axis=1), ops.concatenate([x_f, x_r], axis=1)
    return scores(critic, pair), scores(critic, turned)


def bound_ratios(critic, distance, x_r, x_f):
    """Mean and largest ratio of the difference of scores to λ d(x_r, x_f) over all pairs.

    Eq. (17) of 6163: at most 1, for a critic of two images. T(x_r) − T(x_f) of a critic of one cannot follow
    the distance of every pair: where the two sets are disjoint, T + constant at the real points alone shows
    that the mean is 1 at the optimum, and so the largest is above 1.
    """
    every_r = ops.convert_to_tensor(np.repeat(x_r, len(x_f), axis=0))
    every_f = ops.convert_to_tensor(np.tile(x_f, (len(x_r), 1)))
    t_r, t_f = pair_scores(critic, every_r, every_f)
    ratios = ops.convert_to_numpy((t_r - t_f) / (LAMBDA * distance(every_r, every_f)))
    return float(ratios.mean()), float(np.abs(ratios).max())


def trained_critics(objective, images, config):
    """(distance, critic) for each distance: the critic learns anew from the same start, by the same compiled
    step."""
    keras.utils.set_random_seed(config.seed)
    critic = build_critic(objective.spectral, images)
    model = CriticAlone(critic, objective)
    optimizer = keras.optimizers.Adam(3e-3, beta_1=0.5)
    model.compile(optimizer, jit_compile=False)
    model(points(1.0, 2, np.random.default_rng(config.seed)))
    optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    start = [ops.convert_to_numpy(variable) for variable in variables]
    for distance in config.distances:
        for variable, value in zip(variables, start):
            variable.assign(value)
        x = points(distance, 128 * 100, np.random.default_rng(config.seed))
        for done in range(0, config.steps, 100):
            steps = min(100, config.steps - done)
            model.fit(x, np.zeros(len(x[0])), batch_size=128, steps_per_epoch=steps, verbose=0)
        yield distance, critic


def measured(name, images, distance, critic, seed):
    """Rows of the table for a trained critic."""
    x_r, x_f = points(distance, 500, np.random.default_rng(seed + 1))
    row = {"objective": name, "images": images, "distance": distance}
    rows = [row]
    if images == 1:
        row["gradient"] = generator_gradient(critic, OBJECTIVES[name].generator, x_r, x_f)
    if name in DISTANCES:
        row["mean_ratio"], row["largest_ratio"] = bound_ratios(critic, DISTANCES[name], x_r[:100], x_f[:100])
    if name == "sgan":
        gradient = generator_gradient(critic, saturating, x_r, x_f)
        rows.append({"objective": SATURATING, "images": 1, "distance": distance, "gradient": gradient})
    return rows


def saturating(t_r, t_f):
    """log(1 − σ(T(x_f)))."""
    return -ops.mean(ops.softplus(t_f))


def gradients(config):
    """For each objective and distance: the generator's gradient, and GAN-QP's ratios to its bound. A list of
    rows."""
    of_one_image = [(name, 1) for name in OBJECTIVES]
    of_two_images = [(name, 2) for name in OBJECTIVES if name in DISTANCES]
    table = []
    for name, images in of_one_image + of_two_images:
        for distance, critic in trained_critics(OBJECTIVES[name], images, config):
            table += measured(name, images, distance, critic, config.seed)
    return table


def draw_gradients(table, path):
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(row["objective"] for row in table):
        rows = [row for row in table if row["objective"] == name]
        gradients = [max(row["gradient"], 1e-12) for row in rows]
        axes.loglog([row["distance"] for row in rows], gradients, marker=".", label=name)
    distances = sorted({row["distance"] for row in table})
    axes.set_xticks(distances, [f"{distance:g}" for distance in distances])
    axes.tick_params(axis="x", which="minor", labelbottom=False)
    axes.set_xlabel("distance of the centres")
    axes.set_ylabel("|∂L_G/∂θ|")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))


# ---------------------------------------------------------------------------------------------- 2. Dirac-GANs

def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def sgan(phi, theta):
    """System (7) of 6583, from the loss (6)."""
    s = sigmoid(theta @ phi)
    return -s * theta, (1 - s) * phi


def wgan(phi, theta):
    """System (12): T(x) = φ·x/‖φ‖."""
    norm = np.linalg.norm(phi)
    return -theta / norm + (theta @ phi) * phi / norm ** 3, phi / norm


def wgan_gp(phi, theta, c, weight=0.1):
    """System (16): the penalty λ (‖φ‖ − c)², with c = 1 for WGAN-GP and c = 0 for WGAN-div with p = 2."""
    pull = 1 - c / np.linalg.norm(phi) if c else 1
    return -theta - 2 * weight * pull * phi, phi


def gan_qp(phi, theta, l2=0.0, weight=1.0):
    """System (19), and −2·l2·φ for a term l2·‖φ‖² in the critic's loss."""
    return -theta - (theta @ phi) * theta / (weight * np.linalg.norm(theta)) - 2 * l2 * phi, phi


SYSTEMS = {           # name → (φ, θ) → (dφ/dt, dθ/dt), and how long it is followed
    "SGAN": (sgan, 100),
    "WGAN": (wgan, 10),
    "WGAN-GP, c = 0 (WGAN-div)": (lambda phi, theta: wgan_gp(phi, theta, 0), 40),
    "WGAN-GP, c = 1": (lambda phi, theta: wgan_gp(phi, theta, 1), 40),
    "GAN-QP": (gan_qp, 40),
    "GAN-QP with L2": (lambda phi, theta: gan_qp(phi, theta, l2=0.1), 40),
}


def follow(system, until, start=(0.1, 0.2, 0.2, 0.1), points=2000):
    """The path of (φ, θ) from the author's start, (points, 4)."""
    from scipy.integrate import solve_ivp

    def derivative(t, y):
        return np.concatenate(system(y[:2], y[2:]))

    times = np.linspace(0, until, points)
    solution = solve_ivp(derivative, (0, until), start, t_eval=times, rtol=1e-8, atol=1e-10)
    return solution.y.T


def dirac(path):
    """Draws the paths of θ; returns for each system the largest ‖θ‖ in the last quarter over that in the
    first."""
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    table = []
    for axes, (name, (system, until)) in zip(figure.subplots(2, 3).flat, SYSTEMS.items()):
        theta = follow(system, until)[:, 2:]
        radius = np.linalg.norm(theta, axis=1)
        quarter = len(radius) // 4
        left = radius[-quarter:].max() / radius[:quarter].max()
        table.append({"system": name, "until": until, "radius_left": float(left)})
        axes.plot(*theta.T, linewidth=0.8)
        axes.plot(*theta[0], "k.")
        axes.plot(0, 0, "r.", markersize=10)
        axes.set_title(f"{name}: {left:.0%} left", fontsize="medium")
        axes.set_aspect("equal", adjustable="datalim")
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))
    return table


def toy(config):
    if not config.distances or not all(0 < distance < np.inf for distance in config.distances):
        raise InputError(f"--distances expects positive numbers. Received: {config.distances}")
    out = pathlib.Path(config.out)
    trajectories = dirac(out / "dirac.png")
    for row in trajectories:
        print(f"{row['system']:>28}: {row['radius_left']:.2f} of the radius left at t = {row['until']}")
    print("|∂L_G/∂θ| at distances " + ", ".join(map(str, config.distances)), flush=True)
    table = gradients(config)
    print_gradients([row for row in table if "gradient" in row])
    print_ratios([row for row in table if "mean_ratio" in row])
    draw_gradients([row for row in table if "gradient" in row], out / "gradients.png")
    write_json(out / "table.json", {"gradients": table, "dirac": trajectories, "steps": config.steps})
    print(f"pictures and table.json are in {shown(out)}")


def print_gradients(rows):
    """A line for each objective, a column for each distance."""
    for name in dict.fromkeys(row["objective"] for row in rows):
        found = [row["gradient"] for row in rows if row["objective"] == name]
        print(f"{name:>20} " + " ".join(f"{gradient:10.3g}" for gradient in found))


def print_ratios(rows):
    differences = {1: "T(x_r) − T(x_f)", 2: "T(x_r, x_f) − T(x_f, x_r)"}
    for row in rows:
        difference = differences[row["images"]]
        print(f"{row['objective']} at {row['distance']}: {difference} is {row['mean_ratio']:.2f} λ d in the "
              f"mean, at most {row['largest_ratio']:.2f} λ d")


if __name__ == "__main__":
    cli.main(toy, Config, __doc__)
