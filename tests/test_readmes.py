"""READMEs and docs say what is there: links lead somewhere, commands name scripts and options, tables name
what the file has."""

import ast
import itertools
import re

import pytest

from common.harness.reading import sha256_of
from tests.articles import ARTICLES, ROOT

PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README*.md"),
                                 *ROOT.glob("*/weights/README.md"), *ROOT.glob("more/*/README*.md")]
               if not path.relative_to(ROOT).parts[0].startswith((".", "runs")))
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
COMMAND = re.compile(r"python3? (?:-m )?([\w./]+)((?: [^`\n#]*)?)")


def ids(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    links = [link for link, _ in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]


def fields_of(source):
    """The fields of the classes in a file that are called Config, or end so."""
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    fields = [field for node in classes if node.name.endswith("Config") for field in node.body]
    return {field.target.id for field in fields if isinstance(field, ast.AnnAssign)}


def keywords_of(source, function):
    """The keywords of the calls of a function."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    calls = [call for call in calls if ast.unparse(call.func) == function]
    return {keyword.arg for call in calls for keyword in call.keywords}


def options_of(script):
    """The options of a script, from its Config and those that it is derived from, or of a parser's
    add_argument."""
    source = script.read_text(encoding="utf-8")
    names = fields_of(source)
    if "further.Config" in source or "further.main" in source:
        names |= fields_of((ROOT / "common/harness/further.py").read_text(encoding="utf-8"))
        names |= keywords_of(source, "further.main")
    if "BaseConfig" in source:
        names |= fields_of((ROOT / "common/harness/cli.py").read_text(encoding="utf-8"))
    options = {f"--{name.replace('_', '-')}" for name in names}
    return options | set(re.findall(r'add_argument\("(--[\w-]+)"', source))


def script_of(name):
    path = ROOT / name
    return path if path.suffix == ".py" else ROOT / f"{name.replace('.', '/')}.py"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_name_scripts_and_their_options(page):
    wrong = []
    for name, rest in COMMAND.findall(page.read_text(encoding="utf-8")):
        script = script_of(name)
        if not re.fullmatch(r"[a-z_0-9]+(/[a-z_0-9]+)*\.py|benchmarks[.\w]+|common[.\w]+", name):
            continue
        if not script.is_file():
            wrong.append(name)
        elif "launch" not in name:
            wrong += [f"{name} {option}" for option in re.findall(r"(?<= )--[a-z-]+", rest)
                      if option not in options_of(script) | {"--help"}]
    assert not wrong


def names_in(path):
    """The names that a Python file defines, with those of its classes' methods."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))} | {
        target.id for node in tree.body if isinstance(node, ast.Assign) for target in ast.walk(node)
        if isinstance(target, ast.Name)}


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name in {*ARTICLES, "more"}], ids=ids)
def test_tables_name_what_the_file_has(page):
    """In a row that links to a Python file, what stands in backticks and looks like a name is in that
    file."""
    wrong = []
    for row in page.read_text(encoding="utf-8").splitlines():
        files = [page.parent / link for link, _ in LINK.findall(row) if link.endswith(".py")]
        if not row.startswith("|") or not files:
            continue
        known = set().union(*map(names_in, files))
        for name in re.findall(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)`", row):
            if "." in name and name.split(".")[0] not in known:
                continue                                 # an attribute of something else, such as config.seed
            if not set(name.split(".")) & known:
                wrong.append((name, [ids(file.resolve()) for file in files]))
    assert not wrong


TWINS = [page for page in PAGES if page.name == "README.md" and page.with_name("README.zh.md") in PAGES]
# A comma groups digits. The sign stays out, since a minus and a hyphen look alike in print.
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")


def outside_of_blocks(page):
    """The lines of a page that stand in no block of code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return text.splitlines()


def tables_of(page):
    """The tables of a page: lists of rows, each a list of cells."""
    tables = [[]]
    for line in outside_of_blocks(page):
        if line.startswith("|"):
            tables[-1].append(re.split(r"(?<!\\)\|", line)[1:-1])
        elif tables[-1]:
            tables.append([])
    return [rows for rows in tables if rows]


def numbers_in(cell):
    """The numbers of a cell, sorted, since languages order them differently; addresses do not count."""
    text = re.sub(r"\]\([^)]*\)", "]", cell).replace("README.zh.md", "README.md")
    return sorted(number.replace(",", "") for number in NUMBER.findall(text))


@pytest.mark.parametrize("page", TWINS, ids=ids)
def test_the_chinese_page_has_the_tables_of_the_english_one(page):
    english, chinese = tables_of(page), tables_of(page.with_name("README.zh.md"))
    assert list(map(len, english)) == list(map(len, chinese))
    for row, twin in zip(itertools.chain(*english), itertools.chain(*chinese)):
        assert len(row) == len(twin), row[0]
        assert not [cells for cells in zip(row, twin) if numbers_in(cells[0]) != numbers_in(cells[1])]


@pytest.mark.parametrize("page", TWINS, ids=ids)
def test_both_pages_have_the_same_sections_commands_and_links(page):
    twin = page.with_name("README.zh.md")
    assert "](README.zh.md)" in page.read_text(encoding="utf-8")
    assert "](README.md)" in twin.read_text(encoding="utf-8")
    levels = [re.findall(r"^#+ ", "\n".join(outside_of_blocks(name)), re.M) for name in (page, twin)]
    assert levels[0] == levels[1]
    blocks = [re.findall(r"^```python\n.*?^```$", name.read_text(encoding="utf-8"), re.M | re.S)
              for name in (page, twin)]
    assert blocks[0] == blocks[1]


BLOCK = re.compile(r"^```python\n(import .*?)^```$", re.M | re.S)


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name in ARTICLES
                                  and BLOCK.search(page.read_text(encoding="utf-8"))], ids=ids)
def test_examples_that_begin_with_their_imports_run(page):
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        exec(compile(block, ids(page), "exec"), {"__name__": "example"})


@pytest.mark.parametrize("folder", sorted(ROOT.glob("*/weights")), ids=lambda folder: folder.parent.name)
def test_model_cards_name_every_file_with_its_checksum(folder):
    card = (folder / "README.md").read_text()
    rows = re.findall(r"^\| \[(.+?)\]\(\1\) \| .+ \| `([0-9a-f]{64})` \|$", card, re.M)
    assert rows and {name: sha256_of(folder / name) for name, _ in rows} == dict(rows)
    models = [path for path in folder.rglob("*") if path.suffix in (".keras", ".npz")]
    models = {path.relative_to(folder).as_posix() for path in models}
    assert models <= dict(rows).keys()
    for heading in ("**Data and licence.**", "**Use.**", "**Known failures.**"):
        assert heading in card
