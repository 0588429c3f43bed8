"""The page in a real browser, headless Chromium: every tab answers, errors are one line, nothing is asked of
the network, visitors do not see each other's tables. `make test-demo` installs what this needs.

KEXUE_PICTURES=FOLDER keeps a picture of every tab there.
"""

import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.articles import ROOT

pytestmark = pytest.mark.demo
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LONG = 60_000          # milliseconds until an answer: the first ones wait for their models


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page's address while it is served; its temporary folder is gone when it has ended."""
    pytest.importorskip("gradio", reason="make test-demo installs it")
    if "KEXUE_PAGE" in os.environ:                    # one that runs already, to write these tests
        yield os.environ["KEXUE_PAGE"]
        return
    folder = tmp_path_factory.mktemp("temporary")
    command = [sys.executable, str(ROOT / "demo/page.py"), "--port", "0", "--quiet"]
    environment = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
                          env=environment) as process:
        line = process.stdout.readline()
        assert line.startswith("page: "), process.stderr.read()
        yield line.split()[1]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    # gradio reports the paths that were not uploaded, and nothing else went wrong
    assert errors.count("Traceback") == errors.count("InvalidPathError:")
    assert not list(folder.glob("kexue-demo-*"))


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="make test-demo installs it")
    if CHROMIUM is None:
        pytest.skip("the page is tested in Chromium, which is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visitor:
    """A browser's window on the page, which remembers whom it asked."""

    def __init__(self, browser, address, locale="en-GB"):
        self.context = browser.new_context(locale=locale, viewport={"width": 1100, "height": 900})
        self.page, self.hosts = self.context.new_page(), collections.Counter()
        self.page.on("request", self._note)
        self.page.goto(address)
        self.page.wait_for_selector("button[role=tab]", timeout=LONG)

    def _note(self, request):
        if re.match(r"(https?|wss?)://", request.url):
            self.hosts[request.url.split("/")[2]] += 1

    def open(self, name):
        """Goes to the tab of this name; what it shows."""
        self.page.get_by_role("tab", name=name, exact=True).click()
        self.panel = self.page.locator("[role=tabpanel]:visible")
        self.panel.wait_for()
        return self.panel

    def go(self):
        self.panel.get_by_role("button", name=re.compile("^(Go|运行)$")).click()

    def see(self, *texts):
        """Waits until each of the texts is on the tab."""
        for text in texts:
            self.panel.get_by_text(text).first.wait_for(timeout=LONG)

    def wait(self, condition):
        """Waits until the condition holds."""
        end = time.monotonic() + LONG / 1000
        while not condition():
            assert time.monotonic() < end, "the page has not changed"
            self.page.wait_for_timeout(100)

    def keep(self, name):
        if folder := os.environ.get("KEXUE_PICTURES"):
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=pathlib.Path(folder) / f"{name}.png", full_page=True)

    def error(self):
        """The text of the error on the page, which is then closed."""
        toast = self.page.locator("[data-testid=toast-text]").last
        toast.wait_for(timeout=LONG)
        text = toast.inner_text().strip()
        self.page.locator("[data-testid=toast-close]").first.click()
        toast.wait_for(state="detached")
        return text


@pytest.fixture(scope="module")
def visitor(browser, address):
    visitor = Visitor(browser, address)
    yield visitor
    assert set(visitor.hosts) == {address.split("/")[2]}         # after all that the tests below did
    visitor.context.close()


@pytest.mark.parametrize("locale, first", [("zh-CN", "分词"), ("zh-TW", "分词"), ("en-US", "Words"),
                                           ("de-DE", "Words")])
def test_the_page_speaks_the_browsers_language(browser, address, locale, first):
    visitor = Visitor(browser, address, locale)
    tabs = visitor.page.get_by_role("tab").all_inner_texts()
    assert tabs[0] == first and len(tabs) == 10
    visitor.context.close()


def test_words_are_chips(visitor):
    visitor.open("Words")
    text = "我们在蓝莲花谷吃饭，今天天气不错。"
    visitor.panel.get_by_role("textbox", name="text", exact=True).fill(text)
    visitor.go()
    visitor.see("今天")
    assert "".join(visitor.panel.locator(".chips span").all_inner_texts()) == text
    visitor.panel.get_by_label("your own words").fill("蓝莲花谷")
    visitor.go()
    visitor.panel.locator(".chips").get_by_text("蓝莲花谷", exact=True).wait_for(timeout=LONG)
    visitor.keep("words")


