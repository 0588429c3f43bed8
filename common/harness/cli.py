"""A Config as a command line: its options, their limits, and how an error ends a script.

    @dataclass
    class Config(BaseConfig):
        width: Annotated[int, Between(2, 4096)] = 128
        # and below it, as a docstring, what --help says of it

    if __name__ == "__main__":
        main(train, Config, __doc__)

No Keras in here.
"""

import dataclasses
import logging
import math
import os
import pathlib
import sys
import typing
from typing import Annotated, ClassVar, Literal

from common.harness import console, folder, launch, memory
from common.harness.language import in_users_language
from common.harness.paths import named_path
from common.harness.reading import InputError, check_text
from common.harness.writing import ROOT


@dataclasses.dataclass(frozen=True)
class Between:
    """The limits of an option, in its annotation; infinity and NaN are within none.

    Args:
        least, most: the smallest and the largest value; None: no limit.
        above, below: limits that are no values themselves.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def admits(self, value):
        """Whether a value is within the limits."""
        finite = isinstance(value, int) or math.isfinite(value)
        return (finite
                and (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
                and (self.above is None or value > self.above) and (self.below is None or value < self.below))

    def __str__(self):
        if self.least is not None and self.most is not None:
            return in_users_language(f"{self.least:,} to {self.most:,}",
                                     f"在 {self.least:,} 到 {self.most:,} 之间")
        named = [("at least", "不小于", self.least), ("more than", "大于", self.above),
                 ("at most", "不超过", self.most), ("less than", "小于", self.below)]
        return in_users_language(" and ", "、").join(
            f"{in_users_language(*words)} {limit:,}" for *words, limit in named if limit is not None)


Seed = Annotated[int, Between(0, 2 ** 32 - 1)]


@dataclasses.dataclass
class BaseConfig:
    """What the command line of every training script shares."""

    # the --data that --smoke trains on; an article of text names its own sample
    builtin: ClassVar[str] = "digits"
    epochs: Annotated[int, Between(1, 1_000_000)] = 50
    """Passes over the training data."""
    batch_size: Annotated[int, Between(1, 1_000_000)] = 100
    """Samples in one step of the optimizer."""
    learning_rate: Annotated[float, Between(above=0, most=1_000_000)] = 1e-3
    """Learning rate of the optimizer; its peak, where a schedule changes it."""
    seed: Seed = 0
    """Seed of the weights, the noise and the order of the data."""
    data: str = ""
    """Data to use, see the script's README. Empty: the article's data, or the built-in sample where those
    cannot be had."""
    out: pathlib.Path = ROOT / "runs"
    """Folder in which each run gets a folder of its own."""
    resume: pathlib.Path | None = None
    """Continue the stopped run in this folder. It keeps its own configuration."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Number format in which layers compute. Weights, losses and metrics are float32; mixed_...: for GPUs
    that support it."""
    devices: Annotated[int, Between(0, 1024)] = 1
    """Devices of this machine that share each batch; 0: all. For several machines see
    common/harness/launch.py."""
    smoke: bool = False
    """Try everything in a few steps on the built-in sample. The results are marked as a smoke run."""


def main(function, config_class, description):
    """Parses the command line and calls function(config); an InputError becomes one line and exit code 2, and
    so does an error for want of memory."""
    console.prepare_output()
    # TensorFlow warns of every second compiled function; ours are few and meant
    logging.getLogger("tensorflow").setLevel("ERROR")
    config = parse(config_class, description)
    try:
        check(config)
        wanted = getattr(config, "devices", 1)
        if wanted > 1 or launch.COORDINATOR in os.environ:
            from common.harness import devices

            devices.join(wanted)
        function(settle(config))
    except InputError as error:
        console.print_error(error)
        launch.end(2)
    except BrokenPipeError:                       # what reads the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        launch.end(141)
    except Exception as error:
        if not memory.is_exhausted(error):
            raise
        console.print_error(in_users_language(memory.ADVICE, memory.CHINESE_ADVICE))
        launch.end(2)
    except KeyboardInterrupt:
        later = ("", "")
        if isinstance(config, BaseConfig):
            later = ("; --resume and the run's folder continue the run", "；用 --resume 加运行目录可以继续")
        print(in_users_language(f"\nstopped{later[0]}", f"\n已停止{later[1]}"), file=sys.stderr)
        launch.end(130)


def parse(config_class, description="", arguments=None):
    """The options as a config_class, by default those that the script was started with."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        from common.harness.help import short_help
        from common.harness.writing import shown

        print(short_help(config_class, description, shown(sys.argv[0])))
        raise SystemExit(0)
    arguments = ["--help" if argument == "--help-all" else argument for argument in arguments]
    import tyro

    settings = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(config_class, args=arguments, description=description, config=settings)


def settle(config):
    """The configuration that will run: that of the resumed run, or this one, shortened for --smoke.

    Raises:
        InputError: an option beyond its limits; --resume with a folder that is not a stopped run, or with
            options that ask for another configuration.
    """
    if isinstance(config, BaseConfig):
        if config.resume:
            config = _resumed(config)
        elif config.smoke:
            config = _shortened(config)
    check(config)
    return config


def with_recipe(config, recipes):
    """The configuration with every option that is None as its recipe has it.

    Args:
        recipes: name of a recipe → {option: value}.
    """
    recipe = recipes[config.recipe]
    missing = {name: value for name, value in recipe.items() if getattr(config, name) is None}
    return dataclasses.replace(config, **missing)


def check(config):
    """Raises InputError for the first option that is beyond its limits, or no text; None is within any."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        for text in value if isinstance(value, tuple) else [value]:
            if isinstance(text, str):
                check_text(text, option(field.name))
            if isinstance(text, pathlib.Path):
                named_path(text, option(field.name))
    for name, limits in limits_of(type(config)):
        value = getattr(config, name)
        for number in value if isinstance(value, tuple) else [value]:
            if number is not None and not limits.admits(number):
                raise InputError(in_users_language(f"{option(name)} expects {limits}. Received: {number}",
                                                   f"{option(name)} 应{limits}。收到：{number}"))


def limits_of(config_class):
    """(name, Between) of all options, those of base classes included: a new default keeps the limits, and new
    limits take their place."""
    found = {}
    for ancestor in filter(dataclasses.is_dataclass, reversed(config_class.__mro__)):
        for name, hint in typing.get_type_hints(ancestor, include_extras=True).items():
            if betweens := _betweens(hint):
                found[name] = betweens
    return [(name, limits) for name, betweens in found.items() for limits in betweens]


def _betweens(hint):
    if typing.get_origin(hint) is Annotated:
        return [part for part in hint.__metadata__ if isinstance(part, Between)]
    return [limits for part in typing.get_args(hint) for limits in _betweens(part)]


def option(name):
    """A field's name as it is typed."""
    return f"--{name.replace('_', '-')}"


def _shortened(config):
    epochs = min(config.epochs or 2, 2)                                  # None: as many as the recipe has
    return dataclasses.replace(config, epochs=epochs, data=config.data or config.builtin)


def _resumed(config):
    saved = folder.saved_config(config)
    for name, value in folder.as_json(config).items():
        default = next(field.default for field in dataclasses.fields(config) if field.name == name)
        if value not in (default, saved[name]):
            raise InputError(in_users_language(
                f"--resume continues a run with its own configuration: leave out {option(name)} or start a "
                f"new run. Received: {value}, the run has {saved[name]}",
                f"--resume 按该次运行自己的配置继续：请去掉 {option(name)}，或另开一次运行。"
                f"收到：{value}，该次运行是 {saved[name]}"))
    return dataclasses.replace(config, **saved)
