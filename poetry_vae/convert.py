"""Rebuilds the text files behind our tables from the JSON files of https://github.com/chinese-poetry/chinese-poetry.

    python poetry_vae/convert.py chinese-poetry/全唐诗 --out wuyan_tang_simp.txt
        five-character couplets of the Complete Tang Poems, simplified, one a line: for poetry_vae/train.py --data
    python poetry_vae/convert.py chinese-poetry/全唐诗 --couplets 7 --files "poet.*.json" --out verse_7.tsv
        the parallel second and third couplets of eight-line poems: for couplet/train.py --extra
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Literal

import tyro

from common import runs
from poetry_vae import data


@dataclass
class Config:
    folder: tyro.conf.Positional[pathlib.Path]
    """Folder with the JSON files."""
    out: pathlib.Path
    """Text file to write; one that exists is left alone."""
    couplets: Literal[0, 5, 7] = 0
    """0: every five-character couplet. 5 or 7: the second and third couplets of poems of four couplets of that length."""
    files: str = data.TANG
    """Pattern of the files' names."""
    traditional: bool = False
    """Keeps traditional characters."""


def convert(config):
    """Writes the file; returns its lines."""
    if not config.folder.is_dir():
        raise runs.InputError(f"expected a folder of JSON files. Received: {config.folder}")
    if config.out.exists():
        raise runs.InputError(f"--out expects a file that is not there yet. Received: {config.out}")
    lines = []
    for poem in data.read_poems(data.poem_files(config.folder, config.files)):
        couplets = list(data.couplets_of(poem, config.couplets or data.LINE))
        if not config.couplets:
            lines += [",".join(couplet) for couplet in couplets]
        elif len(poem) == len(couplets) == 4:
            lines += ["\t".join(couplet) for couplet in couplets[1:3]]
    if not lines:
        raise runs.InputError(f"{config.folder} should hold poems of {config.couplets or data.LINE} characters a line. "
                              "Received: none")
    if not config.traditional:
        lines = data.to_simplified("\n".join(lines)).split("\n")
    runs.write_whole(config.out, ("\n".join(lines) + "\n").encode())
    print(f"{len(lines):,} couplets are in {runs.shown(config.out)}")
    return lines


if __name__ == "__main__":
    runs.main(convert, Config, __doc__)
