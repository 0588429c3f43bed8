"""--help fits a screen, has three commands and every option; --help-all is tyro's."""

import dataclasses
import importlib
import pathlib
from typing import Annotated, Literal

import pytest

from common.harness import cli
from common.harness.help import LINES, WIDTH, short_help
from tests.articles import ARTICLES, CASES, ROOT


@dataclasses.dataclass
class Config(cli.BaseConfig):
    epochs: Annotated[int, cli.Between(1, 9)] = 7
    """Passes. And more about them."""
    kind: Literal["one", "two"] = "two"
    """Which kind, e.g. one."""
    keep: bool = True
    """Keep what is there."""
    names: tuple[str, ...] = ()
    """Names of things."""
    file: pathlib.Path | None = None
    """A file."""


def test_an_option_has_its_type_its_first_sentence_and_its_default():
    lines = short_help(Config, "Does something.\n\n    python x/y.py --kind one", "x/y.py").splitlines()
    assert lines[0] == "usage: python x/y.py [OPTIONS]" and lines[1] == "Does something."
    assert lines[3:6] == ["    python x/y.py --kind one", "    python x/y.py --smoke",
                          "    python x/y.py --epochs 5"]
    own = [" ".join(line.split()) for line in lines[7:12]]
    assert own == ["--epochs INT Passes (7)", "--kind {one,two} Which kind, e.g. one (two)",
                   "--no-keep Switches off: Keep what is there", "--names TEXT ... Names of things",
                   "--file PATH A file"]
    assert lines[12].split()[0] == "--batch-size" and lines[-1].startswith("--help-all")


def test_too_many_options_are_named():
    fields = [(f"option_{number}", int, number) for number in range(60)]
    many = dataclasses.make_dataclass("Many", fields)
    lines = short_help(many, "Much.", "x.py").splitlines()
    assert len(lines) == LINES and max(map(len, lines)) <= WIDTH
    assert lines[-2].startswith("  and: --option-")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--epochs", "3", "--help"]])
def test_the_command_line_prints_it(arguments, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", [str(ROOT / "vae/train.py"), *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.parse(Config, "Does something.")
    assert ended.value.code == 0
    assert "train.py [OPTIONS]" in capsys.readouterr().out


def test_help_all_tells_everything(capsys):
    with pytest.raises(SystemExit):
        cli.parse(Config, "Does something.", ["--help-all"])
    assert "And more about them." in capsys.readouterr().out


SCRIPTS = [f"{article}/{path.name}" for article in ARTICLES if CASES[article].KERAS == 3
           for path in sorted((ROOT / article).glob("*.py")) if "__main__" in path.read_text()]


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_has_one_screen_and_three_commands(script):
    module = importlib.import_module(script.removesuffix(".py").replace("/", "."))
    lines = short_help(module.Config, module.__doc__, script).splitlines()
    assert len(lines) <= LINES and max(map(len, lines)) <= WIDTH
    assert sum(line.startswith(("    python ", "    make ")) for line in lines) == 3
    text = "\n".join(lines)
    for field in dataclasses.fields(module.Config):
        assert field.name.replace("_", "-") in text or field.name in text
