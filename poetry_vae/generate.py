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

import numpy as np

from common import runs
from common.vocab import FIRST, is_han, to_simplified
from poetry_vae import evaluate
from poetry_vae.data import LINE

BLANKS = "□_＿?？*"


@dataclass
class Config:
    run: pathlib.Path = runs.ROOT / "poetry_vae/weights/poetry.keras"
    """Run folder of poetry_vae/train.py, or a .keras file with vocab.json beside it."""
    count: int = 10
    """Couplets to write."""
    between: tuple[str, str] | None = None
    """Two couplets: walks on the straight line between their codes."""
    like: str | None = None
    """A couplet: writes others from its code's distribution, N(μ, σ²)."""
    fill: str | None = None
    """A couplet with □ where the model writes; what is given stays."""
    temperature: float = 0.0
    """0 writes the likeliest character at each position; 1 draws from the model's probabilities, less than 1 more safely."""
    seed: int = 0
    """Seed of the codes and of the draws."""


def generate(config):
    """Prints and returns the couplets."""
    for name, least, most in [("count", 1, 1000 if config.fill is None else 100), ("temperature", 0, 10)]:
        if not least <= getattr(config, name) <= most:
            raise runs.InputError(f"{runs.option(name)} expects {least} to {most}. Received: {getattr(config, name)}")
    if sum(option is not None for option in (config.between, config.like, config.fill)) > 1:
        raise runs.InputError("only one of --between, --like and --fill can be given.")
    poet, rng = evaluate.load(config.run), np.random.default_rng(config.seed)
    if config.fill is not None:
        given = parse(config.fill, poet.vocab, blanks=True)
        couplets = poet.verse(fill(poet, given, config.count, config.temperature, rng))
    else:
        if config.between is not None:
            ends = [code_of(poet, row, rng)[0] for row in [parse(text, poet.vocab) for text in config.between]]
            codes = ends[0] + np.linspace(0, 1, config.count)[:, None] * (ends[1] - ends[0])
        elif config.like is not None:
            mean, log_var = code_of(poet, parse(config.like, poet.vocab), rng)
            codes = mean + np.exp(0.5 * log_var) * rng.normal(size=(config.count, len(mean)))
        else:
            codes = rng.normal(size=(config.count, poet.latent_dim))
        couplets = poet.write(codes, config.temperature, rng)
    print("\n".join(couplets))
    return couplets


def parse(text, vocab, blanks=False):
    """A couplet as a user typed it → ten numbers, 0 where the model is to write.

    Raises:
        InputError: not five or ten characters, characters that the model does not know, or blanks where none may be.
    """
    characters = "".join("□" if c in BLANKS else c for c in text if is_han(c) or (blanks and c in BLANKS))
    expected = "two lines of five Chinese characters" + (", with □ where the model writes" if blanks else ", or one")
    rest = [c for c in text if not is_han(c) and not c.isspace() and c not in (BLANKS if blanks else "") + "，,。.、；;！!"]
    if len(characters) not in (LINE, 2 * LINE) or rest:
        raise runs.InputError(f"expected {expected}. Received: {len(characters)} characters, {text.strip()[:30]!r}")
    if any(c not in vocab and c != "□" for c in characters):
        characters = to_simplified(characters)
    if unknown := "".join(c for c in vocab.unknown_in(characters) if c != "□"):
        raise runs.InputError(f"the model does not know {unknown}: write {'□ or ' if blanks else ''}another character. "
                              f"Received: {text.strip()[:30]}")
    given = [0 if c == "□" else vocab.numbers[c] for c in characters]
    return np.array(given + [0] * (2 * LINE - len(given)), "int32")


def code_of(poet, row, rng):
    """μ and log σ² of a couplet; where one line is given, of the couplet that the model makes of it."""
    if not row.all():
        row = fill(poet, row, 1, 0.0, rng)[0]
    mean, log_var = poet.encode(row[None])
    return mean[0], log_var[0]


def fill(poet, given, count, temperature, rng, chains=64, rounds=15):
    """`count` couplets with the given characters, (count, 10), the likeliest first.

    Many chains go round: encode a couplet, draw a code of it, write, put the given characters back. This is the imputation
    of Rezende et al. 2014, https://arxiv.org/abs/1401.4082, whose chains approach the model's p(rest | given). They begin at
    those of many random codes to which the given characters are the likeliest.
    """
    chains, here = max(chains, 4 * count), given >= FIRST
    codes = rng.normal(size=(max(512, chains), poet.latent_dim))
    for _ in range(rounds):
        log_p = poet.log_probs(codes)
        score = log_p[:, here, given[here]].sum(axis=-1)
        keep = np.argsort(-score, kind="stable")[:chains]
        rows = evaluate.choose(log_p[keep], temperature or 0.3, rng)
        rows[:, here] = given[here]
        mean, log_var = poet.encode(rows)
        codes = mean + np.exp(0.5 * log_var) * rng.normal(size=mean.shape)
    log_p = poet.log_probs(codes)
    rows = evaluate.choose(log_p, temperature, rng)
    rows[:, here] = given[here]
    likely = np.take_along_axis(log_p, rows[..., None], axis=-1)[..., 0].sum(axis=-1)
    order = np.argsort(-likely, kind="stable")
    return np.array(list(dict.fromkeys(map(tuple, rows[order]))))[:count]      # each once


if __name__ == "__main__":
    runs.main(generate, Config, __doc__)
