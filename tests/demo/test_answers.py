"""What the page answers, without a browser: HTML that shows a text and nothing else, places on the plane,
visitors apart, and the process for tables, which dies and hangs."""

import html
import importlib.metadata
import importlib.util
import json
import re
import sys
import time

import numpy as np
import pytest
from PIL import Image

from common.harness import plots
from common.harness.reading import InputError
from demo import asking, drawn, gallery, picture_answers, shared, text_answers, words
from tests.articles import ROOT

ATTACK = "<img src=x onerror=alert(1)> & 今天\n天气"


def text_of(markup):
    """What a browser shows of HTML, as one line."""
    return html.unescape(re.sub("<[^>]+>", "", markup.replace("<br>", "\n")))


# ------------------------------------------------------------------------------------------------------- HTML

@pytest.mark.parametrize("markup", [
    drawn.chips([ATTACK[:28], " ", "&", " ", "今天", "\n", "天气"]),
    drawn.curves(ATTACK, np.zeros(len(ATTACK)), np.ones(len(ATTACK)), (3, 5)),
    drawn.rows_table([], [[ATTACK]], big=[0]), drawn.rows_table([ATTACK], []), drawn.paragraphs([ATTACK])])
def test_texts_are_shown_and_never_run(markup):
    assert text_of(markup) == ATTACK
    assert not re.search("<(?!/?(div|span|p|table|tr|td|th|br)[ >])", markup)


def test_bars_are_the_probabilities():
    markup = drawn.curves("ab", [0.25, 1], [0, 0.5], (1, 2))
    assert re.findall(r"<span( class=.answer.)? style=.--s:([\d.]+);--e:([\d.]+).>(.)</span>", markup) == [
        ("", "0.250", "0.000", "a"), (' class="answer"', "1.000", "0.500", "b")]


def test_the_gallery_has_a_card_for_each_row():
    for language, name in (("en", "README.md"), ("zh", "README.zh.md")):
        text = (ROOT / "more" / name).read_text(encoding="utf-8")
        files = re.findall(r"^\| !\[.*?\| \[([\w/.]+)\]", text, re.MULTILINE)
        cards = gallery.cards(language)
        assert files and re.findall("<code>make more/([^<]+)<", cards) == [
            file.removesuffix(".py") for file in files]
        pictures = re.findall(r"^\| !\[[^]]*\]\(([^)]+)", text, re.MULTILINE)
        there = [path for path in pictures if (ROOT / "more" / path).is_file()]
        assert cards.count("data:image/png;base64,") == len(there) > 0
        assert set(re.findall("href=.(https?://[^/\"]+)", cards)) <= {"https://kexue.fm"}


def test_every_word_is_there_in_both_languages():
    assert all(all(pair) for pair in words.WORDS.values())
    assert words.words_in("zh")["segment"] == "分词" and words.words_in("en")["segment"] == "Words"


@pytest.mark.parametrize("header, language", [
    ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("zh", "zh"), ("ZH-TW", "zh"), ("en-US,en;q=0.9,zh;q=0.1", "en"),
    ("de", "en"), ("", "en"), (None, "en")])
def test_the_language_is_the_browsers_first(header, language):
    assert words.language_of(header) == language


# ------------------------------------------------------------------------------------------------ the answers

def test_the_middle_of_a_digit_on_the_plane_has_its_code():
    codes = plots.quantile_grid(picture_answers.GRID)
    for place in (0, 7, 15, 112, 224):
        row, column = divmod(place, picture_answers.GRID)
        shares = [(column + 0.5) / picture_answers.GRID, (row + 0.5) / picture_answers.GRID]
        np.testing.assert_allclose(picture_answers.code_at(shares), codes[place], atol=1e-9)
    assert np.isfinite(picture_answers.code_at([-5, 10**6])).all()


def test_a_click_has_a_digit_and_a_drag_has_a_walk_too():
    digit, walk = picture_answers.digit_and_walk([0.2, 0.3], [0.2, 0.3])
    assert walk is None
    end, walk = picture_answers.digit_and_walk([0.9, 0.9], [0.2, 0.3])
    assert end == digit and walk.width > walk.height


def test_words_of_one_visitor_are_no_others():
    text = "我们在蓝莲花谷吃饭，今天天气不错。"
    plain = text_answers.segment(text, "fast")
    own = text_answers.segment(text, "fast", "蓝莲花谷")
    assert "<span>蓝莲花谷</span>" in own and "<span>蓝莲花谷</span>" not in plain
    assert text_of(plain) == text_of(own) == text
    assert text_answers.segment(text, "fast") == plain


