"""Writes verse of five characters a line, from the model in poetry_vae/weights.

    python poetry_vae/generate.py                                        ten couplets from random codes
    python poetry_vae/generate.py --best-of 20                           the likeliest of twenty, ten times
    python poetry_vae/generate.py --lines 4 --count 3                    three poems of four lines
    python poetry_vae/generate.py --between 白日依山尽，黄河入海流 春眠不觉晓，处处闻啼鸟
    python poetry_vae/generate.py --like 明月松间照，清泉石上流            around a couplet
    python poetry_vae/generate.py --fill 春□□□□□□□花□                   with given characters

A line of five characters will do for --between and --like: the model writes the other.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from common.harness import cli, plots, progress
from common.harness.language import in_users_language
from common.harness.reading import InputError
from common.harness.writing import ROOT
from poetry_vae.data import LINE
from poetry_vae.poet import Poet, around, choose, sample

MOST_FILLED = 100            # of --count with --fill, whose chains are four times as many
TOGETHER = 50                # poems that are written at once


@dataclass
class Config:
    run: pathlib.Path = ROOT / "poetry_vae/weights/poetry.keras"
    """Run folder of poetry_vae/train.py, or a .keras file with vocab.json beside it."""
    count: Annotated[int, cli.Between(1, 1000)] = 10
    """Couplets or poems to write; at most 100 with --fill."""
    lines: Literal[2, 4, 8] = 2
    """Lines of a poem. The couplets of four or eight lines are decoded from codes around one code."""
    between: tuple[str, str] | None = None
    """Two couplets: walks on the straight line between their codes."""
    like: str | None = None
    """A couplet: writes others from its code's distribution, N(μ, σ²)."""
    fill: str | None = None
    """A couplet with □ where the model writes; what is given stays."""
    best_of: Annotated[int, cli.Between(1, 100)] = 1
    """Codes drawn for each poem. The poem is kept that the model finds likeliest, by the importance-weighted
    bound."""
    repeats: Literal["within", "any"] = "within"
    """within: no character stands twice, except in 叠字 that begin or end a line. any: couplets as the
    decoder has them, each position by itself."""
    rules: Literal["both", "rhyme", "tones", "none"] = "both"
    """Rules for poems of four and eight lines: rhyme, tones, both or none. A rhyme is one of the 十三辙, by
    modern sounds; the tones are those of regulated verse."""
    spread: Annotated[float, cli.Between(0, 1)] = 0.6
    """How far apart the couplets of a poem of four or eight lines are. 0 gives all of them the poem's code, 1
    independent codes."""
    temperature: Annotated[float, cli.Between(0, 10)] = 0.0
    """0 writes the likeliest character at each position. 1 draws from the model's probabilities; the smaller
    the number, the closer to the likeliest."""
    json: bool = False
    """Print a line of JSON for each poem. It has the poem's lines, and the bound on log p of its couplets in
    nats."""
    seed: cli.Seed = 0
    """Seed of the codes and of the draws."""


def generate(config):
    """Prints and returns the poems, as they are printed."""
    check(config)
    poet, rng = Poet.load(config.run), np.random.default_rng(config.seed)
    poems = [in_json(poet, rows) if config.json else in_print(poet, rows)
             for rows in poems_of(poet, config, rng)]
    print("\n".join(poems))
    return poems


def check(config):
    """Raises InputError for options that do not go together."""
    ways = [config.between, config.like, config.fill]
    if len(ways) - ways.count(None) > 1:
        raise InputError(in_users_language("only one of --between, --like and --fill can be given.",
                                           "--between、--like、--fill 只能用一个。"))
    if config.fill is not None and config.count > MOST_FILLED:
        raise InputError(in_users_language(
            f"--count expects at most {MOST_FILLED} with --fill. Received: {config.count}",
            f"用 --fill 时 --count 最多是 {MOST_FILLED}。收到：{config.count}"))
    fixed = config.between is not None or config.fill is not None
    if fixed and (config.lines > 2 or config.best_of > 1):
        raise InputError(in_users_language(
            "--lines and --best-of draw codes, which --between and --fill have already: leave them out.",
            "--lines 和 --best-of 要自己采样编码，不能与 --between、--fill 同用。"))


def poems_of(poet, config, rng):
    """Numbers of the poems' characters, each (couplets, 10)."""
    if config.fill is not None:
        given = poet.parse(config.fill, blanks=True)
        rows = poet.fill(given, config.count, config.temperature, rng, config.repeats)
        return rows[:, None]
    codes = codes_of(poet, config, rng)
    poems, scores = [], []
    bar = progress.bar(total=len(codes), unit=(" poems", " 首"))
    for start in range(0, len(codes), TOGETHER):
        some = write(poet, codes[start:start + TOGETHER], config, rng)
        poems += some
        if config.best_of > 1:
            scores += scores_of(poet, some)
        bar.update(len(some))
    bar.close()
    return poems if config.best_of == 1 else best(np.array(poems), scores, config)


def codes_of(poet, config, rng):
    """Codes between two couplets, or --best-of for each poem: around a couplet, or random ones."""
    if config.between is not None:
        rows = [poet.parse(text) for text in config.between]
        start, end = (poet.code_of(row, rng)[0] for row in rows)
        return plots.interpolate(start, end, config.count)
    count = config.count * config.best_of
    if config.like is not None:
        mean, log_var = poet.code_of(poet.parse(config.like), rng)
        return sample(mean, log_var, rng, (count, poet.latent_dim))
    return poet.sample_codes(count, rng)


def write(poet, codes, config, rng):
    """Codes (n, latent_dim) → a list of n poems."""
    if config.lines == 2:
        return list(choose(poet.log_probs(codes), config.temperature, rng, config.repeats)[:, None])
    couplets, rules = config.lines // 2, config.rules
    return [poet.poem(around(code, couplets, config.spread, rng), config.temperature, rng,
                      rhyme=rules in ("both", "rhyme"), tones=rules in ("both", "tones")) for code in codes]


def scores_of(poet, poems):
    """The sum of the bounds on ln p of each poem's couplets."""
    rows = np.array(poems)
    return list(poet.scores(rows.reshape(-1, 2 * LINE)).reshape(len(rows), -1).sum(axis=1))


def best(poems, scores, config):
    """The likeliest of each --best-of poems."""
    chosen = np.reshape(scores, (config.count, config.best_of)).argmax(axis=1)
    groups = poems.reshape(config.count, config.best_of, *poems.shape[1:])
    return groups[np.arange(config.count), chosen]


def in_print(poet, rows):
    """A couplet as one line; a longer poem as one line a couplet and an empty line."""
    couplets = poet.verse(rows)
    return couplets[0] if len(couplets) == 1 else "\n".join([*couplets, ""])


def in_json(poet, rows):
    texts = [poet.vocab.decode(row) for row in rows]
    lines = [text[place:place + LINE] for text in texts for place in (0, LINE)]
    scores = [round(float(score), 2) for score in poet.scores(rows)]
    return json.dumps({"lines": lines, "log_p_bounds": scores}, ensure_ascii=False)


if __name__ == "__main__":
    cli.main(generate, Config, __doc__)
