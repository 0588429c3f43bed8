"""From Enter to the answer: beside Keras, the scripts that use a model import little, and what is refused is
refused before Keras is imported where that can be."""

import json
import subprocess
import sys

import pytest

from tests.articles import ARTICLES, ROOT

SCRIPTS = [f"{article}/{name}" for article in ARTICLES for name in ("predict.py", "generate.py")
           if (ROOT / article / name).is_file()]
# what takes a tenth of a second or more to import, and is used by other scripts
HEAVY = {"gensim", "matplotlib", "opencc", "pandas", "pypinyin", "scipy", "sklearn"}
CODE = """
import json, runpy, sys
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""


def modules(*arguments):
    """The names of the modules that a process has imported at its end."""
    result = subprocess.run([sys.executable, "-c", *arguments], cwd=ROOT, capture_output=True, text=True,
                            check=True, timeout=300)
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def of_keras():
    return modules("import json, sys, keras; print(json.dumps(sorted(sys.modules)))")


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_import_what_they_use(script, of_keras):
    found = {name.split(".")[0] for name in modules(CODE, script) - of_keras}
    assert not found & HEAVY


@pytest.mark.parametrize("script", ["nl2sql/predict.py", "capsule/predict.py"])
def test_help_does_not_wait_for_tensorflow(script):
    assert not {"tensorflow", "keras"} & modules(CODE, script)
