"""平仄 and 对仗 of couplets: do the tones of two lines oppose each other, and do their words?

    tones("白日依山尽")                             # 仄仄平平仄
    tonal_measures([("白日依山尽", "黄河入海流")])    # each 1: as the rules want it
    Facing(training_pairs).measures(pairs)           # how much better words face each other than by chance

The same functions serve what a model writes and what people wrote. A pair is two lines of the same length.

No Keras in here.
"""

import collections
import functools
import math
import re

LEVEL, OBLIQUE, UNCLEAR = "平", "仄", "？"

# Verse keeps the tones of the Tang. Modern first and second tones are level ones but for the old entering
# tones, which are oblique. These rules of sound find two thirds of such characters: no level tone became a
# second tone behind b, d, g, j, zh or z without a nasal, and the other sounds are what entering tones alone
# left. Regulated verse was asked about the tables: in its second and fourth places of seven-character
# couplets no character that stands there thirty times or more disagrees with its line more often than not.
ENTERING_SOUNDS = re.compile(r"(b|d|g|j|zh|z)[aeiouv]+2|(k|zh|ch|sh|r)uo[12]|[nljqxy](ue|ve)[12]"
                             r"|[dtlnzcs]ie[12]|f[ao][12]|[zcs]e[12]")
NOT_ENTERING = frozenset("靴嗟瘸爹痂")
# The rest of them, by their modern sound.
ENTERING = frozenset(
    "八捌擘逼杓憋鳖卜剥拨钵擦插锸察拆吃出欻撮搭褡的滴督咄掇额伏佛匐幅弗怫拂服祓福绂绋茯蝠袱辐黻割搁纥鸽刮"
    "聒郭貉喝劾合曷核涸盍盒翮阂阖龁黑忽惚囫斛槲縠觳滑猾豁活击唧屐激积缉夹浃接揭掬鞠榼瞌磕咳壳哭窟拉勒没摸"
    "膜喔拍劈噼霹撇瞥泊泼仆扑濮璞七戚柒漆掐屈曲麹塞刹杀勺芍舌什失湿虱十实拾湜石蚀识食倏叔淑菽塾孰熟秫赎刷"
    "窣俗缩塌剔踢凸秃突托脱橐挖屋吸夕息悉惜扱昔晰晳析汐淅熄窸翕膝蜥螅蟋锡习媳席檄袭觋隰瞎侠匣峡柙狎狭辖黠"
    "楔歇蝎勰协挟撷缬胁戌压押鸭噎掖一壹揖匝咂扎摘着汁织隻粥"
)
# Modern tones that are not those of the Tang, other than the entering ones.
CHANGED = (dict.fromkeys("俱跳么差筒场拚教忘沈铺裳翘攒储闽湫坳扁驯峒", LEVEL)
           | dict.fromkeys("玩究拥了茗荫谩暇稍溜颗监蠡暝子甸歛晕孺觜髴崦菌阆缥疗悄燎剖俟蹬茹酊播", OBLIQUE))
# Verse uses these in both, often with two meanings. They keep every rule and are not counted.
BOTH = frozenset("看听过望论思胜为重相长分难兴骑更令醒吹调观旋供称禁浪强予几那便漫翰溅探傍疏施治殷降累干弹"
                 "担烧号污丧援莹反钿缝镫祇喷些量研操飏阿粗正")
# 对仗 that a list can check: what stands below one of them should be of the same kind.
KINDS = {
    "numbers": "一二三四五六七八九十百千万两双半",
    "colours": "红绿青白黄紫碧翠朱丹苍黑素玄金银",
    "directions": "东西南北上下前后内外中",
}
KIND_OF = {character: kind for kind, characters in KINDS.items() for character in characters}


# ------------------------------------------------------------------------------------------------------ tones

