"""The scripts of more/ through their command lines, and that file, command line and both READMEs agree."""

import json
import re

import numpy as np
import pytest

from tests.articles import FURTHER, ROOT, last_line, run
from tests.more.cases import BAD, LONG, SMOKE

PAGES = ("README.md", "README.zh.md")
COMMANDS = [(name, options) for name in SMOKE for options in SMOKE[name]]


def rows_of(page):
    """File → the cells of its row in a gallery."""
    lines = (ROOT / "more" / page).read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ![")]
    return {re.match(r"\[(\w+)\.py\]", cells[1])[1]: cells for cells in rows}


@pytest.mark.parametrize("page", PAGES)
def test_files_command_lines_and_galleries_agree(page):
    rows = rows_of(page)
    assert set(FURTHER) == set(SMOKE) == set(rows)
    for name, cells in rows.items():
        text = (ROOT / "more" / f"{name}.py").read_text(encoding="utf-8")
        articles = re.findall(r"kexue\.fm/archives/\d+", cells[2])
        assert len(cells) == 8 and articles
        assert all(article in text for article in articles), name
        assert f"(pictures/{name}.png)" in cells[0]


def test_galleries_have_the_same_numbers():
    """What is measured is the same in both languages, in whichever order."""
    pages = [rows_of(page) for page in PAGES]
    for name in pages[0]:
        numbers = [sorted(re.findall(r"\d+(?:[.,]\d+)*", " ".join(page[name][4:7]))) for page in pages]
        assert numbers[0] == numbers[1], name


@pytest.mark.parametrize("name", FURTHER)
def test_pictures_are_small(name):
    assert 0 < (ROOT / "more" / "pictures" / f"{name}.png").stat().st_size <= 40_000


@pytest.mark.parametrize("name, options", [
    pytest.param(*command, marks=pytest.mark.slow if command[0] in LONG else ())
    for command in COMMANDS])
def test_smoke_run(name, options, tmp_path):
    result = run(f"more/{name}.py", *options.split(), "--smoke", "--out", tmp_path / "out", cwd=tmp_path)
    assert "SMOKE RUN" in result.stdout
    folder, = (tmp_path / "out" / "more").glob("smoke-*")
    results = json.loads((folder / "results.json").read_text())
    assert results["smoke"] is True and results["data"]["builtin"] is True
    assert results["metrics"] and all(np.isfinite(value) for value in results["metrics"].values())
    assert {"config.json", "picture.png"} <= {path.name for path in folder.iterdir()}
    assert (folder / "picture.png").stat().st_size <= 40_000
    assert [path.name for path in tmp_path.iterdir()] == ["out"]    # nothing is written anywhere else


@pytest.mark.parametrize("name, options, message", [
    *((name, "--seed -1", "--seed expects 0 to 4,294,967,295. Received: -1") for name in SMOKE),
    *((name, "--data /nowhere", "Received: /nowhere") for name in SMOKE),
    *BAD])
def test_bad_options_are_named_before_anything_is_written(name, options, message, tmp_path):
    error = last_line(run(f"more/{name}.py", *options.split(), code=2, cwd=tmp_path))
    assert error.startswith("error: ") and message in error
    assert not list(tmp_path.iterdir())
