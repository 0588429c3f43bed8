"""The short version of `make stress ARGS="--parts visitors"`."""

import pytest

from tests.stress.visitors import visitors

pytestmark = pytest.mark.demo


def test_three_visitors_are_answered(tmp_path):
    pytest.importorskip("gradio", reason="make test-demo installs it")
    found = visitors(tmp_path, 3, 3)
    # in so short a time its memory has not settled
    assert not [fault for fault in found["faults"] if not fault.startswith("memory")]
    assert found["errors"] == 0 and found["answers"] >= 3
    assert 100 < found["megabytes at half"] < 20_000