def test_couplets_have_five_answers_under_rules(visitor):
    visitor.open("Couplets")
    visitor.go()
    cells = visitor.panel.locator("td.big")
    cells.nth(4).wait_for(timeout=LONG)
    answers = cells.all_inner_texts()
    assert len(set(answers)) == 5 and not set("".join(answers)) & set("晚风摇树还挺")
    assert all(answer[3] == answer[4] for answer in answers)              # 树树
    visitor.keep("couplets")


@pytest.mark.parametrize("way, form", [("random codes", r"\w{5}，\w{5}。"),
                                       ("poems of four lines", r"(\w{5}，\w{5}。){2}"),
                                       ("between two couplets", r"\w{5}，\w{5}。"),
                                       ("like a couplet", r"\w{5}，\w{5}。"),
                                       ("fill in □", r"春\w{4}，\w{3}花\w。")])
def test_verse_in_five_ways(visitor, way, form):
    visitor.open("Verse")
    shown = visitor.panel.locator("table")
    before = shown.inner_text() if shown.count() else ""
    visitor.panel.get_by_role("radio", name=way).check()
    if way.startswith("fill"):
        visitor.panel.get_by_role("textbox", name="couplet, or its first line").fill("春□□□□□□□花□")
    visitor.go()
    visitor.wait(lambda: shown.count() and shown.inner_text() != before)
    answers = visitor.panel.locator("td.big").all_inner_texts()
    assert answers and all(re.fullmatch(form, text) for text in answers)
    if way.startswith("fill"):
        visitor.keep("verse")


def test_the_last_click_counts_while_an_answer_is_awaited(visitor):
    """Gradio by itself would ignore the second click, and the tab would show what was asked before."""
    visitor.open("Verse")
    for seed in range(1, 4):
        visitor.panel.get_by_role("radio", name="random codes").check()
        visitor.panel.get_by_label("seed").fill(str(seed))
        visitor.go()
    visitor.panel.get_by_role("radio", name="fill in □").check()
    visitor.panel.get_by_role("textbox", name="couplet, or its first line").fill("月□□□□□□□山□")
    visitor.go()
    visitor.panel.get_by_text(re.compile("^月.{4}，.{3}山.。$")).first.wait_for(timeout=LONG)


def test_reading_draws_start_and_end_along_the_text(visitor):
    visitor.open("Reading")
    visitor.go()
    visitor.panel.locator(".curves .answer").first.wait_for(timeout=LONG)
    assert "".join(visitor.panel.locator(".curves .answer").all_inner_texts()) == "382米"
    styles = [span.get_attribute("style") for span in visitor.panel.locator(".curves span").all()]
    assert all(re.fullmatch(r"--s:[01]\.\d{3};--e:[01]\.\d{3}", style) for style in styles)
    visitor.keep("reading")


def test_a_table_is_asked(visitor, tmp_path):
    visitor.open("Ask a table")
    visitor.go()
    visitor.see("SELECT", "画个圆圈")
    visitor.keep("table")
    (tmp_path / "fruit.csv").write_text("水果,价格\n苹果,3\n香蕉,5\n")
    visitor.panel.locator("input[type=file]").set_input_files(tmp_path / "fruit.csv")
    visitor.see("fruit")
    visitor.panel.get_by_label("question").fill("最贵的水果")
    visitor.go()
    visitor.see('FROM "fruit"', "香蕉")


def test_another_visitor_does_not_see_that_table(browser, address, visitor):
    other = Visitor(browser, address)
    other.open("Ask a table")
    assert "fruit" not in other.page.content()
    other.go()
    other.see('FROM "books"')
    other.context.close()


def test_the_plane_is_clicked_for_a_digit_and_dragged_for_a_walk(visitor):
    visitor.open("VAE: the plane")
    plane = visitor.panel.locator("#plane img")
    plane.wait_for(timeout=LONG)
    answers = visitor.panel.locator("img:not(#plane img)")
    plane.click(position={"x": 60, "y": 60})
    answers.first.wait_for(timeout=LONG)
    assert answers.count() == 1
    digit, line = answers.first.get_attribute("src"), visitor.panel.locator("#plane line")
    box, mouse = plane.bounding_box(), visitor.page.mouse
    mouse.move(box["x"] + 60, box["y"] + 60)
    mouse.down()
    mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
    mouse.up()
    answers.nth(1).wait_for(timeout=LONG)
    assert answers.first.get_attribute("src") != digit
    drawn = line.bounding_box()
    assert drawn["x"] == pytest.approx(box["x"] + 60, abs=3)
    assert drawn["x"] + drawn["width"] == pytest.approx(box["x"] + 0.7 * box["width"], abs=3)
    visitor.keep("vae")


