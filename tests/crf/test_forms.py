"""Segmented text in other forms: words with tags, and columns of characters with tags; and what only looks
like them."""

import itertools
import os
import pathlib

import numpy as np
import pytest

from common.harness import reading
from common.harness.reading import InputError
from crf import data, forms

SENTENCES = data.read_sentences(data.SAMPLE)
SCHEMES = {                  # how a word of one character, of two, of three, of five is tagged
    "BMES": ["S", "BE", "BME", "BMMME"],
    "BIES": ["S", "BE", "BIE", "BIIIE"],
    "BILOU": ["U", "BL", "BIL", "BIIIL"],
    "BI": ["B", "BI", "BII", "BIIII"],
    "BIO": ["O", "BI", "BII", "BIIII"],
    "bmes": ["s", "be", "bme", "bmmme"],
}


def write(folder, *lines, end="\n", encoding="utf-8"):
    path = folder / "corpus.txt"
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    return path


def tagged(sentences, tag="/n"):
    """Sentences with a tag behind each word, one a line."""
    return [" ".join(words).replace(" ", f"{tag} ") + tag for words in sentences]


# ------------------------------------------------------------------------------------------------------- tags

PKU = [
    ("19980101-01-001-001/m  迈向/v  充满/v  希望/n  的/u  新/a  世纪/n  ——/w  一九九八年/t",
     "迈向 充满 希望 的 新 世纪 —— 一九九八年"),
    ("[中国/ns  人民/n]nt  ，/w  [[北京/ns 大学/n]nt 出版社/n]nt  //w  ]/w  [/w",
     "中国 人民 ， 北京 大学 出版社 / ] ["),
    ("[纽约/nsf 时报/n]/nz  报道/v  2006/8/28/t  元/平方米/q  的/ude1",
     "纽约 时报 报道 2006/8/28 元/平方米 的"),
    ("[ 中国/ns 人民/n ]nt  好/a", "中国 人民 好"),
    ("", ""),
]


@pytest.mark.parametrize("end, encoding", [("\n", "utf-8"), ("\r\n", "utf-8-sig"), (" \n", "utf-8")])
def test_tags_and_brackets_of_compound_words_are_left_out(tmp_path, capsys, end, encoding):
    path = write(tmp_path, *[tagged for tagged, _ in PKU * 3], end=end, encoding=encoding)
    assert data.read_sentences(path) == [words.split() for _, words in PKU * 3 if words]
    [said] = capsys.readouterr().out.splitlines()
    assert f"note: the words of {path} have tags, such as 迈向/v" in said


def test_tags_after_an_underscore(tmp_path, capsys):
    path = write(tmp_path, *tagged(SENTENCES, "_NN"))
    assert data.read_sentences(path) == SENTENCES
    assert "have tags, such as" in capsys.readouterr().out


def test_texts_that_merely_contain_slashes_stay(tmp_path, capsys):
    lines = [["2006/8/28", "，", "每", "平方米", "8000", "元/平方米"], ["km/h", "是", "单位"],
             ["见", "http://www.a.com/b", "和", "a/b"], ["and/or", "user_name"], ["[", "1", "]", "甲"]]
    path = write(tmp_path, *map(" ".join, lines * 4 + SENTENCES))
    assert data.read_sentences(path) == lines * 4 + SENTENCES
    assert capsys.readouterr().out == ""


def test_a_text_of_which_some_words_have_tags_is_refused(tmp_path):
    lines = [" ".join(words) for words in SENTENCES]
    lines[::2] = tagged(SENTENCES[::2])
    with pytest.raises(InputError, match=r"Received: tags, such as \S+/n, at \d\d% of the words"):
        data.read_sentences(write(tmp_path, *lines))


def test_numbers_of_lines_are_no_words(tmp_path, capsys):
    lines = ["迈向 充满 希望", "新 世纪"] * 5
    path = write(tmp_path, *[f"19980101-01-001-001/m {line}" for line in lines])
    assert data.read_sentences(path) == [line.split() for line in lines]
    assert "have numbers, such as 19980101-01-001-001/m, which are left out" in capsys.readouterr().out


@pytest.mark.parametrize("lines", [
    ["调用 read_table 和 open_archive", "看 is_title"],
    ["今天 天气 不错 2006/8/28 and/or km/h", "开 src/main 和 lib/util 再 编译", "path src/main and/or lib/a"],
    ["iPhone 手机", "APP 下载", "QQ 群"],
    ["你好 abc", "天气 ok", "北京 2008"],
    ["# 号 是 井号", "今天 天气"],
    ["我 ( 他 ) 和 ( 她 )", "( 新华社 电 )"],
])
def test_honest_text_stays(tmp_path, capsys, lines):
    path = write(tmp_path, *lines * 20)
    assert data.read_sentences(path) == [line.split() for line in lines * 20]
    assert capsys.readouterr().out == ""


