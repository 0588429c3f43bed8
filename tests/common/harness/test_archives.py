"""Archives whose directory, headers or labels would fill the memory, and what is no archive of ours."""

import json
import warnings
import zipfile

import numpy as np
import pytest

from common.harness import datasets, reading
from common.harness.archives import MEMBERS, Gzip, open_archive, read_arrays
from common.harness.checkpoint import read_checkpoint
from common.harness.reading import InputError, parse_rows, read_bytes, read_text
from tests.stress import bombs


def test_members_are_read_up_to_the_limit(tmp_path):
    path = bombs.write_zip(tmp_path / "x.zip", {"a": b"1" * 600, "b": b"2" * 600})
    with open_archive(path, 1200) as archive:
        assert archive.names == ["a", "b"]
        assert archive.read("a") + archive.read("b") == b"1" * 600 + b"2" * 600
    with open_archive(path, 1199) as archive, pytest.raises(InputError, match="b with 600"):
        archive.read("a")
        archive.read("b")
    with open_archive(path, 9999) as archive, pytest.raises(KeyError):
        archive.read("c")


def test_a_directory_that_claims_less_is_not_believed(tmp_path):
    path = bombs.write_zip(tmp_path / "x.zip", {"a": bytes(1 << 24), "b": b"2"})
    bombs.claim_less(path, "a", size=10)
    with open_archive(path, 100) as archive, pytest.raises(zipfile.BadZipFile, match="CRC"):
        archive.read("a")


@pytest.mark.parametrize("kind", ["twice", "packed otherwise", "many", "locked"])
def test_archives_that_no_program_of_ours_writes(tmp_path, kind):
    path = tmp_path / "x.zip"
    method = zipfile.ZIP_LZMA if kind == "packed otherwise" else zipfile.ZIP_STORED
    names = {"twice": ["a", "a"], "many": map(str, range(MEMBERS + 1))}.get(kind, ["a"])
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as file:
        warnings.simplefilter("ignore")                # of the name that comes twice
        for name in names:
            file.writestr(name, b"1")
    if kind == "locked":
        content = bytearray(path.read_bytes())
        content[content.index(b"PK\1\2") + 8] |= 1
        path.write_bytes(content)
    with pytest.raises(ValueError, match="expected"), open_archive(path, 9999):
        pass


def test_arrays_and_nothing_behind_them(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.asfortranarray(np.ones((2, 3), "float16"))}
    np.savez(tmp_path / "x.npz", **arrays)
    found = read_arrays(tmp_path / "x.npz", model=True)
    assert found.keys() == arrays.keys() and all((found[name] == arrays[name]).all() for name in arrays)
    assert list(read_arrays(tmp_path / "x.npz", ["b", "c"])) == ["b"]
    for content in (bombs.npy(arrays["a"]) + b"\0", b"text", bombs.npy(np.array([{}]))):
        bombs.write_zip(tmp_path / "y.npz", {"a.npy": content})
        with pytest.raises(ValueError):
            read_arrays(tmp_path / "y.npz")


def test_models_are_not_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MODEL_BYTES", 1000)
    np.savez(tmp_path / "x.npz", a=np.zeros(10_000))
    assert len(read_arrays(tmp_path / "x.npz", model=True)["a"]) == 10_000
    np.savez_compressed(tmp_path / "y.npz", a=np.zeros(10_000))
    assert len(read_arrays(tmp_path / "y.npz")["a"]) == 10_000
    with pytest.raises(InputError, match="unpacks to more than"):
        read_arrays(tmp_path / "y.npz", model=True)


def test_a_checkpoint_of_blanks_and_one_with_more_in_it(tmp_path):
    assert read_checkpoint(bombs.checkpoint(tmp_path))[1][0].tolist() == [1, 1, 1]
    state = json.dumps({"epoch": 0, "best": None, "seconds": 0.0, "log": []})
    blanks = bombs.npy(np.array(" " * 10**6 + state))
    more, longer = bombs.npy(np.ones(2)), bombs.npy(np.ones(3)) + b"\0"
    for members in ({"state": blanks}, {"more": more}, {"v0": longer}):
        with pytest.raises(InputError, match="checkpoint.npz (is damaged|unpacks to more)"):
            read_checkpoint(bombs.checkpoint(tmp_path, **members))


def test_labels_that_would_grow(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BOMB_BYTES", 100_000)
    monkeypatch.setattr(reading, "BOMB_RATIO", 0)
    bombs.images(tmp_path, y_train=bombs.npy(np.zeros(20_000, "uint8")))
    with pytest.raises(InputError, match="unpacks to more than"):
        datasets.load_images(str(tmp_path / "x.npz"))
    (tmp_path / "idx").mkdir()
    with pytest.raises(InputError, match="unpacks to more than"):
        datasets.load_images(str(bombs.idx(tmp_path / "idx", labels=20_000)))


def test_what_gzip_packed_ends_where_data_end(tmp_path, monkeypatch):
    (tmp_path / "x.gz").write_bytes(bombs.gzip.compress(bytes(1000)))
    monkeypatch.setattr(reading, "BOMB_RATIO", 0)
    monkeypatch.setattr(reading, "BOMB_BYTES", 1000)
    with Gzip(tmp_path / "x.gz") as file:
        assert file.read(10) + file.read() == bytes(1000) and file.seek(500) == 500 and file.read(1) == b"\0"
        with pytest.raises(InputError, match="unpacks to more than"):
            file.seek(10**12)
    monkeypatch.setattr(reading, "BOMB_BYTES", 999)
    for size in (-1, 10**12):
        with Gzip(tmp_path / "x.gz") as file, pytest.raises(InputError, match="unpacks to more than"):
            file.read(size)


def test_a_file_that_is_too_large_to_be_read_whole(tmp_path):
    (tmp_path / "x.txt").write_text("春风")
    assert read_text(tmp_path / "x.txt") == "春风"
    assert read_bytes(tmp_path / "x.txt", most=6) == "春风".encode()
    with pytest.raises(InputError, match="should be a table of at most 5 bytes"):
        read_bytes(tmp_path / "x.txt", "a table", 5)
    with pytest.raises(InputError, match="at most 1,000 bytes"):
        read_bytes("/dev/zero", most=1000)
    with pytest.raises(InputError, match="expected a text file"):
        read_text(tmp_path)


def test_lines_are_not_all_kept(tmp_path, capsys):
    """Ten megabytes of empty or wrong lines once took a gigabyte."""
    def parse(line):
        return (None, f"{line} is wrong") if line.startswith("x") else (line, None)

    rows = iter(["a", "", "\u3000", *"b" * 198, "x1", "x2"])
    assert parse_rows("f", rows, parse, "letters") == ["a", *"b" * 198]
    assert "note: 2 of 203 lines of f are left out (line 202: x1 is wrong)" in capsys.readouterr().out
    with pytest.raises(InputError, match="line 2: x is wrong, and 1 more such lines"):
        parse_rows("f", ["a", "x", "x"], parse, "letters")
    with pytest.raises(InputError, match="Received: no line$"):
        parse_rows("f", [["", " "], [], ["\t"]], parse, "letters")
