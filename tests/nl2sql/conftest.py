"""Fixtures of nl2sql's tests. No Keras in here."""

import pytest

from nl2sql.corpus import load_corpus
from tests.nl2sql import corpus


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    """Training questions that a program can get right."""
    return load_corpus(str(corpus.write(tmp_path_factory.mktemp("corpus")))).train