def test_what_stands_behind_slashes_without_recurring_is_no_tag(tmp_path):
    lines = []
    for number in range(100):
        lines.append(" ".join(f"甲{number}/x{number}{place}" for place in range(5)))
    assert data.read_sentences(write(tmp_path, *lines)) == [line.split() for line in lines]


@pytest.mark.parametrize("separator", "/_")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_characters_with_tags_are_joined_to_words(tmp_path, capsys, scheme, separator):
    lines = "\n".join(columns(SENTENCES, scheme, separator)).split("\n\n")
    path = write(tmp_path, *[" ".join(line.split("\n")) for line in lines])
    assert data.read_sentences(path) == SENTENCES
    assert "holds characters with tags, such as" in capsys.readouterr().out


@pytest.mark.parametrize("line, why", [
    ("北/B-LOC 京/I-LOC 好/O", "tags such as 北/B-LOC, which look like tags of entities"),
    ("外交部/B 发言人/I 说/B", "tags such as 外交部/B, words, not characters"),
])
def test_other_tags_of_places_are_refused(tmp_path, line, why):
    with pytest.raises(InputError, match=f"Received: {why}"):
        data.read_sentences(write(tmp_path, *[line] * 20))


def test_a_character_without_a_tag_is_named(tmp_path):
    lines = ["今/B 天/E 天/B 气/E"] * 20 + ["今/B 天"]
    with pytest.raises(InputError, match="Received: '天' in '今/B 天'"):
        data.read_sentences(write(tmp_path, *lines))


@pytest.mark.parametrize("lines, why", [
    (["我/ 来到/ 北京/ 清华大学"], "a slash behind each word"),
    (["我/ 来到/ 北京/", "好/ 的"], "a slash behind each word"),
    (["今天(Nd) 天氣(Na) 不錯(VH)"], "tags in brackets"),
    (["今天(Nd)　天氣(Na)　不錯(VH)　。(PERIODCATEGORY)"], "tags in brackets"),
    (["今天|t 天气|n"], r"tags after \| or #"),
    (["今天#t 天气#n 很 好#a"], r"tags after \| or #"),
    (["今天 /t 天气 /n 不错 /a"], "tags between blanks"),
    (["(IP (NP (NN 今天)) (VP (VA 不错)))"], "trees in brackets"),
    (["( (IP-HLN (NP-SBJ (NR 上海) (NR 浦东))", "      (VP (VV 同步))))"], "trees in brackets"),
])
def test_other_forms_are_refused_by_name(tmp_path, lines, why):
    with pytest.raises(InputError, match=f"Received: {why}, as in ") as error:
        data.read_sentences(write(tmp_path, *lines * 10))
    assert repr(lines[0][:60]) in str(error.value) and "\n" not in str(error.value)


def test_words_of_any_length_take_time_in_proportion(tmp_path):
    """A token of many brackets or slashes is no word with a tag, and is told at once."""
    for long in ("[" * 300_000, "/" * 300_000, "[/a]" * 75_000):
        assert forms.untagged(f"春/n {long} 风/n", "/") == ["春", long, "风"]


# ---------------------------------------------------------------------------------------------------- columns

def columns(sentences, scheme, between="\t", kind=""):
    """Sentences as columns, blank lines between them."""
    tags = dict(zip((1, 2, 3, 5), SCHEMES[scheme]))
    lines = []
    for words in sentences:
        for word in words:
            one, two, three, five = tags.values()
            of_word = {1: one, 2: two}.get(len(word)) or five[0] + five[1] * (len(word) - 2) + five[-1]
            lines += [f"{character}{between}{tag}{kind}" for character, tag in zip(word, of_word)]
        lines.append("")
    return lines


# an O with a kind, as in O-n, stands in no corpus: BIO is tried without
@pytest.mark.parametrize("scheme, between, kind, end", [
    *itertools.product(SCHEMES, ["\t", " ", " NN "], [""], ["\n", "\r\n"]),
    *itertools.product([name for name in SCHEMES if name != "BIO"], ["\tx\ty\t"], ["-n", "_v"], ["\n"])])
