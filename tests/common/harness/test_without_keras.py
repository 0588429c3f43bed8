"""What says that no Keras is in it loads none: nl2sql, whose Keras is another one, uses it."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
FRAMEWORKS = {"keras", "tensorflow", "jax", "torch"}
FREE = sorted(path.stem for path in (ROOT / "common/harness").glob("*.py")
              if "\nNo Keras in here." in path.read_text(encoding="utf-8"))


def test_files_without_keras_load_none():
    names = ", ".join(f"common.harness.{name}" for name in FREE)
    code = f"import sys, {names}; print(sorted({FRAMEWORKS!r} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_nl2sql_uses_no_other_file_of_the_harness():
    for path in (ROOT / "nl2sql").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("from common.harness import "):
                assert set(line.split("import ")[1].split(", ")) <= set(FREE), f"{path}: {line}"
            elif line.startswith("from common.harness."):
                assert line.split()[1].removeprefix("common.harness.") in FREE, f"{path}: {line}"
