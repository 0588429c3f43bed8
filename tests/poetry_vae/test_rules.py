"""Rules of verse against brute force over all rows of a small vocabulary."""

import itertools

import numpy as np
import pytest

from common.harness import prosody
from common.harness.vocab import FIRST, Vocab
from poetry_vae import rules
from poetry_vae.rules import Sounds, compose, likeliest, places, rhyme, without_repeats

VOCAB = Vocab("春山明月花云天秋年风中来开水白日上树草玉雪客酒远落入去晚夜绿")


def random_log_p(*shape, seed=0, scale=3.0):
    log_p = scale * np.random.default_rng(seed).normal(size=shape)
    log_p[..., :FIRST] = -np.inf
    return log_p


def repeats(row, lines):
    pairs = itertools.combinations(zip(row, lines), 2)
    return [a for (a, line), (b, other) in pairs if a == b and line != other]


@pytest.mark.parametrize("seed", range(20))
def test_the_likeliest_row_without_repeats(seed):
    lines = np.array([0, 0, 1, 1, 2])
    log_p = random_log_p(5, 8, seed=seed, scale=1.0)
    log_p[:, 5] += 2                                        # everybody's favourite, so there is a clash
    rows = [row for row in itertools.product(range(FIRST, 8), repeat=5) if not repeats(row, lines)]
    best = max(log_p[np.arange(5), list(row)].sum() for row in rows)
    found = likeliest(log_p, lines)
    assert not repeats(found, lines) and len(repeats(log_p.argmax(axis=-1), lines))
    assert log_p[np.arange(5), found].sum() == pytest.approx(best)


def test_two_of_a_character_may_begin_or_end_a_line_and_stand_nowhere_else():
    assert list(places(2)) == [0, 0, 1, 2, 2, 3, 3, 4, 5, 5]
    for first in range(10):
        for second in range(first + 1, 10):
            log_p = random_log_p(10, 40)
            log_p[[first, second], 7] = 50
            both = (without_repeats(log_p[None], places(2))[0][[first, second]] == 7).all()
            assert both == ((first % 5, second - first) in ((0, 1), (3, 1)))


def test_given_characters_stay_and_the_others_give_way():
    log_p = random_log_p(10, 40)
    log_p[[0, 3, 9]] = np.where(np.arange(40) == 7, 0.0, -np.inf)     # 7 is given, in both lines
    log_p[5, 7] = 50
    row = likeliest(log_p, places(2))
    assert list(row[[0, 3, 9]]) == [7, 7, 7] and row[5] != 7
    assert not repeats(row[[1, 2, 4, 5, 6, 7, 8]], places(2)[[1, 2, 4, 5, 6, 7, 8]])


def test_long_poems_end_without_repeats_even_where_all_lines_want_the_same():
    log_p = np.tile(random_log_p(1, 5, 500), (8, 1, 1)).reshape(40, 500)
    lines = np.arange(8).repeat(5)
    assert not repeats(likeliest(log_p, lines), lines)


def test_where_the_vocabulary_is_too_small_it_ends_all_the_same():
    log_p = random_log_p(10, 5)
    assert set(likeliest(log_p, places(2))) <= {2, 3, 4}


@pytest.mark.parametrize("alike, other", [
    ("年船山寒", "人"), ("东中风明", "金"), ("诗知西鱼", "无"), ("流秋头愁", "高"),
    ("花家沙", "多"), ("来开台", "归"),
])
def test_rhymes_by_sound(alike, other):
    assert len(set(map(rhyme, alike))) == 1 and rhyme(other) != rhyme(alike[0]) and rhyme("，") == ""


def test_a_poem_keeps_the_rules_that_are_asked_for():
    sounds, log_p = Sounds(VOCAB), random_log_p(2, 10, len(VOCAB))
    verse = ["".join(map(VOCAB.decode, [row]))[:10] for row in compose(log_p, sounds)]
    patterns = [pattern.replace("○", "？") for pattern in rules.PATTERNS]
    for first in (0, 1):
        right = [fits(text, patterns[(first + i) % 2]) for i, text in enumerate(verse)]
        if all(right):
            break
    else:
        raise AssertionError(verse)
    ends = [text[-1] for text in verse]
    assert len(set(map(rhyme, ends))) == 1 and all(prosody.tone(end) == prosody.LEVEL for end in ends)
    assert len(set(ends)) == 2


def fits(text, pattern):
    return all("？" in pair or pair[0] == pair[1] for pair in zip(prosody.tones(text), pattern))


def test_tones_and_rhyme_are_those_that_cost_the_least():
    """Each pattern and rhyme by itself, position by position; no clash, since each position has favourites of
    its own."""
    sounds, log_p = Sounds(VOCAB), random_log_p(2, 10, len(VOCAB), seed=3)
    tones, ends = [prosody.tone(c) for c in VOCAB.characters], [rhyme(c) for c in VOCAB.characters]
    best = -np.inf
    for first, name in itertools.product((0, 1), set(ends)):
        total = 0.0
        for couplet, place in itertools.product((0, 1), range(10)):
            wanted = rules.PATTERNS[(first + couplet) % 2][place]
            wanted = "○" if place == 9 else wanted
            fitting = [log_p[couplet, place, FIRST + i] for i, tone in enumerate(tones)
                       if "○" == wanted or tone in (wanted, prosody.UNCLEAR)]
            if place == 9:
                fitting = [log_p[couplet, 9, FIRST + i] for i, tone in enumerate(tones)
                           if tone == prosody.LEVEL and ends[i] == name]
            total += max(fitting, default=-np.inf)
        best = max(best, total)
    with_repeats = [np.maximum(rules.with_tones(log_p, sounds, first), -1e9) for first in (0, 1)]
    rhymed = [poem for chosen in with_repeats for poem in rules.with_rhymes(chosen, sounds)]
    assert max(poem.max(axis=-1).sum() for poem in rhymed) == pytest.approx(best)
    written = np.take_along_axis(log_p, compose(log_p, sounds)[..., None], -1).sum()
    assert written <= best + 1e-9


def test_rules_are_left_out():
    sounds, log_p = Sounds(VOCAB), random_log_p(2, 10, len(VOCAB), seed=5)
    free = compose(log_p, sounds, rhyme=False, tones=False)
    np.testing.assert_array_equal(free.reshape(-1), likeliest(log_p.reshape(20, -1), places(4)))
    lonely = Sounds(Vocab("春夏秋冬"))
    assert compose(random_log_p(2, 10, 6), lonely).min() >= FIRST
