"""What stands at the head of each layer file, for those who copied it: its version, and where to read what
has changed since."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted(path for path in (ROOT / "common").glob("*.py") if path.stem != "__init__")
HEAD = re.compile(r"# kexue-keras (common/\w+\.py), version (\d+\.\d+) \((\d{4}-\d\d-\d\d)\), Apache-2\.0; "
                  r"changes: CHANGELOG\.md")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_head_names_a_version_that_the_changelog_has(path):
    source = path.read_text()
    docstring = ast.parse(source).body[0]
    head = source.splitlines()[docstring.end_lineno]
    match = HEAD.fullmatch(head)
    assert match, f"below the docstring stands: {head}"
    name, version, date = match.groups()
    assert name == f"common/{path.name}"
    changelog = (ROOT / "CHANGELOG.md").read_text()
    chapters = {chapter.splitlines()[0]: chapter for chapter in changelog.split("\n## ")}
    versions = re.findall(r"^### (.*)$", chapters[name], re.MULTILINE)
    assert versions[0] == f"{version} ({date})", "the newest version stands first"
