"""平仄 as a rule for answers: the tone that each place of a second line should have.

At the second, fourth, sixth … character of a clause, and at its end, the tones of the two lines oppose each
other; the other places are free (一三五不论，二四六分明). Tones are modern, or those of verse, where the old
entering tones are oblique whatever they are today.

No Keras in here.
"""

import re

from common.harness import prosody
from common.harness.prosody import LEVEL, OBLIQUE, UNCLEAR
from common.harness.vocab import is_han

OTHER = {LEVEL: OBLIQUE, OBLIQUE: LEVEL}
# Entering tones that couplets use, that are level ones today, and that prosody.py's table for verse lacks.
# With them 402 of the 403 such characters of the shipped vocabulary are oblique, by their Cantonese sounds,
# which end in p, t or k; 嶷 has two sounds and stays as verse has it.
ENTERING = frozenset("撒煞鵩剌肋蛤镝墼肸茀讬邋飁")


def tone(character, system):
    """LEVEL, OBLIQUE or UNCLEAR.

    Args:
        system: "modern" for the sounds of today, "old" for those of verse.
    """
    if system == "modern":
        sound = prosody.modern_sound(character)
        return {"1": LEVEL, "2": LEVEL, "3": OBLIQUE, "4": OBLIQUE}.get(sound[-1:], UNCLEAR)
    return OBLIQUE if character in ENTERING else prosody.tone(character)


def wanted(first, system):
    """The tone that the second line should have at each place of a first line: LEVEL, OBLIQUE, or UNCLEAR for
    any."""
    tones = [UNCLEAR] * len(first)
    for start, end in clauses(first):
        for place in {*range(start + 1, end, 2), end - 1}:
            tones[place] = OTHER.get(tone(first[place], system), UNCLEAR)
    return tones


def clauses(line):
    """(start, end) of the runs of Chinese characters between symbols."""
    kinds = "".join("h" if is_han(character) else "-" for character in line)
    return [match.span() for match in re.finditer("h+", kinds)]
