"""Files in whatever encoding: byte order marks, the advice for other encodings, lines without end."""

import codecs
import json

import numpy as np
import pytest

from common.harness import reading
from common.harness.reading import InputError, byte_lines, read_text, sha256_of
from common.harness.streams import Lines
from common.harness.vocab import Vocab
from tests.stress.readers import READERS

TEXT = "春风\n山水\n"
MARKED = {
    "UTF-16": [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
    "UTF-32": [(codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")],
}
TEXTS = (".txt", ".json", ".tsv")
READ_IN_GB18030 = {"vectors"}        # the others name the way to convert it


@pytest.mark.parametrize("encoding", MARKED)
def test_the_encoding_that_a_mark_names_stands_in_the_error(tmp_path, encoding):
    advice = f"Received: {encoding}, .*iconv -f {encoding.lower()} -t utf-8"
    for mark, codec in MARKED[encoding]:
        (tmp_path / "x.txt").write_bytes(mark + TEXT.encode(codec))
        for read in (read_text, lambda path: Lines(path, str)):
            with pytest.raises(InputError, match=advice):
                read(tmp_path / "x.txt")


def test_lines_of_any_file_as_bytes(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\r\n\n\xff\xfe\nb")
    assert list(byte_lines(path)) == [b"a\r\n", b"\n", b"\xff\xfe\n", b"b"]
    monkeypatch.setattr(reading, "PIECE", 9)
    path.write_bytes(b"12345678\n123456789")
    assert list(byte_lines(path)) == [b"12345678\n", b"123456789"]
    path.write_bytes(b"\n1234567890\n")
    with pytest.raises(InputError, match="lines of at most 9 bytes. Received: more in line 2"):
        list(byte_lines(path))
    with pytest.raises(InputError, match="expected vectors. Received: .*No such file"):
        list(byte_lines(tmp_path / "nowhere", "vectors"))


@pytest.mark.parametrize("first", ["", "\n", " \r\n", "花\n"])
def test_a_mark_is_no_part_of_the_first_sample(tmp_path, first):
    path, plain = tmp_path / "x.txt", tmp_path / "y.txt"
    plain.write_text(first + TEXT * 20, newline="", encoding="utf-8")
    path.write_bytes(codecs.BOM_UTF8 + plain.read_bytes())
    lines, same = Lines(path, str), Lines(plain, str)
    rows = np.array([33, 1])
    assert list(lines) == list(same) and lines[0] == same[0] and lines[rows] == same[rows]
    assert lines.sha256 == sha256_of(path)
    text = first + TEXT * 20
    assert read_text(path) == text and read_text(path, keep_mark=True) == "\ufeff" + text


def test_a_vocabulary_with_a_mark(tmp_path):
    content = json.dumps({"padding": 0, "unknown": 1, "first": 2, "characters": "春风"}, ensure_ascii=False)
    (tmp_path / "vocab.json").write_text(content, encoding="utf-8-sig")
    assert Vocab.load(tmp_path / "vocab.json").characters == ["春", "风"]


@pytest.mark.parametrize("name", READERS)
def test_every_reader_of_text_knows_marks_and_names_other_encodings(tmp_path, name):
    contents, read = READERS[name][1]()
    for file in [file for file in contents if file.endswith(TEXTS)]:
        for other, content in contents.items():
            (tmp_path / other).write_bytes(content)
        text = contents[file].decode()
        (tmp_path / file).write_text(text, encoding="utf-8-sig", newline="")
        read(tmp_path)
        (tmp_path / file).write_text(text, encoding="utf-16", newline="")
        with pytest.raises(InputError, match="UTF-16.*iconv -f utf-16"):
            read(tmp_path)
        (tmp_path / file).write_text(text, encoding="gb18030", newline="")
        if text.isascii() or name in READ_IN_GB18030:
            read(tmp_path)
        else:
            with pytest.raises(InputError, match="iconv -f gb18030 -t utf-8"):
                read(tmp_path)
