"""Each layers file, copied alone into an empty folder, imports nothing of this repository and runs its own examples."""

import ast
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PLUMBING = {"datasets", "streams", "runs", "devices", "launch", "plots", "text", "metrics", "vocab", "__init__"}
LAYERS = sorted(path for path in (ROOT / "common").glob("*.py") if path.stem not in PLUMBING)


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
def test_imports_keras_and_numpy_only(path):
    allowed = {"keras", "numpy", "math", "tensorflow", "jax"}
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
            [node.module] if isinstance(node, ast.ImportFrom) else [])
        assert {name.split(".")[0] for name in names} <= allowed, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
def test_examples_run_from_an_empty_folder(path, tmp_path):
    shutil.copy(path, tmp_path)
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    examples = [match[1] for node in classes
                if (match := re.search(r"Example:\n(.*?)\n\n", ast.get_docstring(node), re.DOTALL))]
    public = [node.name for node in classes if not node.name.startswith("_")]
    assert len(examples) == len(public), f"each of {public} should have an Example"
    code = f"import keras\nimport numpy as np\nfrom {path.stem} import *\n" + "\n".join(map(textwrap.dedent, examples))
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
