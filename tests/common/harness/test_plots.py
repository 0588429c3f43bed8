"""Pictures: what stands in them."""

import numpy as np
import pytest
from matplotlib.figure import Figure

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
