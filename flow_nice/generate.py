"""Draws digits from a trained NICE, by default the small one in flow_nice/weights: in seconds, without data.

    python flow_nice/generate.py                     samples, temperatures, inpainting, what s and one z mean
    python flow_nice/generate.py --run runs/flow_nice/article-...           the same from a run of yours
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from common.harness import cli, plots
from common.harness.writing import ROOT
from flow_nice import report
from flow_nice.sampler import Sampler

TEMPERATURES = (0, 0.25, 0.5, 0.75, 1, 1.25)     # 0: the mode of the prior, 1: what the model was trained for


@dataclass
class Config:
    run: pathlib.Path = ROOT / "flow_nice/weights/nice-small.keras"
    """Run folder of flow_nice/train.py, or a .keras file from one."""
    out: pathlib.Path = ROOT / "runs/flow_nice/generated"
    """Folder for the pictures; pictures of the same name there are replaced."""
    temperature: Annotated[float, cli.Between(0, 10)] = 0.75
    """退火参数: factor on z."""
    count: Annotated[int, cli.Between(2, 100)] = 15
    """Pictures in a row."""
    steps: Annotated[int, cli.Between(0, 100_000)] = 300
    """Steps of gradient ascent on log q(x) for the missing half, 0 leaves inpainting out."""
    seed: cli.Seed = 0
    """Seed of the random codes."""


def generate(config):
    sampler, count = Sampler.load(config.run), config.count
    samples = sampler.sample(count ** 2, config.temperature, config.seed)
    codes = sampler.codes(count, seed=config.seed)
    rows = [t * codes for t in TEMPERATURES]                       # the same z in each row
    ends = sampler.codes(16, config.temperature, config.seed + 1)
    lines = [plots.interpolate(start, end, count) for start, end in zip(ends[::2], ends[1::2])]
    sheets = {"samples": samples, "temperatures": sampler.decode(np.concatenate(rows)),
              "interpolation": sampler.decode(np.concatenate(lines)),
              "one_dimension": one_dimension(sampler, codes[0] * config.temperature, count)}
    if config.steps:
        sheets["inpainting"] = inpaint_lower_half(sampler, samples[:count].clip(0, 1), config)
    plots.save_sheets(sheets, config.out, count)
    report.draw_importance(sampler.log_scale(), config.out / "importance.png")


def one_dimension(sampler, code, count, rows=10):
    """The same code with one number of it from −4 to 4: a row for each of the dimensions of least s, which
    matter most, (14) and 特征解耦."""
    log_s = sampler.code_log_scale()
    return sampler.vary(code, np.argsort(log_s)[:rows], np.linspace(-4, 4, count))


def inpaint_lower_half(sampler, images, config):
    """Three rows: the images, their upper halves, and these completed."""
    known = np.zeros_like(images)
    known[:, :14] = 1
    completed = sampler.inpaint(images, known, config.steps, config.seed)
    return np.concatenate([images, images * known, completed])


if __name__ == "__main__":
    cli.main(generate, Config, __doc__)
