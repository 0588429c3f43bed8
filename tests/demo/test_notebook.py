"""docs/kexue.ipynb runs in a checkout as it stands, and says what to do where it is in none."""

import base64
import io
import json

import pytest

from tests.articles import ROOT

NOTEBOOK = ROOT / "docs/kexue.ipynb"


def test_it_is_kept_without_outputs_and_has_one_address():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    lines = [line for cell in cells for line in cell["source"]]
    assert sum(line.startswith("REPOSITORY = ") for line in lines) == 1
    assert not [line for line in lines if "github.com" in line]


def executed(folder):
    """The notebook after all of its cells have run in a folder."""
    nbclient = pytest.importorskip("nbclient", reason="make test-demo installs it")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3",
                            resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@pytest.mark.demo
def test_it_runs_and_ends_with_a_picture():
    from PIL import Image

    outputs = [cell.outputs for cell in executed(ROOT / "docs").cells if cell.cell_type == "code"]
    assert "(3, 2)" in outputs[1][-1]["text"]
    picture = outputs[-1][-1]["data"]["image/png"]
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size > (100, 100)


@pytest.mark.demo
def test_outside_of_a_checkout_it_asks_for_the_address(tmp_path):
    with pytest.raises(Exception, match="fill in REPOSITORY above"):
        executed(tmp_path)
