"""Rebuilds the text files behind our tables from chinese-poetry's JSON files.

    git clone --depth 1 https://github.com/chinese-poetry/chinese-poetry

    python poetry_vae/convert.py chinese-poetry/全唐诗 --out wuyan_tang_simp.txt
        five-character couplets of the Complete Tang Poems, simplified: for poetry_vae/train.py --data
    python poetry_vae/convert.py chinese-poetry/全唐诗 --couplets 7 --files "poet.*.json" --out verse_7.tsv
        the parallel second and third couplets of eight-line poems: for couplet/train.py --extra
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Literal

import tyro

from common.harness import cli
from common.harness.reading import InputError
from common.harness.vocab import to_simplified
from common.harness.writing import shown, write_lines
from poetry_vae import data


@dataclass
class Config:
    folder: tyro.conf.Positional[pathlib.Path]
    """Folder with the JSON files."""
    out: pathlib.Path
    """Text file to write; it may not exist already."""
    couplets: Literal[0, 5, 7] = 0
    """0: every couplet of five-character lines. 5 or 7: the second and third couplets of poems of four
    couplets with lines of that length."""
    files: str = data.TANG
    """Pattern of the files' names."""
    traditional: bool = False
    """Keep traditional characters."""


def convert(config):
    """Writes the file; returns its lines."""
    if not config.folder.is_dir():
        raise InputError(f"expected a folder of JSON files. Received: {config.folder}")
    if config.out.exists():
        raise InputError(f"--out expects a file that is not there yet. Received: {config.out}")
    lines, length = [], config.couplets or data.LINE
    for poem in data.read_poems(data.poem_files(config.folder, config.files)):
        couplets = data.couplets_of(poem, length)
        if not config.couplets:
            lines += [",".join(couplet) for couplet in couplets]
        elif len(poem) == len(couplets) == 4:
            lines += ["\t".join(couplet) for couplet in couplets[1:3]]
    if not lines:
        raise InputError(f"{config.folder} should hold poems of {length} characters a line. Received: none")
    if not config.traditional:
        lines = to_simplified("\n".join(lines)).split("\n")
    write_lines(config.out, lines)
    print(f"{len(lines):,} couplets are in {shown(config.out)}")
    return lines


if __name__ == "__main__":
    cli.main(convert, Config, __doc__)
