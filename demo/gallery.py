"""The gallery of more/, from the table of its README: a card for each article. No Keras in here."""

import base64
import html
import re

from common.harness.reading import read_bytes, read_text
from common.harness.writing import ROOT

LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
CODE = re.compile("`([^`]+)`")
PICTURE = re.compile(r"!\[[^\]]*\]\((pictures/[\w.-]+\.png)\)")


def cards(language):
    """The cards as HTML, with the pictures inside, in Chinese (zh) or English."""
    name = "README.zh.md" if language == "zh" else "README.md"
    lines = read_text(ROOT / "more" / name).splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ![")]
    return f'<div class="cards">{"".join(map(card, rows))}</div>'


def card(row):
    """A row of the table: its picture, its articles, its sentence, and the file to run."""
    picture, file, articles, sentence = row[:4]
    path = ROOT / "more" / PICTURE.fullmatch(picture.strip())[1]
    name, image = LINK.search(file)[1], ""
    if path.is_file():
        content = base64.b64encode(read_bytes(path, "a picture")).decode("ascii")
        image = f'<img alt="{html.escape(name)}" src="data:image/png;base64,{content}">'
    target = html.escape(name.removesuffix(".py"))
    return (f'<div class="card">{image}<p><b>{linked(articles)}</b></p><p>{linked(sentence)}</p>'
            f"<code>make more/{target}</code></div>")


def linked(text):
    """Markdown's links and code as HTML, all else escaped."""
    def link(match):
        return f'<a href="{match[2]}" target="_blank" rel="noopener">{match[1]}</a>'

    text = CODE.sub(r"<code>\1</code>", html.escape(text).replace("\\|", "|"))
    return LINK.sub(link, text)