@pytest.mark.parametrize("ask, message", [
    (lambda: text_answers.segment(""), "the text expects 1 to 20,000 characters. Received: 0"),
    (lambda: text_answers.segment("字" * 20_001), "Received: 20,001"),
    (lambda: text_answers.segment("字", "../x"), "the model expects one of default, fast"),
    (lambda: text_answers.segment("字", dictionary="词 " * 1_001), "at most 1,000 words. Received: 1,001"),
    (lambda: text_answers.segment("\ud83d"), "UTF-8"),
    (lambda: text_answers.couplet("hello"), "at least one Chinese character"),
    (lambda: text_answers.verse("sideways", ""), "the way expects one of random, poem, between, like, fill"),
    (lambda: text_answers.verse("like", "三个字"), "two lines of five Chinese characters"),
    (lambda: text_answers.read("", "一段"), "the question expects 1 to 200 characters"),
    (lambda: text_answers.read("什么", "一\n" * 21), "at most 20 passages, one a line. Received: 21"),
    (lambda: picture_answers.digits(None), "a drawing of two digits. Received: none"),
    (lambda: picture_answers.digits(Image.new("RGBA", (420, 280))), "the drawing should show digits"),
    (lambda: picture_answers.code_at(None), "a place of the plane expects two numbers. Received: None"),
    (lambda: picture_answers.code_at(["1", 2]), "expects two numbers. Received: ['1', 2]"),
    (lambda: picture_answers.code_at([1, 2, 3]), "a place of the plane expects two numbers"),
    (lambda: picture_answers.flow(3, 0), "the temperature expects 0 to 2. Received: 3"),
])
def test_what_cannot_be_answered_is_one_line(ask, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        ask()
    assert len(str(error.value).splitlines()) == 1


def test_a_model_that_cannot_be_loaded_is_tried_again():
    tries = []

    def load():
        tries.append(1)
        if len(tries) == 1:
            raise InputError("not there")
        return "model"

    model = shared.Shared(load)
    with pytest.raises(InputError), model:
        pass
    for _ in range(2):
        with model as loaded:
            assert loaded == "model"
    assert len(tries) == 2


# ----------------------------------------------------------------------------------------- process for tables

# It answers as table_process.py does, and dies, hangs or prints much where it is told to.
CHILD = """
import json, os, sys, time
for line in sys.stdin:
    question = json.loads(line)["question"]
    if question == "die":
        os._exit(3)
    if question == "hang":
        time.sleep(60)
    answer = {"error": "one line"} if question == "wrong" else {"pid": os.getpid(), "much": "字" * 200_000}
    print(json.dumps(answer, ensure_ascii=question != "much"), flush=True)
"""


@pytest.fixture
def asker():
    asker = asking.Asker((sys.executable, "-c", CHILD), seconds=1, first=20)
    yield asker
    asker.close()


@pytest.mark.parametrize("wrong, message", [("die", "died"), ("hang", "took more than 1 seconds")])
def test_a_process_that_dies_or_hangs_is_started_anew(asker, wrong, message):
    first = asker.ask("t.csv", "", "")["pid"]
    began = time.monotonic()
    with pytest.raises(InputError, match=message):
        asker.ask("t.csv", "", wrong)
    assert time.monotonic() - began < 10
    assert asker.ask("t.csv", "", "much")["pid"] != first and asker.starts == 2


def test_what_the_process_refuses_ends_nothing(asker):
    first = asker.ask("t.csv", "", "")["pid"]
    with pytest.raises(InputError, match="^one line$"):
        asker.ask("t.csv", "", "wrong")
    assert asker.ask("t.csv", "", "")["pid"] == first and asker.starts == 1


def test_one_that_was_killed_meanwhile_is_not_asked(asker):
    asker.ask("t.csv", "", "")
    asker.process.kill()
    asker.process.wait()
    assert asker.ask("t.csv", "", "")["much"] and asker.starts == 2


@pytest.mark.slow
def test_the_real_process_answers_and_names_no_path(tmp_path):
    asker = asking.Asker()
    try:
        sql, understood, rows, notes = asking.ask(None, "", "借出次数前三名的书", asker)
        assert "LIMIT 3" in sql and "借出次数" in understood and "画个圆圈" in rows
        (tmp_path / "bad.xlsx").write_bytes(b"PK\3\4nothing")
        with pytest.raises(InputError, match="bad.xlsx") as error:
            asking.ask(tmp_path / "bad.xlsx", "", "哪些书", asker)
        assert str(tmp_path) not in str(error.value) and asker.starts == 1
    finally:
        asker.close()


def test_both_requirements_have_the_same_limits():
    """make demo installs into the .venv of all others, and changes none of their packages."""
    def lines(name):
        text = (ROOT / name).read_text()
        return {line.split("#")[0].strip() for line in text.splitlines() if line.startswith("pillow")}

    assert lines("requirements.txt") == lines("requirements-demo.txt") != set()
    if importlib.util.find_spec("gradio"):
        limits = [line for line in importlib.metadata.requires("gradio") if line.startswith("pillow")]
        assert "<13" in limits[0], json.dumps(limits)
