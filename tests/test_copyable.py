"""Each layers file, and each file of more/ but for its demo, copied alone into an empty folder, imports
nothing of this repository and runs its own examples."""

import ast
import json
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = [*(ROOT / "common").glob("*.py"), *(ROOT / "more").glob("*.py"),
         *(ROOT / "more" / "keras_tricks").glob("*.py")]
LAYERS = sorted(path for path in FILES if path.stem != "__init__")


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
def test_imports_keras_and_numpy_only(path):
    """A file of more/ may use the standard library too, and what it likes within the functions of its
    demo."""
    allowed, nodes = {"keras", "numpy", "math", "tensorflow", "jax", "torch"}, ast.parse(path.read_text())
    if path.parent.name != "common":
        allowed |= sys.stdlib_module_names
        nodes.body = [node for node in nodes.body if not isinstance(node, ast.FunctionDef)]
    for node in ast.walk(nodes):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        assert {name.split(".")[0] for name in names} <= allowed, f"{path.name}:{node.lineno}"


# One process imports Keras, which takes seconds, and forks a child for each file, before anything was
# computed.
RUNNER = """
import json, os, sys, traceback
import keras
failed = []
for folder, code in json.load(sys.stdin).items():
    if not (child := os.fork()):
        os.chdir(folder)
        sys.path[0] = folder
        try:
            exec(code, {})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(folder)
sys.exit(", ".join(failed) or 0)
"""


def test_examples_run_from_a_folder_with_nothing_else(tmp_path):
    programs = {}
    for path in LAYERS:
        (tmp_path / path.stem).mkdir()
        shutil.copy(path, tmp_path / path.stem)
        classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        examples = [match[1] for node in classes
                    if (match := re.search(r"Example:\n(.*?)\n\n", ast.get_docstring(node), re.DOTALL))]
        public = [node.name for node in classes if not node.name.startswith("_")]
        assert len(examples) == len(public), f"each of {public} should have an Example"
        programs[str(tmp_path / path.stem)] = (
            f"import keras\nimport numpy as np\nfrom {path.stem} import *\n"
            + "\n".join(map(textwrap.dedent, examples))
        )
    result = subprocess.run(
        [sys.executable, "-c", RUNNER],
        cwd=tmp_path,
        input=json.dumps(programs),
        text=True,
        capture_output=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
