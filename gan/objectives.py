"""The critic's and the generator's losses of nine GANs, as the articles have them; each is a mean over the
batch.

T(x_r), T(x_f) are the critic's scores of real and of generated images, d = T(x_r) − T(x_f). The critic makes
d large, the generator makes it small again; the objectives differ in what keeps T from running away. The
article numbers are those of kexue.fm/archives.

    gan_qp_l1, gan_qp_l2     6163: d − d²/(2λ d(x_r, x_f)), a parabola with its top at d = λ d(x_r, x_f)
    wgan_div                 6139: T(x_r) − T(x_f) − k ‖∇T‖ᵖ with k = 2, p = 6
    wgan_gp                  4439, 6051: the penalty 10 (‖∇T‖ − 1)² between x_r and x_f
    wgan_sn                  6051: ‖W‖₂ = 1 in each layer, by common/spectral.py
    sgan, sgan_sn            the first GAN, without saturation in the generator; sgan_sn with ‖W‖₂ = 1
    rsgan_sn, lsgan_sn       the relativistic and the least-squares GAN with ‖W‖₂ = 1
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from keras import ops

from gan.backends import input_gradient

LAMBDA = 10.0                       # λ of GAN-QP, and the weight of WGAN-GP's penalty
DIV_K, DIV_P = 2.0, 6.0             # k, p of WGAN-div
NEAR = 1e-6                         # beside distances and norms, which may be 0


@dataclass(frozen=True)
class Objective:
    critic: Callable
    """(t_r, t_f, x_r, x_f) → the critic's loss, without a penalty."""
    generator: Callable
    """(t_r, t_f) → the generator's loss; t_r is None unless relativistic."""
    penalty: Callable | None = None
    """∇T at the images of r(x) → what is added to the critic's loss."""
    r: str | None = None
    """Where ∇T is penalised, a key of POINTS."""
    spectral: bool = False
    """Whether the critic's kernels are divided by their norms."""
    relativistic: bool = False
    """Whether the generator's loss needs T(x_r)."""


# -------------------------------------------------------------------------------------------------- distances

def _over_pixels(x):
    return tuple(range(1, len(x.shape)))


def distance_l1(x_r, x_f):
    """The mean absolute difference of the pixels of each pair, (batch,)."""
    return ops.mean(ops.abs(x_r - x_f), axis=_over_pixels(x_r))


def distance_l2(x_r, x_f):
    """The root of the mean squared difference of the pixels of each pair, (batch,)."""
    return ops.sqrt(ops.mean(ops.square(x_r - x_f), axis=_over_pixels(x_r)))


# ----------------------------------------------------------------------------------------------------- losses

def quadratic_potential(distance, weight=LAMBDA):
    """Eq. (15) of 6163: −d + d²/(2λ d(x_r, x_f)) with λ = weight; the i-th real and the i-th fake image are a
    pair in d and in d(·,·)."""
    def loss(t_r, t_f, x_r, x_f):
        d = t_r - t_f
        return ops.mean(ops.square(d) / (2 * weight * (distance(x_r, x_f) + NEAR)) - d)
    return loss


def wasserstein(t_r, t_f, x_r, x_f):
    """Eq. (9) of 6163, as a loss."""
    return ops.mean(t_f) - ops.mean(t_r)


def lower_score(t_r, t_f):
    """min_G d: T(x_r) does not depend on G. GAN-QP's quadratic term stays out: its gradient would pull x_f
    towards x_r."""
    return -ops.mean(t_f)


def cross_entropy(t_r, t_f, x_r, x_f):
    """−log σ(T(x_r)) − log(1 − σ(T(x_f))), eq. (3) of 6163."""
    return ops.mean(ops.softplus(-t_r)) + ops.mean(ops.softplus(t_f))


def not_saturating(t_r, t_f):
    """−log σ(T(x_f)), eq. (5) of 6583; log(1 − σ(T(x_f))) of eq. (3) of 6163 has no gradient where T is
    sure."""
    return ops.mean(ops.softplus(-t_f))


def relativistic(t_r, t_f, x_r, x_f):
    """−log σ(T(x_r) − T(x_f))."""
    return ops.mean(ops.softplus(t_f - t_r))


def relativistic_turned(t_r, t_f):
    """−log σ(T(x_f) − T(x_r))."""
    return ops.mean(ops.softplus(t_r - t_f))


def least_squares(t_r, t_f, x_r, x_f):
    """½ (T(x_r) − 1)² + ½ T(x_f)²."""
    return 0.5 * ops.mean(ops.square(t_r - 1)) + 0.5 * ops.mean(ops.square(t_f))


def least_squares_of_fakes(t_r, t_f):
    """½ (T(x_f) − 1)²."""
    return 0.5 * ops.mean(ops.square(t_f - 1))


# -------------------------------------------------------------------------------------------------- penalties

def squared_norm(gradient):
    """‖∇T‖² of each image, (batch,), in float32: its third power leaves float16 at ‖∇T‖ = 6.4."""
    return ops.sum(ops.square(ops.cast(gradient, "float32")), axis=_over_pixels(gradient))


def penalty_gp(gradient, weight=LAMBDA, one_sided=False):
    """λ E (‖∇T‖ − 1)², eq. (19) of 6051, or λ E max(‖∇T‖ − 1, 0)², eq. (20). √ has no gradient at 0, hence
    NEAR."""
    excess = ops.sqrt(squared_norm(gradient) + NEAR ** 1.5) - 1
    if one_sided:
        excess = ops.relu(excess)
    return weight * ops.mean(ops.square(excess))


def penalty_div(gradient, k=DIV_K, p=DIV_P):
    """k E ‖∇T‖ᵖ, eq. (9) of 6139. For p < 2 the power has no gradient at 0, hence NEAR there."""
    near = NEAR ** 1.5 if p < 2 else 0.0
    return k * ops.mean((squared_norm(gradient) + near) ** (p / 2))


