"""Tones of lines that everybody knows, measures by loops, and a table that regulated verse does not
contradict."""

import math
import random

import pytest

from common.harness import prosody
from common.harness.prosody import BOTH, CHANGED, ENTERING, Facing, tonal_measures, tones


@pytest.mark.parametrize("line, expected", [
    ("白日依山尽", "仄仄平平仄"), ("黄河入海流", "平平仄仄平"),                    # 王之涣
    ("国破山河在", "仄仄平平仄"), ("城春草木深", "平平仄仄平"),                    # 杜甫
    ("烽火连三月", "平仄平平仄"), ("家书抵万金", "平平仄仄平"),
    ("明月松间照", "平仄平平仄"), ("清泉石上流", "平平仄仄平"),                    # 王维
    ("竹喧归浣女", "仄平平仄仄"), ("莲动下渔舟", "平仄仄平平"),
    ("绝域阳关道", "仄仄平平仄"), ("胡沙与塞尘", "平平仄仄平"),
    ("无边落木萧萧下", "平平仄仄平平仄"), ("不尽长江滚滚来", "仄仄？平仄仄平"),
    ("一行白鹭上青天", "仄平仄仄仄平平"), ("昔人已乘黄鹤去", "仄平仄平平仄仄"),
])
def test_tones_of_known_lines(line, expected):
    """Entering tones are oblique: 白 国 竹 绝 一 昔, whose modern tones are level."""
    assert tones(line) == expected


def test_what_is_no_chinese_character_has_no_tone():
    assert tones("a，1 😀□") == "？？？？？？"


def test_no_character_stands_in_two_tables():
    """And the tables hold nothing that the rules say without them."""
    assert not (ENTERING & BOTH or ENTERING & set(CHANGED) or BOTH & set(CHANGED))
    for character in ENTERING:
        sound = prosody.modern_sound(character)
        assert sound[-1] not in "34" and not prosody.ENTERING_SOUNDS.fullmatch(sound), character


PAIRS = [("白日依山尽", "黄河入海流"), ("国破山河在", "城春草木深"), ("明月松间照", "清泉石上流")]


def test_regulated_couplets_keep_every_rule():
    found = tonal_measures(PAIRS)
    assert found == {"alternating": 1, "opposed": 1, "ends": 1, "known": 1}
    turned = tonal_measures([(second, first) for first, second in PAIRS])
    assert (turned["opposed"], turned["ends"]) == (1, 0)
    assert tonal_measures([(first, first) for first, _ in PAIRS])["opposed"] == 0


def test_measures_are_those_of_a_loop():
    rng = random.Random(0)
    alphabet = "山水风花月日国白长看人心高低"
    lines = ["".join(rng.choices(alphabet, k=7)) for _ in range(400)]
    pairs = list(zip(lines[::2], lines[1::2]))
    right, counted = dict.fromkeys(["alternating", "opposed", "ends"], 0), {}
    for first, second in pairs:
        a, b = tones(first), tones(second)
        facing = [("opposed", a[i], b[i]) for i in (1, 3, 5)]
        places = [(a[1], a[3]), (a[3], a[5]), (b[1], b[3]), (b[3], b[5])]
        within = [("alternating", *tones_there) for tones_there in places]
        for name, one, other in [*facing, *within, ("ends", a[6], b[6])]:
            if one == "？" or other == "？":
                continue
            counted[name] = counted.get(name, 0) + 1
            right[name] += one != other and (name != "ends" or one == "仄")
    found = tonal_measures(pairs)
    for name in right:
        assert found[name] == pytest.approx(right[name] / counted[name]), name
    assert found["known"] == pytest.approx(sum(c not in "长看" for c in "".join(lines)) / 2800)
    assert math.isnan(tonal_measures([("，", "，")])["opposed"])


def test_facing_by_its_formula():
    train = [("天上", "人间"), ("天高", "地远"), ("天上", "人间")]
    facing = Facing(train, strength=2)
    size = 6 + 0.5 * 5                                         # 人 间 地 远, and one for all others
    p = {"人": 2.5 / size, "地": 1.5 / size, "水": 0.5 / size}
    for b, together in (("人", 2), ("地", 1), ("水", 0)):
        expected = math.log((together + 2 * p[b]) / (3 + 2) / p[b])
        assert facing.gain("天", b) == pytest.approx(expected)
    assert facing.gain("水", "人") == pytest.approx(0)          # never seen above: as any other
    found = facing.measures([("天上", "人水"), ("天天", "天地")])
    gains = [facing.gain(*pair) for pair in ("天人", "上水", "天天", "天地")]
    assert found["gain"] == pytest.approx(sum(gains) / 4)
    assert found["kinds"] == 0                                  # 上 faces 水
    assert math.isnan(facing.measures([("天", "地")])["kinds"])


def test_numbers_face_numbers():
    found = Facing([]).measures([("两个黄鹂鸣翠柳", "一行白鹭上青天")])
    assert found["kinds"] == 1                                  # 两 黄 翠 above, 一 白 青 below
    assert Facing([]).measures([("万古悲秋", "山中多病")])["kinds"] == 0


def test_strangers_keep_the_lines_and_part_the_couplets():
    pairs = [(str(i), str(-i)) for i in range(9)]
    parted = prosody.strangers(pairs)
    assert sorted(b for _, b in parted) == sorted(b for _, b in pairs)
    assert not set(parted) & set(pairs)
