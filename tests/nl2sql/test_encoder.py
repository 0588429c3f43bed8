"""nl2sql/characters.py and encoder.py: what the model reads."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.harness.reading import InputError
from nl2sql.characters import Characters
from nl2sql.encoder import Encoder, marks, named, pad
from nl2sql.labels import labels_of, nothing, pad_labels
from nl2sql.sql import Query
from nl2sql.tables import Table
from tests.nl2sql.examples import SALES, VOCAB


def test_tokens_segments_and_positions():
    encoder = Encoder(VOCAB)
    encoded = encoder.encode(encoder.prepare("广州的Ａ B", SALES))
    names = [VOCAB.tokens[n] for n in encoded.tokens]
    assert names[:8] == ["[CLS]", "广", "州", "的", "a", "[unused1]", "b", "[SEP]"] and encoded.length == 6
    assert names[8:12] == ["[CLS]", "城", "市", "[SEP]"] and encoded.positions[0] == 8
    assert [names[i] for i in encoded.positions] == ["[CLS]"] * 4 and encoded.columns == [0, 1, 2, 3]
    # 广州 is a cell of 城市
    assert encoded.segments[:8] == [0, 1, 1, 0, 0, 0, 0, 0] and encoded.segments[8:12] == [1] * 4
    both = "广州这个城市销售额多少"
    for segments, expected in [(4, [0, 1, 1, 0, 0, 2, 2, 2, 2, 2, 0, 0, 0]), (2, [0, 1, 1] + 10 * [0]),
                               (1, [0] * 13)]:
        encoder = Encoder(VOCAB, segments=segments)
        encoded = encoder.encode(encoder.prepare(both, SALES))
        assert encoded.segments[:13] == expected
        columns = [encoded.segments[position] for position in encoded.positions]
        # of 城市 a cell and the name
        assert columns[0] == {4: 3, 2: 1, 1: 0}[segments] and max(columns) < segments


def test_segments_say_which_characters_belong_to_which_column():
    encoder = Encoder(VOCAB)
    encoded = encoder.encode(encoder.prepare("销售额在广州这个城市", SALES), [1, 0, 2, 3])
    question, columns = encoded.segments[1:11], [encoded.segments[position] for position in encoded.positions]
    # 销售额 first, then 城市 with its cell
    assert question == [2, 2, 2, 0, 4, 4, 0, 0, 5, 5] and columns == [2, 6, 0, 0]
    table = Table(["城市", "年份"], [["广州", "2018年"], ["深圳", "2019年"]])
    for segments in range(1, 30):                                              # BERTs with whatever they have
        prepared = Encoder(VOCAB, segments=segments).prepare("城市是广州年份是2018年", table)
        highest = next(mark for least, mark in [(7, 6), (4, 3), (1, 1)] if segments >= least)
        assert max(prepared.linked + prepared.columns) == min(segments - 1, highest)
    # 气温 is in both names: it goes with the longer match, and where both are as long, with the column named
    # nearest.
    header = ["最高气温", "最低气温", "湿度"]
    assert named("5万元", ["最高价/万元", "价（万元）"]) == []                 # units are no names
    assert named("最低气温", header) == [(2, 4, 0), (0, 4, 1)]
    assert marks([(2, 4, 0, 2), (0, 4, 1, 2)], 4, 3, 8) == ([2] * 4, [5, 2, 0])
    places = [(0, 2, 0, 2), (4, 5, 0, 1), (4, 5, 1, 1), (6, 8, 1, 2)]
    assert marks(places, 8, 2, 8)[0] == [2, 2, 0, 0, 4, 0, 5, 5]
    many = [(i, i + 1, i, 2) for i in range(12)]
    assert marks(many, 12, 12, 4) == ([2, 5, 8] + [11] * 9,) * 2             # the last number is for the rest


def test_the_vocabulary_is_the_same_in_every_process_and_on_disk(tmp_path):
    again = Characters.from_texts(["超过万元", "哪些城市的销售额"])
    assert again.tokens == VOCAB.tokens and len(VOCAB) > 3800 and VOCAB.tokens[0] == "[PAD]"
    VOCAB.save(tmp_path / "vocab.txt")
    assert Characters.load(tmp_path / "vocab.txt") == VOCAB != Characters(VOCAB.tokens[:-1])
    assert Characters.load(tmp_path / "vocab.txt").tokens == VOCAB.tokens
    assert VOCAB.encode("龘") == [VOCAB.unknown]
    with pytest.raises(InputError, match="Missing: \\[MASK\\]"):
        Characters(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    with pytest.raises(InputError, match="as its first token"):
        Characters(["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"])


def test_of_three_hundred_columns_those_that_are_named_are_kept():
    table = Table([f"指标{i:03}" for i in range(297)] + ["销售额", "城市", "利润"],
                  [["x"] * 297 + [1, "广州", 2]])
    encoder = Encoder(VOCAB)
    prepared = encoder.prepare("广州的利润和销售额", table)
    assert {297, 298, 299} <= set(prepared.kept)
    assert prepared.kept == sorted(prepared.kept) and len(prepared.kept) < 60
    encoded = encoder.encode(prepared)
    dropped = next(i for i in range(300) if i not in prepared.kept)
    assert len(encoded.tokens) <= 160 and labels_of(encoded, Query(((299, 0),)), []).select[-1] == 0
    assert labels_of(encoded, Query(((dropped, 0),)), []) is None       # it cannot be learnt what is not seen


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=60), min_size=1, max_size=40))
def test_whatever_comes_fits(question, header):
    encoder = Encoder(VOCAB)
    encoded = encoder.encode(encoder.prepare(question, Table(header, [["1"] * len(header)])))
    assert len(encoded.tokens) <= 160 and len(encoded.segments) == len(encoded.tokens)
    assert encoded.length <= encoder.longest
    assert len(encoded.columns) == len(encoded.positions) >= 1


def test_padding():
    encoder = Encoder(VOCAB)
    short, long = (encoder.encode(encoder.prepare(text, SALES)) for text in ("城市", "广州的销售额"))
    batch = pad([short, long]) | pad_labels([nothing(short), nothing(long)])
    assert batch["Input-Token"].shape == (2, len(long.tokens))
    assert batch["character_mask"].tolist() == [[1, 1, 0, 0, 0, 0], [1] * 6]
    assert batch["operator_label"][0].tolist() == [4, 4, 0, 0, 0, 0]
    assert batch["select_label"].tolist() == [[6] * 4] * 2
