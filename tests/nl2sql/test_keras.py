"""nl2sql/ needs tf_keras in Keras' place: tests with a network run in a process of their own, and it stays
apart."""

import ast
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDS_KERAS = {"keras", "tensorflow", "nl2sql.bert", "nl2sql.model", "nl2sql.parser", "nl2sql.training"}
FREE = ("augment cells characters corpus csv_files databases dates decode dialect.answer encoder "
        "labels lines loose_numbers matcher notes numerals predict report scores sql table_files "
        "tables understood wide sheet_layout workbook_parts workbooks").split()


def imports(path):
    """Modules that a file imports at its top, in their order."""
    names = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
    return names


def python(code, **settings):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300,
                          env={**os.environ, **settings})


def test_network_training_and_answers_under_tf_keras(pytestconfig):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rs",
               "-m", pytestconfig.getoption("markexpr")]
    result = subprocess.run([*command, str(ROOT / "tests/nl2sql/under_tf_keras.py")], capture_output=True,
                            text=True, timeout=900)
    assert result.returncode == 0 and "passed" in result.stdout, result.stdout[-6000:] + result.stderr[-2000:]


def test_legacy_keras_comes_before_everything_that_imports_keras():
    for path in (ROOT / "nl2sql").glob("*.py"):
        names = imports(path)
        if needs := [i for i, name in enumerate(names) if name in NEEDS_KERAS]:
            assert "nl2sql.legacy_keras" in names[:needs[0]], path.name
        assert not [name for name in names if name.startswith("bert4keras")] or path.stem == "legacy_keras"


def test_no_other_folder_imports_bert4keras():
    for path in ROOT.glob("*/*.py"):
        if path.parent.name not in ("nl2sql", "benchmarks"):
            assert not [name for name in imports(path) if "bert4keras" in name or "tf_keras" in name], path


def test_what_needs_no_network_imports_none():
    """Readers of TableQA, values, SQL and scores work beside any Keras, or none."""
    code = f"import sys, {', '.join(f'nl2sql.{name}' for name in FREE)}\n" \
           "assert not {'keras', 'tensorflow', 'tf_keras'} & set(sys.modules)"
    assert python(code).returncode == 0


def test_a_missing_package_is_named_with_its_command():
    for name, command in [("bert4keras", "pip install --no-deps bert4keras==0.11.5"),
                          ("tf_keras", "pip install -r requirements.txt")]:
        result = python(f"import sys; sys.modules['{name}'] = None; import nl2sql.legacy_keras")
        assert result.returncode == 2
        assert result.stderr.strip() == f"error: nl2sql needs the package {name}: {command}"


def test_beside_keras_3_it_says_so():
    code = "import sys, types; k = sys.modules['keras'] = types.ModuleType('keras')\n" \
           "k.__version__ = '3.15.0'; import nl2sql.legacy_keras"
    result = python(code)
    assert result.returncode == 1 and "in a process of its own: Keras 3 is already imported" in result.stderr


def test_as_one_of_several_processes_it_says_so():
    result = python("import nl2sql.legacy_keras", KEXUE_COORDINATOR="127.0.0.1:2345")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: bert4keras runs in one process: ")
