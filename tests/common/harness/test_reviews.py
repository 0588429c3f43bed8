"""common/harness/reviews.py: texts that are there twice, files that are none, and what is counted."""

import numpy as np
import pytest

from common.harness import reviews
from common.harness.reading import InputError


def written(tmp_path, lines):
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_each_text_counts_once_and_contradictions_not_at_all(tmp_path):
    lines = [f'{i % 2},"房间{i}, ""好"""' for i in range(100)]
    path = written(tmp_path, [*lines, lines[3], '0,"房间3, ""好"""', lines[4]])
    texts, labels, data = reviews.load_reviews(path)
    assert len(texts) == len(set(texts)) == data["reviews"] == 99
    assert '房间4, "好"' in texts and '房间3, "好"' not in texts
    assert all(int(text[2:text.index(",")]) % 2 == label for text, label in zip(texts, labels))


@pytest.mark.parametrize("lines, message", [
    (["1,好"] * 30, "at least 20 different reviews"),
    (["x,好"] * 30, "rows label,review"),
    (["1,a\rb" + "a" * 140_000], "CSV file")])
def test_what_is_no_reviews_is_refused(lines, message, tmp_path):
    with pytest.raises(InputError, match=message):
        reviews.load_reviews(written(tmp_path, lines))


def test_the_sample_is_there_without_any_file():
    texts, labels, data = reviews.load_reviews(smoke=True)
    assert data["builtin"] and len(texts) == 480 and labels.sum() == 360


def test_grams_by_hand():
    assert reviews.grams_of("好不好", (1, 2)) == {"好", "不", "好不", "不好"}
    assert reviews.vocabulary_of(["好不好", "好", "很好"], (1, 2), 2) == {"好": 0, "不": 1}


def test_parts_have_all_rows_once():
    parts = reviews.split(100, (0.6, 0.15), 3)
    assert [len(part) for part in parts] == [60, 15, 25]
    assert sorted(np.concatenate(parts)) == list(range(100))
