"""Writes couplets of five characters a line, from the model in poetry_vae/weights.

    python poetry_vae/generate.py                                        ten couplets from random codes
    python poetry_vae/generate.py --between 白日依山尽，黄河入海流 春眠不觉晓，处处闻啼鸟
    python poetry_vae/generate.py --like 明月松间照，清泉石上流            around a couplet
    python poetry_vae/generate.py --fill 春□□□□□□□花□                   with given characters

A line of five characters will do for --between and --like: the model writes the other.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from common.harness import cli, plots
from common.harness.reading import InputError
from common.harness.writing import ROOT
from poetry_vae.poet import Poet, sample

MOST_FILLED = 100            # of --count with --fill, whose chains are four times as many


@dataclass
class Config:
    run: pathlib.Path = ROOT / "poetry_vae/weights/poetry.keras"
    """Run folder of poetry_vae/train.py, or a .keras file with vocab.json beside it."""
    count: Annotated[int, cli.Between(1, 1000)] = 10
    """Couplets to write; at most 100 with --fill."""
    between: tuple[str, str] | None = None
    """Two couplets: walks on the straight line between their codes."""
    like: str | None = None
    """A couplet: writes others from its code's distribution, N(μ, σ²)."""
    fill: str | None = None
    """A couplet with □ where the model writes; what is given stays."""
    temperature: Annotated[float, cli.Between(0, 10)] = 0.0
    """0 writes the likeliest character at each position; 1 draws from the model's probabilities, less than 1
    more safely."""
    seed: cli.Seed = 0
    """Seed of the codes and of the draws."""


def generate(config):
    """Prints and returns the couplets."""
    ways = [config.between, config.like, config.fill]
    if len(ways) - ways.count(None) > 1:
        raise InputError("only one of --between, --like and --fill can be given.")
    if config.fill is not None and config.count > MOST_FILLED:
        raise InputError(f"--count expects at most {MOST_FILLED} with --fill. Received: {config.count}")
    poet, rng = Poet.load(config.run), np.random.default_rng(config.seed)
    if config.fill is None:
        couplets = poet.write(codes(poet, config, rng), config.temperature, rng)
    else:
        given = poet.parse(config.fill, blanks=True)
        couplets = poet.verse(poet.fill(given, config.count, config.temperature, rng))
    print("\n".join(couplets))
    return couplets


def codes(poet, config, rng):
    """Codes between two couplets, around one, or random ones."""
    if config.between is not None:
        rows = [poet.parse(text) for text in config.between]
        start, end = (poet.code_of(row, rng)[0] for row in rows)
        return plots.interpolate(start, end, config.count)
    if config.like is not None:
        mean, log_var = poet.code_of(poet.parse(config.like), rng)
        return sample(mean, log_var, rng, (config.count, poet.latent_dim))
    return poet.sample_codes(config.count, rng)


if __name__ == "__main__":
    cli.main(generate, Config, __doc__)