@functools.cache
def tone(character):
    """LEVEL, OBLIQUE, or UNCLEAR where poets use both or nothing is known: an estimate from the modern
    sound."""
    if character in BOTH:
        return UNCLEAR
    if character in CHANGED:
        return CHANGED[character]
    if character in ENTERING:
        return OBLIQUE
    sound = modern_sound(character)
    if ENTERING_SOUNDS.fullmatch(sound) and character not in NOT_ENTERING:
        return OBLIQUE
    return {"1": LEVEL, "2": LEVEL, "3": OBLIQUE, "4": OBLIQUE}.get(sound[-1:], UNCLEAR)


def modern_sound(character):
    """The commonest sound of a character with its tone, such as bai2; "" for what has none."""
    import pypinyin

    sounds = pypinyin.pinyin(character, style=pypinyin.Style.TONE3, errors="ignore")
    return sounds[0][0] if sounds else ""


def tones(line):
    """The tones of a line's characters, as a string of the same length."""
    return "".join(map(tone, line))


def tonal_measures(pairs):
    """How well couplets keep the rules of tones, as shares from 0 to 1; by chance about a half each, and a
    quarter for the ends.

        alternating  within a line tones at the even places change: 二四六分明
        opposed      at the even places the second line has the other tone
        ends         the first line ends in an oblique tone, the second in a level one
        known        characters whose tone is clear; the others are not counted above
    """
    alternating, opposed, ends, known = [], [], [], []
    for pair in pairs:
        first, second = map(tones, pair)
        alternating += [a != b for line in (first, second) for a, b in clear(line[1::2], line[3::2])]
        opposed += [a != b for a, b in clear(first[1::2], second[1::2])]
        ends += [a == OBLIQUE and b == LEVEL for a, b in clear(first[-1:], second[-1:])]
        known += [a != UNCLEAR for a in first + second]
    measures = {"alternating": alternating, "opposed": opposed, "ends": ends, "known": known}
    return {name: share(found) for name, found in measures.items()}


def clear(tones_of_one, tones_of_other):
    """The pairs of tones of which both are clear."""
    return [pair for pair in zip(tones_of_one, tones_of_other) if UNCLEAR not in pair]


def share(found):
    """The share of what is true; NaN where there is nothing to count."""
    return sum(found) / len(found) if found else math.nan


# ---------------------------------------------------------------------------------------------------- 对仗

class Facing:
    """Which characters face each other in couplets that people wrote.

        p(b | a) = (n(a, b) + s p(b)) / (n(a) + s)

    n(a, b) counts how often b stands below a, p(b) how often it stands in a second line.

    Args:
        pairs: couplets, to count in.
        strength: s, how many counts p(b) is worth.
    """

    def __init__(self, pairs, strength=100):
        self.together, self.above, below = (collections.Counter() for _ in range(3))
        for first, second in pairs:
            self.together.update(zip(first, second))
            self.above.update(first)
            below.update(second)
        self.strength = strength
        total = below.total() + 0.5 * (len(below) + 1)               # a little for characters never seen
        self.p = collections.defaultdict(lambda: 0.5 / total)
        self.p.update({character: (count + 0.5) / total for character, count in below.items()})

    def gain(self, a, b):
        """ln p(b|a) / p(b): how much likelier b is below a than anywhere, in nats."""
        p = self.p[b]
        conditional = (self.together[a, b] + self.strength * p) / (self.above[a] + self.strength)
        return math.log(conditional / p)

    def measures(self, pairs):
        """How well the words of couplets face each other.

            gain      the mean of ln p(b|a) / p(b) over the characters; 0: as any two lines do
            kinds     of the numbers, colours and directions in the first lines, those that face their kind
        """
        gains, kinds = [], []
        for first, second in pairs:
            gains += [self.gain(a, b) for a, b in zip(first, second)]
            kinds += [KIND_OF[a] == KIND_OF.get(b) for a, b in zip(first, second) if a in KIND_OF]
        return {"gain": share(gains), "kinds": share(kinds)}


def strangers(pairs):
    """Each first line with the second line of another couplet, half the list away and so of another poem:
    what chance makes of the same lines."""
    firsts, seconds = zip(*pairs)
    half = len(pairs) // 2
    return list(zip(firsts, seconds[half:] + seconds[:half]))