# ---------------------------------------------------------------------------------- r(x), six choices of 6139

def real_to_fake(x_r, x_f, epsilon):
    """1. Between a real and a fake image, eq. (21) of 6051."""
    return epsilon * x_r + (1 - epsilon) * x_f


def within_kind(x_r, x_f, epsilon):
    """2. Between two real images, and between two fake ones. The images of a batch are independent draws, so
    the next one is as good a partner as one by lot."""
    both, partners = ops.concatenate([x_r, x_f]), ops.concatenate([x_r[1:], x_r[:1], x_f[1:], x_f[:1]])
    return epsilon * both + (1 - epsilon) * partners


def mixed(x_r, x_f, epsilon):
    """3. Between any two of both: half a batch further on is an image of the same kind for one half, of the
    other kind for the other, the shares that a choice by lot has."""
    both, half = ops.concatenate([x_r, x_f]), ops.shape(x_r)[0] // 2
    return epsilon * both + (1 - epsilon) * ops.concatenate([both[half:], both[:half]])


def both_kinds(x_r, x_f, epsilon):
    """4. The real and the fake images themselves."""
    return ops.concatenate([x_r, x_f])


def fake_alone(x_r, x_f, epsilon):
    """5."""
    return x_f


def real_alone(x_r, x_f, epsilon):
    """6."""
    return x_r


POINTS = {"real_to_fake": real_to_fake, "within_kind": within_kind, "mixed": mixed, "both": both_kinds,
          "fake": fake_alone, "real": real_alone}
EPSILONS = {"real_to_fake": 1, "within_kind": 2, "mixed": 2}     # how many ε each pair (x_r, x_f) needs

DISTANCES = {"gan_qp_l1": distance_l1, "gan_qp_l2": distance_l2}
OBJECTIVES = {
    "gan_qp_l1": Objective(quadratic_potential(distance_l1), lower_score),
    "gan_qp_l2": Objective(quadratic_potential(distance_l2), lower_score),
    "wgan_div": Objective(wasserstein, lower_score, penalty=penalty_div, r="both"),
    "wgan_gp": Objective(wasserstein, lower_score, penalty=penalty_gp, r="real_to_fake"),
    "wgan_sn": Objective(wasserstein, lower_score, spectral=True),
    "sgan_sn": Objective(cross_entropy, not_saturating, spectral=True),
    "rsgan_sn": Objective(relativistic, relativistic_turned, spectral=True, relativistic=True),
    "lsgan_sn": Objective(least_squares, least_squares_of_fakes, spectral=True),
    "sgan": Objective(cross_entropy, not_saturating),
}


def choose(name, weight=LAMBDA, k=DIV_K, p=DIV_P, r="", one_sided=False):
    """An objective of OBJECTIVES with other constants than the articles'; what it lacks is left alone.

    Args:
        name: a key of OBJECTIVES.
        weight: λ of GAN-QP and of WGAN-GP's penalty.
        k, p: of WGAN-div's penalty.
        r: a key of POINTS; empty: the objective's own.
        one_sided: for WGAN-GP, eq. (20) of 6051 in place of (19).
    """
    objective = OBJECTIVES[name]
    if name in DISTANCES:
        return replace(objective, critic=quadratic_potential(DISTANCES[name], weight))
    if objective.penalty is penalty_gp:
        return replace(objective, r=r or objective.r,
                       penalty=lambda gradient: penalty_gp(gradient, weight, one_sided))
    if objective.penalty is penalty_div:
        return replace(objective, r=r or objective.r, penalty=lambda gradient: penalty_div(gradient, k, p))
    return objective


def options_of(name):
    """Which of weight, k, p, r, one_sided and kernels mean something for an objective of OBJECTIVES."""
    objective = OBJECTIVES[name]
    used = {"weight"} if name in DISTANCES else set()
    if objective.penalty is penalty_gp:
        used |= {"weight", "r", "one_sided"}
    if objective.penalty is penalty_div:
        used |= {"k", "p", "r"}
    if objective.spectral:
        used |= {"kernels", "kernel_weight"}
    return used


def critic_loss(objective, critic, x_r, x_f, epsilon=None):
    """The critic's whole loss on a batch of real and a batch of fake images of the same size.

    Args:
        objective: an Objective.
        critic: x → T(x), (batch, 1); called as critic(x, training=True).
        x_r, x_f: float tensors of one shape.
        epsilon: for an r(x) of EPSILONS, numbers in [0, 1), (batch times their count, 1, 1, 1): where between
            two images.

    Returns:
        the loss, T(x_r), T(x_f).
    """
    # Real and fake in one call: spectral normalisation then moves its u once, and both meet the same T.
    both = ops.concatenate([x_r, x_f])
    penalty = 0.0
    if objective.r == "both":        # ∇T at the images whose scores are needed anyway: no second forward pass
        scores, gradient = input_gradient(lambda x: critic(x, training=True), both)
        penalty = objective.penalty(gradient)
    else:
        scores = critic(both, training=True)
    if objective.r not in (None, "both"):
        x = POINTS[objective.r](x_r, x_f, epsilon)
        _, gradient = input_gradient(lambda x: critic(x, training=False), x)
        penalty = objective.penalty(gradient)
    penalty = penalty + sum(critic.losses)           # λ ‖W‖₂² of eq. (16) of 6051, if the kernels have it
    scores = ops.cast(ops.squeeze(scores, -1), "float32")
    count = ops.shape(x_r)[0]
    t_r, t_f = scores[:count], scores[count:]
    return objective.critic(t_r, t_f, x_r, x_f) + penalty, t_r, t_f
