"""The site of make docs: what its pages show of the source is there, both languages are complete, MkDocs
builds it without a warning, and a browser draws it without a network."""

import html
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SITE = ROOT / "docs/site"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def module_of(path):
    """A Python file of the site, which is no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sources = module_of(SITE / "sources.py")
FORMULAS = [(page.stem, formula) for page in sources.PAGES for formula in sources.article_of(page)["formula"]]


def shown(formula):
    file, name = formula["code"].split(":")
    return sources.lines_of(file, name, formula.get("first", ""), formula.get("last", ""))


def test_each_article_has_a_page():
    assert {page.stem for page in sources.PAGES} == {path.parent.name for path in ROOT.glob("*/train.py")}


@pytest.mark.parametrize("article, formula", FORMULAS, ids=lambda it: it if isinstance(it, str) else "")
def test_a_formula_shows_lines_of_the_source_and_a_sentence_in_each_language(article, formula):
    lines, start = shown(formula)
    source = (ROOT / formula["code"].split(":")[0]).read_text(encoding="utf-8").splitlines()
    assert source[start - 1].strip() == lines[0].strip()
    assert 1 <= len(lines) <= 30 and set(lines) != {""}
    assert {"article", "section", "number", "tex", "code", "en", "zh"} <= formula.keys()
    assert re.search("[一-鿿]", formula["zh"]) and not re.search("[一-鿿]", formula["en"])
    assert str(formula["article"]) in sources.article_of(SITE / f"articles/{article}.toml")["articles"]


def test_a_name_or_words_that_are_gone_stop_the_build():
    with pytest.raises(sources.StaleError, match="Received: no call_it"):
        sources.lines_of("common/latent.py", "GaussianSampling.call_it")
    with pytest.raises(sources.StaleError, match="no such line"):
        sources.lines_of("common/latent.py", "GaussianSampling.call", "kl = 0.75")
    with pytest.raises(sources.StaleError, match="no such line"):    # the last one comes after the first
        sources.lines_of("common/latent.py", "GaussianSampling.call", "z = mean + ops.exp", "offset = ")


def test_a_definition_is_shown_without_its_docstring():
    lines, start = sources.lines_of("vae/train.py", "bernoulli_loss")
    assert lines[0].startswith("def bernoulli_loss") and not any("nats" in line for line in lines)
    assert lines[1].startswith("    losses = ")


def test_both_languages_have_the_same_navigation():
    pages = [re.findall(r"\w+/\w+\.md|index\.md", (SITE / name).read_text(encoding="utf-8"))
             for name in ("mkdocs.yml", "mkdocs.en.yml")]
    assert pages[0] == pages[1]
    layers = {f"api/{path.stem}.md" for path in (ROOT / "common").glob("[!_]*.py")}
    articles = {f"articles/{page.stem}.md" for page in sources.PAGES}
    assert set(pages[0]) == layers | articles | {"index.md"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a site that MkDocs has just built from this tree, English in en/."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("latex2mathml") is None:
        pytest.skip("the site needs MkDocs: make test-docs installs it")
    folder = tmp_path_factory.mktemp("site")
    for name, place in (("mkdocs.yml", folder), ("mkdocs.en.yml", folder / "en")):
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", SITE / name,
                   "-d", place]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300,
                              env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.docs
def test_every_page_has_its_formulas_as_mathml_and_its_code(built):
    for article, formula in FORMULAS:
        lines, _ = shown(formula)
        for language in ("", "en/"):
            page = (built / f"{language}articles/{article}.html").read_text(encoding="utf-8")
            text = html.unescape(re.sub(r"<[^>]+>", "", page))
            assert all(line.strip() in text for line in lines), (article, formula["code"])
            assert formula["en" if language else "zh"] in text
    for page in built.glob("**/articles/*.html"):
        formulas = sum(article == page.stem for article, _ in FORMULAS)
        text = page.read_text(encoding="utf-8")
        drawn = re.findall("<math .*?</math>", text, re.S)
        assert len(drawn) == formulas and not [one for one in drawn if "\\" in one]     # TeX it does not know


@pytest.mark.docs
def test_no_page_loads_anything_from_a_network(built):
    for page in built.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loads = re.findall(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"?(https?:[^\" >]+)", text)
        assert not loads, (page.name, loads)
    for sheet in built.rglob("*.css"):
        assert not re.findall(r"url\(\"?https?:", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.docs
@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
@pytest.mark.parametrize("page, title, word", [
    ("index.html", "公式与代码并排", "细水长flow"),
    ("articles/capsule.html", "capsule", "def squash"),
    ("en/api/latent.html", "common/latent.py", "GaussianSampling"),
])
def test_a_browser_draws_the_page(built, tmp_path, page, title, word):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
               "--dump-dom", (built / page).as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    text = html.unescape(re.sub(r"<[^>]+>", "", done.stdout))
    assert title in text and word in text
    assert 'data-md-component="header"' in done.stdout
