"""Draws digits from a trained NICE, by default the small one in flow_nice/weights: in seconds, without data.

    python flow_nice/generate.py                     samples, temperatures, what s and one z mean
    python flow_nice/generate.py --dimensions 784    samples from all dimensions of z, as the article's
    python flow_nice/generate.py --inpaint 300       and digits whose lower half is missing, completed
    python flow_nice/generate.py --run runs/flow_nice/article-...           the same from a run of yours
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from common.harness import cli, plots, progress
from common.harness.writing import ROOT
from flow_nice import report
from flow_nice.sampler import Sampler

TEMPERATURES = (0, 0.25, 0.5, 0.75, 1, 1.25)     # 0: the mode of the prior, 1: what the model was trained for
WIDTHS = (5, 10, 25, 50, 100, 200, 784)          # how many dimensions of z dimensions.png keeps
STATIONS, WALKERS = 4, 16                        # codes that each walk of walk.gif goes through; who walks


@dataclass
class Config:
    run: pathlib.Path = ROOT / "flow_nice/weights/nice-small.keras"
    """Run folder of flow_nice/train.py, or a .keras file from one."""
    out: pathlib.Path = ROOT / "runs/flow_nice/generated"
    """Folder for the pictures; pictures of the same name there are replaced."""
    temperature: Annotated[float, cli.Between(0, 10)] = 0.75
    """退火参数: the factor by which z is multiplied."""
    dimensions: Annotated[int, cli.Between(1, 784)] = 50
    """Dimensions of z that samples, walk and inpainting keep, those of least s; the others, mostly noise, are
    0. The article keeps all 784."""
    count: Annotated[int, cli.Between(2, 100)] = 15
    """Pictures in a row."""
    inpaint: Annotated[int, cli.Between(0, 100_000)] = 0
    """Steps of gradient ascent on log q(x) for the paper's inpainting; 0: not drawn."""
    frames: Annotated[int, cli.Between(2, 100)] = 10
    """Pictures of walk.gif from one code to the next."""
    json: bool = False
    """Print the names of the pictures as a line of JSON."""
    seed: cli.Seed = 0
    """Seed of the random codes."""


def generate(config):
    sampler, paths = Sampler.load(config.run), []
    names = [name for name in SHEETS if config.inpaint or name != "inpainting"]
    for name in progress.bar(names, unit=(" pictures", " 张")):
        paths.append(config.out / f"{name}.png")
        plots.save_sheet(SHEETS[name](sampler, config), paths[-1], config.count)
    paths += [config.out / "importance.png", config.out / "walk.gif"]
    report.draw_importance(sampler.log_scale(), paths[-2])
    plots.save_animation(frames_of_walk(sampler, config), paths[-1])
    plots.print_paths(paths, config.json)


def codes_of(sampler, count, config, seed=0):
    """Codes of samples: by --temperature and --dimensions."""
    codes = sampler.codes(count, config.temperature, config.seed + seed)
    return sampler.narrowed(codes, config.dimensions)


def samples(sampler, config):
    return sampler.decode(codes_of(sampler, config.count ** 2, config))


def temperatures(sampler, config):
    """The same z in each row."""
    codes = sampler.codes(config.count, seed=config.seed)
    return sampler.decode(np.concatenate([t * codes for t in TEMPERATURES]))


def dimensions(sampler, config):
    """The same z in each row, of which more and more dimensions are kept."""
    codes = sampler.codes(config.count, config.temperature, config.seed)
    return sampler.decode(np.concatenate([sampler.narrowed(codes, width) for width in WIDTHS]))


def interpolation(sampler, config):
    """Straight lines between eight pairs of codes."""
    ends = codes_of(sampler, 16, config, seed=1)
    lines = [plots.interpolate(start, end, config.count) for start, end in zip(ends[::2], ends[1::2])]
    return sampler.decode(np.concatenate(lines))


def one_dimension(sampler, config, rows=10):
    """The same code with one number of it from −4 to 4: a row for each of the dimensions of least s, which
    matter most, (14) and 特征解耦."""
    code = codes_of(sampler, 1, config)[0]
    least = np.argsort(sampler.code_log_scale())[:rows]
    return sampler.vary(code, least, np.linspace(-4, 4, config.count))


def inpainting(sampler, config):
    """Three rows: images, their upper halves, and these completed."""
    images = sampler.decode(codes_of(sampler, config.count, config)).clip(0, 1)
    known = np.zeros_like(images)
    known[:, :14] = 1
    completed = sampler.inpaint(images, known, config.inpaint, config.seed)
    return np.concatenate([images, images * known, completed])


SHEETS = {sheet.__name__: sheet for sheet in (samples, temperatures, dimensions, interpolation, one_dimension,
                                              inpainting)}


def frames_of_walk(sampler, config):
    """Images of WALKERS round trips on straight lines through STATIONS codes each, picture by picture."""
    starts = codes_of(sampler, STATIONS * WALKERS, config, seed=2).reshape(STATIONS, 1, WALKERS, -1)
    ends = np.roll(starts, -1, axis=0)
    shares = np.arange(config.frames).reshape(-1, 1, 1) / config.frames
    codes = starts + shares * (ends - starts)                    # (stations, frames, walkers, dim)
    images = sampler.decode(codes.reshape(-1, codes.shape[-1]))
    return images.reshape(-1, WALKERS, *images.shape[1:])


if __name__ == "__main__":
    cli.main(generate, Config, __doc__)
