"""What the scripts of more/ share: their options, their run folder, their one picture and their table.

    further.main(demo, __doc__, epochs=(100, cli.Between(1, 1000), "Passes over the data."))

    run = further.start(config, "rnn_ode")            # in demo(config)
    run.draw(figure)
    run.table(["arm", "error"], [["ours", 0.2]])
    run.finish(data, metrics)

No Keras in here.
"""

import dataclasses
import io
import pathlib
import time
from typing import Annotated, ClassVar, Literal

from common.harness import cli, folder
from common.harness.language import in_users_language
from common.harness.writing import ROOT, shown, write_figure, write_lines


@dataclasses.dataclass
class Config:
    """What the command line of every script in more/ shares."""

    resume: ClassVar = None                # these runs are short: there is nothing to continue
    seed: cli.Seed = 0
    """Seed of the weights, the noise and the order of the data."""
    data: str = ""
    """Data to use, see the script's docstring. Empty: the article's data, or the built-in sample where those
    cannot be had."""
    out: pathlib.Path = ROOT / "runs"
    """Folder in which each run gets a folder of its own."""
    table: bool = False
    """Compute the whole table of the README, all variants and seeds; this takes an hour at most."""
    smoke: bool = False
    """Try everything in a few steps on a built-in sample. The results are marked as a smoke run."""


def main(demo, description, **options):
    """The command line of a script of more/, which calls demo(config).

    Args:
        options: those that only this script has, each as (default, limits or choices, what --help says).
    """
    fields = [(name, hint(*option), option[0]) for name, option in options.items()]
    cli.main(demo, dataclasses.make_dataclass("Config", fields, bases=(Config,)), description)


def hint(default, limits, text):
    """The annotation of an option: its type, its limits, and its line in --help."""
    import tyro

    kind = Literal[limits] if isinstance(limits, tuple) else type(default)
    return Annotated[kind, limits, tyro.conf.arg(help=text)]


class FurtherRun(folder.RunFolder):
    """A run folder that holds one picture and, with --table, a table."""

    def draw(self, figure, colours=48, name="picture.png"):
        """Writes a matplotlib figure, in so few colours that it stays small."""
        from PIL import Image

        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=75)
        small = Image.open(buffer).convert("RGB").quantize(colours)
        write_figure(self.path(name), lambda file: small.save(file, "PNG", optimize=True))

    def table(self, header, rows):
        """Prints a table, and writes it as table.md."""
        lines = [header, ["---"] * len(header), *rows]
        lines = [f"| {' | '.join(map(cell, line))} |" for line in lines]
        print("\n".join(lines), flush=True)
        write_lines(self.path("table.md"), lines)

    def finish(self, data, metrics):
        self.state["seconds"] = time.time() - self.state["began"]
        super().finish(data, metrics)


def start(config, name, packages=("keras", "numpy", "tensorflow")):
    """A new run folder below config.out/more, as a FurtherRun.

    Args:
        packages: those whose versions results.json names.
    """
    run = folder.open_run(FurtherRun, config, "more", name)
    run.state["began"] = time.time()
    run.packages = packages
    print(in_users_language(f"run: {shown(run.folder)}", f"运行目录：{shown(run.folder)}"), flush=True)
    return run


def cell(value):
    """A number with four digits that mean something, nothing for None, else the text."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def mean_and_deviation(values):
    """"mean ± standard deviation" over seeds; of one seed the number alone; nothing where one is NaN."""
    import numpy as np

    values = np.asarray(values, "float64")
    if np.isnan(values).any():
        return ""
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{values.mean():.4f} ± {values.std(ddof=1):.4f}"
