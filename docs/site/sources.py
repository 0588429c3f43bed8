"""What the side by side pages show of the source: a function without its docstring, or some of its lines.

The pages name functions and words in their first and last line, not numbers of lines. So the pages follow the
source, and a name that is gone stops the build.
"""

import ast
import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs/site/articles").glob("*.toml"))


class StaleError(Exception):
    """A page names something that the source has no more."""


def article_of(page):
    """The content of a page's file, as a dict; see articles/vae.toml."""
    return tomllib.loads(page.read_text(encoding="utf-8"))


def definition(tree, name):
    """The node of a function, class, method or constant, named as in Flow.forward."""
    for part in name.split("."):
        found = [node for node in tree.body if part in names_of(node)]
        if not found:
            raise StaleError(f"expected {name} in the file. Received: no {part}")
        tree = found[-1]
    return tree


def names_of(node):
    """What a statement defines."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def lines_of(file, name, first="", last=""):
    """(lines, number of the first one) of what a file defines, indented as if it stood alone.

    Args:
        file: from the repository's root.
        name: as in Flow.forward.
        first, last: words in the first and in the last line to show; without them the whole definition
            except its docstring, which the API pages hold.

    Raises:
        StaleError: the file has no such name or no such words.
    """
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    node = definition(ast.parse("\n".join(lines)), name)
    numbers = [number for number in range(node.lineno, node.end_lineno + 1)
               if number not in docstring_lines(node)]
    start = index_of(first, numbers, lines, 0)
    end = index_of(last, numbers, lines, start) if last else len(numbers) - 1
    chosen = [lines[number - 1] for number in numbers[start:end + 1]]
    indent = min(len(line) - len(line.lstrip()) for line in chosen if line.strip())
    return [line[indent:].rstrip() for line in chosen], numbers[start]


def docstring_lines(node):
    """The numbers of the lines that a definition's docstring takes."""
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or ast.get_docstring(node) is None:
        return range(0)
    return range(node.body[0].lineno, node.body[0].end_lineno + 1)


def index_of(words, numbers, lines, start):
    """Where among some numbers of lines the first line with these words is, from `start` on."""
    for index in range(start, len(numbers)):
        if words in lines[numbers[index] - 1]:
            return index
    raise StaleError(f"expected {words!r} in lines {numbers[0]} to {numbers[-1]}. Received: no such line")