@pytest.mark.parametrize("tab, count", [("Flow: NICE", 2), ("GAN", 1)])
def test_pictures_are_drawn(visitor, tab, count):
    visitor.open(tab)
    visitor.go()
    visitor.panel.locator("img").nth(count - 1).wait_for(timeout=LONG)
    visitor.keep(tab.split()[-1].lower())


STROKES = [[(110, 60), (110, 220)],                                             # 1
           [(230, 60), (330, 60), (280, 220)]]                                   # 7


def test_two_digits_are_drawn_and_their_votes_shown(visitor):
    visitor.open("Capsules")
    canvas = visitor.panel.locator("#drawing canvas").last
    canvas.wait_for(timeout=LONG)
    visitor.panel.get_by_role("button", name=re.compile("draw|brush", re.IGNORECASE)).first.click()
    visitor.page.wait_for_timeout(1500)
    box, mouse = canvas.bounding_box(), visitor.page.mouse
    x, y = box["x"] + (box["width"] - 420) / 2, box["y"] + (box["height"] - 280) / 2
    for stroke in STROKES:
        mouse.move(x + stroke[0][0], y + stroke[0][1])
        mouse.down()
        for place in stroke[1:]:
            mouse.move(x + place[0], y + place[1], steps=12)
        mouse.up()
    visitor.page.wait_for_timeout(500)
    visitor.go()
    visitor.see(re.compile(r"^7 \(0\.\d\d\)$"), re.compile(r"^1 \(0\.\d\d\)$"))
    visitor.keep("capsules")


def test_further_articles_have_cards(visitor):
    visitor.open("More articles")
    visitor.panel.locator(".card").first.wait_for(timeout=LONG)
    rows = [line for line in (ROOT / "more/README.md").read_text().splitlines() if line.startswith("| ![")]
    cards = visitor.panel.locator(".card")
    assert cards.count() == len(rows)
    loaded = [image.evaluate("image => image.naturalWidth") for image in visitor.panel.locator("img").all()]
    assert min(loaded) > 100
    visitor.keep("more")


def test_errors_are_one_line(visitor):
    visitor.open("Couplets")
    visitor.panel.get_by_role("textbox", name="first line").fill("<b>hello</b>")
    visitor.go()
    text = visitor.error()
    assert "expects at least one Chinese character. Received: '<b>hello</b>'" in text
    assert len(text.splitlines()) == 1
    visitor.keep("error")


def test_uploads_have_limits(visitor, tmp_path):
    visitor.open("Ask a table")
    chosen = visitor.panel.locator("input[type=file]")
    if not chosen.count():                               # the upload of the test above is still there
        visitor.panel.get_by_label(re.compile("^(Clear|Remove)")).first.click()
    (tmp_path / "damaged.xlsx").write_bytes(b"PK\3\4" + b"no workbook" * 9)
    chosen.set_input_files(tmp_path / "damaged.xlsx")
    visitor.see("damaged")
    visitor.go()
    text = visitor.error()
    assert "damaged.xlsx" in text and "/" not in text.split("damaged.xlsx")[0]     # no path of this machine


def test_what_was_not_uploaded_is_not_read(address):
    """Whoever speaks to the page without a browser cannot name a file of the machine."""
    httpx = pytest.importorskip("httpx")

    def asked(name, *data):
        call = f"{address.rstrip('/')}/en/gradio_api/call/{name}"
        event = httpx.post(call, json={"data": data}).json()["event_id"]
        return httpx.get(f"{call}/{event}", timeout=60).text

    def named(path):
        return {"path": str(ROOT / path), "meta": {"_type": "gradio.FileData"}}

    picture = named("capsule/weights/stacked.png")
    drawing = {"background": None, "layers": [], "composite": picture}
    question = "借出次数前三名的书"
    assert "SELECT" in asked("table", None, "", question)
    answers = [asked("table", named("demo/samples/books.csv"), "", question), asked("capsule", drawing)]
    for answer in answers:
        assert "event: error" in answer and "event: complete" not in answer
