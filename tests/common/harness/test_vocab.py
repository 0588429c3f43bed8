"""common/harness/vocab.py: the same numbers in every process, and clear words for files that do not fit."""

import collections
import errno
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from common.harness.reading import InputError
from common.harness.vocab import FIRST, PADDING, UNKNOWN, Vocab, is_han, to_simplified

TEXTS = ["春风又绿江南岸", "春水碧于天，春眠", "𠮷𠮷家😀家"]


def test_the_order_is_by_count_then_character():
    counts = collections.Counter("".join(TEXTS))
    expected = [c for c in sorted(counts, key=lambda c: (-counts[c], c)) if counts[c] >= 2]
    vocab = Vocab.from_texts(iter(TEXTS), min_count=2)
    assert vocab.characters == expected == ["春", "家", "𠮷"]
    assert [vocab.encode(c)[0] for c in expected] == [FIRST, FIRST + 1, FIRST + 2]
    assert len(vocab) == 5 and "春" in vocab and "风" not in vocab


def test_numbers_do_not_depend_on_the_process():
    code = f"from common.harness.vocab import Vocab; print(ascii(Vocab.from_texts({TEXTS!r}).characters))"
    root = pathlib.Path(__file__).resolve().parents[3]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        )
        assert done.stdout.strip() == ascii(Vocab.from_texts(TEXTS).characters)


def test_encode_pad_decode():
    vocab = Vocab("春风😀")
    np.testing.assert_array_equal(vocab.encode("风雨春"), [3, UNKNOWN, 2])
    rows = vocab.pad(["春", "", "风😀雨"])
    np.testing.assert_array_equal(rows, [[2, PADDING, PADDING], [PADDING] * 3, [3, 4, UNKNOWN]])
    assert rows.dtype == np.int32 and vocab.encode("").shape == (0,) and vocab.pad([]).shape == (0, 0)
    assert [vocab.decode(row) for row in rows] == ["春", "", "风😀□"]
    assert vocab.pad(["春"], 5).shape == (1, 5)
    with pytest.raises(ValueError, match="length expects at least 2.*Received: length=1"):
        vocab.pad(["春风"], 1)
    assert vocab.unknown_in("雨春雨雪") == "雨雪"


def test_saved_and_loaded(tmp_path):
    vocab = Vocab.from_texts(TEXTS)
    vocab.save(tmp_path / "vocab.json")
    assert Vocab.load(tmp_path / "vocab.json") == vocab
    assert Vocab.load(tmp_path / "vocab.json", size=len(vocab)) == vocab
    assert [path.name for path in tmp_path.iterdir()] == ["vocab.json"]
    with pytest.raises(
        InputError, match=rf"does not belong to this model.*expects.* 99 numbers. Received: {len(vocab)}"
    ):
        Vocab.load(tmp_path / "vocab.json", size=99)
    with pytest.raises(InputError, match="cannot be written"):
        vocab.save(tmp_path / "vocab.json" / "vocab.json")          # a file is no folder


def test_a_folder_that_takes_no_files(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    for owner, name in [(os, "replace"), (pathlib.Path, "unlink"), (os, "unlink")]:
        monkeypatch.setattr(owner, name, refuse)
    with pytest.raises(InputError, match="cannot be written .Read-only file system"):
        Vocab.from_texts(TEXTS).save(tmp_path / "vocab.json")


GOOD = {"padding": 0, "unknown": 1, "first": 2, "characters": "春风"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[1]",
        b"{}",
        *(
            json.dumps(GOOD | other).encode()
            for other in (
                {"first": 0},
                {"characters": ""},
                {"characters": "春春"},
                {"characters": ["春风"]},
                {"characters": 7},
            )
        ),
    ],
)
def test_files_that_are_no_vocabulary(tmp_path, content):
    (tmp_path / "vocab.json").write_bytes(content)
    with pytest.raises(InputError, match="should be a vocab.json"):
        Vocab.load(tmp_path / "vocab.json")


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(InputError, match="needs its vocabulary beside it. Not found"):
        Vocab.load(tmp_path / "vocab.json")
    with pytest.raises(InputError, match="at least 2 times. Received: 1 different"):
        Vocab.from_texts(["春"], min_count=2)


def test_what_is_a_chinese_character():
    assert all(map(is_han, "春〇𠮷㐀龥𫗪")) and not any(map(is_han, "，。、A7😀 　□-—《"))


def test_traditional_becomes_simplified():
    assert to_simplified("晚風搖樹樹還挺，晚风") == "晚风摇树树还挺，晚风"