def test_columns_are_joined_to_words(tmp_path, capsys, scheme, between, kind, end):
    path = write(tmp_path, *columns(SENTENCES, scheme, between, kind), end=end)
    assert data.read_sentences(path) == SENTENCES
    [said] = capsys.readouterr().out.splitlines()
    assert f"note: {path} holds a character and its tag a line" in said and "joined to words" in said


def test_six_tags_and_tags_in_a_wrong_order(tmp_path):
    lines = ["一 B", "二 B2", "三 B3", "四 M", "五 E", "六 S", "",
             "七 M", "八 E", "九 E", "十 B", "零 B", "\u3000\tB", "百 M", ""]
    path = write(tmp_path, *lines * 9)
    assert data.read_sentences(path)[:2] == [["一二三四五", "六"], ["七八", "九", "十", "零", "百"]]


@pytest.mark.parametrize("lines, why", [
    (["中\tB-LOC", "国\tI-LOC", "在\tO", ""] * 20, "which look like tags of entities"),
    (["中 B", "国 I", *["在 O"] * 5, ""] * 20, "which look like tags of entities"),
    (["外交部\tB", "发言人\tI", "说\tB", ""] * 20, "words, not characters"),
    (["今天\tNN", "很好\tVA", ""] * 20, "and its last is no tag of B M E S, B I O"),
    (["今\t0x", "天\tzz", ""] * 20, "and its last is no tag"),
    (["B 今", "E 天", ""] * 20, "and its last is no tag"),
    (["1\t今天\t今天\tNOUN", "2\t好\t好\tADJ", ""] * 20, "and its last is no tag"),
    (["今天 500 t", "天气 300 n", "气候 20 n"] * 20, "and its last is no tag"),
])
def test_other_columns_are_refused(tmp_path, lines, why):
    with pytest.raises(InputError, match=f"Received: columns such as .*, {why}") as error:
        data.read_sentences(write(tmp_path, *lines))
    assert repr(lines[0]) in str(error.value) and "\n" not in str(error.value)


def test_comments_of_conll_are_no_rows(tmp_path):
    lines = ["# sent_id = 1", "# text = 今天不错", "1\t今天\t_\tNOUN\tNT\t_\t2\tnsubj\t_\t_",
             "2\t不错\t_\tADJ\tVA\t_\t0\troot\t_\t_", ""]
    with pytest.raises(InputError, match=r"Received: columns such as '1\\t今天.*, and its last is no tag"):
        data.read_sentences(write(tmp_path, *lines * 20))


def test_a_line_that_is_wrong_is_named(tmp_path):
    lines = columns(SENTENCES, "BMES")
    for wrong in ("今", "今\tX", "今\tB\tB"):
        with pytest.raises(InputError, match=f"line 8 .*Received: '{wrong}'".replace("\t", r"\\t")):
            data.read_sentences(write(tmp_path, *lines[:7], wrong, *lines[7:]))
    with pytest.raises(InputError, match="at least 10 sentences"):
        data.read_sentences(write(tmp_path, *filter(None, lines)))


# ------------------------------------------------------------------------------------------------------ files

def test_files_larger_than_memory(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reading, "LARGE", 1000)
    plain = write(tmp_path, *map(" ".join, SENTENCES))
    expected = list(data.load_corpus(str(plain)).train)
    path = write(tmp_path, *tagged(SENTENCES))
    found = data.load_corpus(str(path)).train
    assert list(found) == expected and found[np.array([20, 3])] == [expected[20], expected[3]]
    assert "have tags" in capsys.readouterr().out
    with pytest.raises(InputError, match="columns, .* read into memory .* 1,000 bytes at most"):
        data.load_corpus(str(write(tmp_path, *columns(SENTENCES, "BMES"))))


def test_a_test_file_may_have_another_form_than_the_training_file(tmp_path):
    train = tmp_path / "train.txt"
    train.write_text("\n".join(columns(SENTENCES, "BIES")), encoding="utf-8")
    test = write(tmp_path, *tagged(SENTENCES[:20]))
    found = data.load_corpus(str(train), str(test))
    assert found.train == SENTENCES and found.test == SENTENCES[:20]


@pytest.mark.skipif("KEXUE_DATA" not in os.environ, reason="the corpora are not here")
@pytest.mark.parametrize("name", ["sxu_train", "sxu_test_gold", "nlpcc2016_train", "msr_slice_train",
                                  "msr_test_gold", "pd199801"])
def test_real_corpora_are_words(name):
    path = pathlib.Path(os.environ["KEXUE_DATA"], "cws", f"{name}.utf8")
    lines = path.read_text(encoding="utf-8").split("\n")
    assert data.read_sentences(path) == [line.split() for line in lines if line.strip()]
