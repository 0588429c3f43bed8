"""Pictures: what stands in them."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from common.harness import plots


def drawn(points, labels):
    axes = Figure().subplots()
    plots.draw_scatter(axes, points, labels, "title")
    assert axes.get_title() == "title"
    return axes


@pytest.mark.parametrize("classes", [None, 3, 12])
def test_points_of_a_plane_are_drawn_where_they_are(classes):
    points = np.random.default_rng(0).normal(size=(50, 2))
    labels = None if classes is None else np.arange(50) % classes
    np.testing.assert_allclose(drawn(points, labels).collections[0].get_offsets(), points)


@pytest.mark.parametrize("classes", [None, 1, 3, 12])
def test_points_of_a_line_become_a_histogram_that_counts_each_label(classes):
    values = np.random.default_rng(0).normal(size=(500, 1))
    labels = None if classes is None else np.arange(500) % classes
    bars = drawn(values, labels).patches
    assert sum(bar.get_height() for bar in bars) == 500
    low = min(bar.get_x() for bar in bars)
    high = max(bar.get_x() + bar.get_width() for bar in bars)
    assert (low, high) == pytest.approx((values.min(), values.max()))
    counts = {}
    for bar in bars:
        counts[bar.get_facecolor()] = counts.get(bar.get_facecolor(), 0) + bar.get_height()
    expected = [500] if classes is None else np.bincount(labels)
    assert sorted(counts.values()) == sorted(expected)


def test_equal_points_of_a_line():
    assert sum(bar.get_height() for bar in drawn(np.zeros((7, 1)), None).patches) == 7


def test_a_gif_shows_the_frames_in_their_order(tmp_path):
    frames = np.zeros((3, 4, 5, 6))
    for step, images in enumerate(frames):
        images[step] = 1                                    # one image of the sheet of two rows lights up
    plots.save_animation(frames, tmp_path / "x.gif", columns=2, scale=1, milliseconds=50)
    with Image.open(tmp_path / "x.gif") as picture:
        assert picture.n_frames == 3 and picture.info["loop"] == 0 and picture.size == (12, 10)
        for step in range(3):
            picture.seek(step)
            found = np.asarray(picture.convert("L")) / 255
            expected = np.asarray(plots.sheet_of(frames[step], 2, 1)) / 255
            np.testing.assert_allclose(found, expected, atol=1 / 30)


def test_paths_are_printed_for_people_and_for_programs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plots.print_paths([tmp_path / "a.png", "b/图.gif"])
    plots.print_paths([tmp_path / "a.png", "b/图.gif"], as_json=True)
    first, second, line = capsys.readouterr().out.splitlines()
    assert [first, second] == ["a.png", "b/图.gif"] == json.loads(line)["files"]
