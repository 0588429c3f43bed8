"""One idea a line: what ruff's C901 does not count in a statement.

A statement holds at most two of {comprehension, conditional expression, walrus}, none nested in another of
its kind; no walrus in the arguments of a call, no lists or strings multiplied by a condition, no `and` or
`or` as a statement.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = {"benchmarks", "common", "demo", "more", "tests",
           *(path.parent.name for path in ROOT.glob("*/train.py"))}
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
KINDS = {"comprehension": COMPREHENSIONS, "conditional expression": ast.IfExp, "walrus": ast.NamedExpr}


def expressions(statement):
    """The expressions of a statement, without those of the statements inside it."""
    found, waiting = [], list(ast.iter_child_nodes(statement))
    while waiting:
        node = waiting.pop()
        if not isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
            found.append(node)
            waiting += ast.iter_child_nodes(node)
    return found


def is_flag(node):
    """Whether an operand of a product can only be meant as 0 or 1."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    return isinstance(node, (ast.Compare, ast.BoolOp))


def is_repeated(node):
    """Whether an operand of a product is a list, a tuple or a string."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, (ast.List, ast.Tuple))


def kind_of(kind):
    return lambda node: isinstance(node, kind)


def faults(statement):
    """What is wrong with one statement, as a list of texts."""
    nodes = expressions(statement)
    counts = {name: len(list(filter(kind_of(kind), nodes))) for name, kind in KINDS.items()}
    found = [f"{sum(counts.values())} ideas, {counts}"] if sum(counts.values()) > 2 else []
    for name, kind in KINDS.items():
        for node in nodes:
            if isinstance(node, kind) and any(isinstance(inner, kind) for inner in expressions(node)):
                found.append(f"a {name} in a {name}")
    for node in nodes:
        if isinstance(node, ast.Call):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(argument, ast.NamedExpr) for argument in arguments):
                found.append("a walrus in the arguments of a call")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = (node.left, node.right)
            if any(map(is_flag, sides)) and any(map(is_repeated, sides)):
                found.append("a list or a string times a condition")
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.BoolOp):
        found.append("and, or as a statement")
    return found


def statements(source):
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)
            and not isinstance(node, (ast.FunctionDef, ast.ClassDef))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_one_idea_a_line(path):
    found = [(node.lineno, fault) for node in statements(path.read_text()) for fault in faults(node)]
    assert not found


@pytest.mark.parametrize("source, fault", [
    ("x = [[b for b in a] for a in c]", "a comprehension in a comprehension"),
    ("x = 1 if a else 2 if b else 3", "a conditional expression in a conditional expression"),
    ("f(y := 2)", "a walrus in the arguments of a call"),
    ("x = [1] * (a > 1)", "a list or a string times a condition"),
    ("a or b()", "and, or as a statement"),
    ("x = [a if b else c for a in d if (e := a)]", "3 ideas"),
])
def test_what_is_too_dense(source, fault):
    [statement] = statements(source)
    assert any(found.startswith(fault) for found in faults(statement))
    for fine in ("x = [a for a in b] + [c for c in d]", "if x := f(): pass", "y = [0] * n", "x = a or b"):
        assert not [found for node in statements(fine) for found in faults(node)]
