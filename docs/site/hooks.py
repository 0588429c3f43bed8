"""What MkDocs does for the site beside its own: a page for each article with its formulas beside the code,
and a page for each file of layers with its docstrings.

mkdocs.yml and mkdocs.en.yml name this file. MkDocs calls on_files.
"""

import pathlib
import re
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from latex2mathml.converter import convert
from mkdocs.structure.files import File
from sources import PAGES, ROOT, article_of, lines_of

BLOG = "https://kexue.fm/archives"
LAYERS = sorted(path.stem for path in (ROOT / "common").glob("*.py") if path.stem != "__init__")
SECTIONS = {"zh": "“{}”一节", "en": "section {}"}            # of an article, in the words of each language
WHOLE = {"zh": "原文", "en": "the article"}
STYLE = ".md-grid { max-width: 80rem }\n"                     # the source has 110 columns


def on_files(files, config):
    """Adds the generated pages to those that stand in the folder."""
    language = config["theme"]["language"]
    for page in PAGES:
        text = article_page(article_of(page), page.stem, language)
        files.append(File.generated(config, f"articles/{page.stem}.md", content=text))
    for name in LAYERS:
        text = f"# common/{name}.py\n\n::: common.{name}\n"
        files.append(File.generated(config, f"api/{name}.md", content=text))
    files.append(File.generated(config, "style.css", content=STYLE))
    return files


def article_page(article, folder, language):
    """The Markdown of one article's page."""
    titles = article["articles"]
    lines = [f"# {folder}", ""]
    lines += [f"- [{title}]({BLOG}/{number})" for number, title in titles.items()]
    for formula in article["formula"]:
        lines += ["", *formula_lines(formula, titles[str(formula["article"])], language)]
    return "\n".join(lines) + "\n"


def formula_lines(formula, title, language):
    """The Markdown of one formula: where it stands, the formula, a sentence, the code."""
    file, name = formula["code"].split(":")
    code, start = lines_of(file, name, formula.get("first", ""), formula.get("last", ""))
    return [
        f"## {heading(formula, title, name)}",
        "",
        place(formula, language),
        "",
        f"<div>{convert(formula['tex'], display='block')}</div>",
        "",
        formula[language],
        "",
        f'```python title="{file}: {name}" linenums="{start}"',
        *code,
        "```",
    ]


def heading(formula, title, name):
    """（一）(4) GaussianSampling.call: which article, which equation, which code."""
    part = re.search("（.）", title)
    article = part.group() if part else str(formula["article"])
    return f"{article} {formula['number']} {name}".replace("  ", " ")


def place(formula, language):
    """A link to the article's section, or to the article where no section is named."""
    address = f"{BLOG}/{formula['article']}"
    if not formula["section"]:
        return f"[{WHOLE[language]}]({address})"
    anchor = urllib.parse.quote(formula["section"])
    return f"[{SECTIONS[language].format(formula['section'])}]({address}#{anchor})"
