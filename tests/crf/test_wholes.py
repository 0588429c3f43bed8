"""What stays whole in everyday text, and that the rule moves nothing else."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.harness.vocab import to_simplified
from crf.segmenter import WEIGHTS, Segmenter
from crf.wholes import whole_places

WORDS = """
https://kexue.fm/archives/5542 http://a.cn/x?y=1&z=%E4%BD%A0#p www.example.com/~me ftp://host.org/file.tar.gz
spaces_ac.cn@kexue.fm a.b+c@mail.example.com.cn
010-88886666 (0571)8888-6666 +86-10-88886666 138-0013-8000 400-820-8820
￥5,999.00 $12 US$1,000.5 €20 ¥99
👨‍👩‍👧‍👦 🇨🇳 👍🏽 ❤️ 1️⃣ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🧑🏿‍🚀
""".split()
LOOSE = """
v3.15.1rc2 2.0.1 192.168.1.1 C++ C# AT&T GPT-4o iPhone15 TensorFlow covid-19 don't café x86_64 train.py
1,000,000 3.14 50% 10:30 23:59:59 2023-05-06 13800138000 00000000000000000000000000000000000000007
""".split()


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.load(WEIGHTS / "fast")


@pytest.mark.parametrize("before, after", [
    ("", ""), ("这是", "。"), ("请看(", ")吧"), ("“", "”，好"), ("了", " ")])
def test_each_kind_is_one_word_wherever_it_stands(segmenter, before, after):
    for word in WORDS:
        text = before + word + after
        found = segmenter.segment(text)
        assert word in found and "".join(found) == text, found


def test_numbers_and_latin_words_stay_in_one_word_that_may_be_longer(segmenter):
    for word in LOOSE:
        found = segmenter.segment(f"这是{word}的。")
        assert any(word in part for part in found) and "".join(found) == f"这是{word}的。", found


@pytest.mark.parametrize("text, whole", [
    ("见https://kexue.fm。", "https://kexue.fm"), ("(www.a.cn),", "www.a.cn"), ("a.b@c.cn.", "a.b@c.cn"),
    ("￥5，好", "￥5"), ("第1,2,3章", "1"), ("🇨🇳🇺🇸", "🇨🇳"), ("👍👍", "👍"), ("3.5,4.5", "3.5"),
])
def test_marks_of_the_sentence_stay_outside(text, whole):
    start, end, _ = whole_places(text)[0]
    assert text[start:end] == whole


def test_the_rule_can_be_turned_off(segmenter):
    plain = Segmenter.load(WEIGHTS / "fast", wholes=False)
    text = "邮箱a.b@c.cn"
    assert "a.b@c.cn" in segmenter.segment(text) and "a.b@c.cn" not in plain.segment(text)
    news = "国务院总理今天上午在北京会见了来访的客人。"
    assert segmenter.segment(news) == plain.segment(news)


def test_confidence_of_what_the_rule_decided_is_1(segmenter):
    words, sure = segmenter.segment("请发到a.b@c.cn吧", confidence=True)
    assert sure[words.index("a.b@c.cn")] == 1 and all(0 <= p <= 1 for p in sure)


@settings(max_examples=40, deadline=None)
@given(st.text(st.sampled_from("今天气很好a1.@:/￥-👍🇨\u200d\ufe0f ()，。5元"), max_size=40))
def test_no_character_is_lost_and_places_do_not_overlap(text):
    places = whole_places(text)
    assert all(start < end for start, end, _ in places)
    assert all(first[1] <= second[0] for first, second in zip(places, places[1:]))


@pytest.mark.parametrize("blank", [" ", "\n", "\t", "\u3000", "\ufeff", "\u200b", " \n \u3000"])
def test_blanks_at_the_ends_change_no_word(segmenter, blank):
    for text in ("新华社北京一月一日电", "今天天气不错，我们去公园玩。", "2023年"):
        words = segmenter.segment(text)
        found = segmenter.segment(blank + text + blank)
        assert "".join(found) == blank + text + blank
        assert [word for word in found if word.strip("\ufeff\u200b") and not word.isspace()] == words


@pytest.mark.parametrize("text", [
    "國務院總理今天上午在北京會見了來訪的客人", "乾隆皇帝後來喜歡著名的瞭望塔", "發展中國家的經濟發展很快",
    "\ud800漢語自然語言處理\0很有趣", "裏面的麵條乾了",
])
def test_traditional_text_is_cut_where_its_simplified_form_is(segmenter, text):
    simplified = to_simplified(text.replace("\ud800", "\ufffd").replace("\0", "\ufffd"))
    found = segmenter.segment(text)
    assert "".join(found) == text
    assert list(map(len, found)) == list(map(len, segmenter.segment(simplified)))


def test_time_grows_with_the_length_alone():
    """Nothing that looks like the beginning of an address is looked at again from each of its characters."""
    for piece in ("a+", "a.", "1,111", "1.1", "http://(", "www.(", "a@a.", "👍\u200d", "010-", "+1", "$1,",
                  "1:11"):
        start = time.process_time()
        whole_places(piece * 50_000)
        assert time.process_time() - start < 5, piece


@pytest.mark.parametrize("text, words", [
    ("新冠疫情期间", "新冠 疫情 期间"), ("充电宝没电了", "充电宝 没 电 了"),
    ("均价8000元/平方米", "均价 8000 元 / 平方米"), ("人工智能大模型ChatGPT", "人工智能 大模型 ChatGPT"),
    ("孩子在家上网课", "孩子 在 家 上 网课"), ("他刷新冠军记录", "他 刷新 冠军 记录"),
])
def test_words_younger_than_the_corpus(text, words):
    assert Segmenter.load(WEIGHTS / "default").segment(text) == words.split()
