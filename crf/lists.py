"""The lists that several models share: characters, bigrams and known words of the training sentences of
corpora in different standards.

    python crf/lists.py crf/lists                        of SXU, PKU and NLPCC 2016
    python crf/train.py --data pku --lists crf/lists           a model that uses them

A model that uses them knows words that its own training text lacks. So its score is none of a closed track.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import itertools
from dataclasses import dataclass
from typing import Annotated

import tyro

from common.harness import cli
from common.harness.writing import shown
from crf import data
from crf.features import Features


@dataclass
class Config:
    out: tyro.conf.Positional[pathlib.Path]
    """Folder for vocab.json, bigrams.txt and words.txt."""
    data: tuple[str, ...] = ("sxu", "pku", "nlpcc2016")
    """Corpora by name, or files of segmented sentences, as for crf/train.py."""
    characters: Annotated[int, cli.Between(1, 10**6)] = 2
    """Occurrences in all corpora together that a character needs to be listed."""
    bigrams: Annotated[int, cli.Between(1, 10**6)] = 14
    """Occurrences that a bigram needs to be listed. Each bigram costs the default model 128 bytes."""
    validation: Annotated[int, cli.Between(1, 10**9)] = 1000
    """Sentences of each corpus that are left unread. They are those that crf/train.py holds out with --seed
    0."""


def write_lists(config):
    """Writes the three files and returns the Features."""
    sentences = []
    for name in config.data:
        corpus = data.load_corpus(name)
        kept, _ = data.split(corpus.train, config.validation, seed=0)
        sentences.append(kept)
    features = Features.of(itertools.chain(*sentences), config.characters, config.bigrams)
    config.out.mkdir(parents=True, exist_ok=True)
    features.save(config.out)
    print(f"{shown(config.out)}: {len(features.vocab):,} characters, {len(features.bigrams):,} bigrams, "
          f"{len(features.words):,} words")
    return features


if __name__ == "__main__":
    cli.main(write_lists, Config, __doc__)
