"""Which characters a poem may have: none twice but for 叠字, one rhyme, the tones of regulated verse.

    rows = without_repeats(log_p, places(2))                          # log_p (couplets, 10, vocabulary)
    rows = compose(log_p, Sounds(vocab), rhyme=True, tones=True)      # the couplets of one poem

The decoder restores the characters independently of each other given z, so a rule takes characters away from
positions, and the likeliest of what is left is written.
"""

import heapq

import numpy as np

from common.harness import prosody
from poetry_vae.data import LINE

# positions of a line with the same number may have the same character, 叠字: 夜夜 begins lines and ends them
DOUBLED = np.array([0, 0, 1, 2, 2])
HOPELESS = 1e4                                               # nats
STATES = 500                                                 # that the exact search looks at, see likeliest()

# 五言, the two kinds of couplet; ○ may have either tone. A first 仄 in 平平○仄平 would be a lone level tone
# (孤平), a third 平 in ○仄仄平平 three level ones at the end (三平调).
PATTERNS = ("○仄平平仄平平○仄平", "○平平仄仄○仄仄平平")
# 十三辙: finals that rhyme; v is ü
THIRTEEN = ("a ia ua", "o uo e", "ie ve ue", "i v er", "u", "ai uai", "ei uei ui", "ao iao", "ou iou iu",
            "an ian uan van", "en in uen un vn", "ang iang uang", "eng ing ueng ong iong")
RHYME_OF = {final: finals.split()[0] for finals in THIRTEEN for final in finals.split()}


# --------------------------------------------------------------------------------------------------- repeats

def without_repeats(log_p, places):
    """The likeliest rows in which no character stands twice, but where positions are of the same place.

    Args:
        log_p: ln p of every character at every position, (n, positions, vocabulary); −inf forbids one.
        places: number of the place of each position, (positions,), see places.

    Returns:
        Numbers of characters, (n, positions). Where only one character is allowed, as where one is given, it
        stays, even if another position has it too.
    """
    return np.array([likeliest(of_one, places) for of_one in log_p])


def places(lines):
    """For so many lines the place of each position: the first two of a line are one, and so are the last
    two."""
    return (np.arange(lines)[:, None] * (DOUBLED.max() + 1) + DOUBLED).reshape(-1)


def likeliest(log_p, places, states=STATES):
    """One row of without_repeats: a best-first search over how far down each position's list of characters
    one goes, so the first row without repeats that it meets is the likeliest one.

    After `states` steps, which long poems of one code may take, it keeps the best state alone and goes on
    from there: then the row is good, and not always the best."""
    order, falls = best_first(log_p, len(log_p))
    lost = falls[:, :1] - falls                                       # nats, against the likeliest character
    positions, count = np.arange(len(log_p)), order.shape[1]

    def can_fall(position, rank):
        return rank + 1 < count and np.isfinite(lost[position, rank + 1])

    heap, seen = [(0.0, (0,) * len(log_p))], set()
    while heap:
        loss, ranks = heapq.heappop(heap)
        row = order[positions, ranks]
        ways_out = next_ways_out(row, places, ranks, can_fall)
        if not ways_out:
            break
        for position in ways_out:
            rank = ranks[position]
            further = (*ranks[:position], rank + 1, *ranks[position + 1:])
            # on the last way alone, one cannot come back to a state
            if further not in seen or len(seen) > states:
                seen.add(further)
                heapq.heappush(heap, (loss + lost[position, rank + 1] - lost[position, rank], further))
        if len(seen) > states:
            heap = heap[:1]
    return row


def best_first(log_p, count):
    """The `count` likeliest characters of each position, the likeliest first, and their ln p. Other positions
    hold at most count − 1 characters, so none below is ever needed."""
    count = min(count, log_p.shape[-1])
    best = np.argpartition(-log_p, count - 1, axis=-1)[:, :count]
    order = np.argsort(-np.take_along_axis(log_p, best, -1), axis=-1, kind="stable")
    best = np.take_along_axis(best, order, -1)
    return best, np.take_along_axis(log_p, best, -1)


def next_ways_out(row, places, ranks, can_fall):
    """Of the first two positions of different places whose character is the same, and of which one can take
    another: those that can. None: the row is as good as it gets."""
    where = {}
    for position, (character, place) in enumerate(zip(row, places)):
        before = where.setdefault(character, position)
        if places[before] != place:
            ways_out = [way for way in (before, position) if can_fall(way, ranks[way])]
            if ways_out:
                return ways_out
    return []


# ---------------------------------------------------------------------------------------------------- sounds

class Sounds:
    """Tone and rhyme of every character of a vocabulary, by its modern sound, see
    common/harness/prosody.py."""

    def __init__(self, vocab):
        self.tones = np.full(len(vocab), prosody.UNCLEAR)
        self.rhymes = np.full(len(vocab), "", dtype="<U4")
        for character, number in vocab.numbers.items():
            self.tones[number] = prosody.tone(character)
            self.rhymes[number] = rhyme(character)

    def fitting(self, pattern):
        """Where which character may stand for its tone, (len(pattern), vocabulary). One of unclear tone may
        stand anywhere."""
        wrong = {"平": prosody.OBLIQUE, "仄": prosody.LEVEL, "○": ""}
        return np.array([self.tones != wrong[place] for place in pattern])


def rhyme(character):
    """What a character rhymes on by 十三辙, the rhymes of modern song; "" if its sound is unknown.

    Rhymes of the Tang were finer in places and broader in others: this is how they sound today."""
    import pypinyin

    finals = pypinyin.pinyin(character, style=pypinyin.Style.FINALS, errors="ignore")
    return RHYME_OF.get(finals[0][0], "") if finals else ""


# ----------------------------------------------------------------------------------------------------- poems

def compose(log_p, sounds, rhyme=True, tones=True):
    """The couplets of one poem, with one rhyme and with the tones of 五言 regulated verse as asked.

    Args:
        log_p: ln p of the couplets' characters, (couplets, 10, vocabulary).
        sounds: the vocabulary's Sounds.
        rhyme: all couplets end on one rhyme, in a level tone; the one that costs the least.
        tones: the couplets have the two PATTERNS in turn, beginning with the one that costs less; so the
            second place of a couplet has the tone of the same place in the line before it (粘).

    Returns:
        Numbers of characters, (couplets, 10), none twice but for 叠字. Patterns and rhyme are chosen before
        repeats are looked for. Where a small vocabulary has nothing that a rule allows, the rule gives way.
    """
    choices = [log_p]
    if tones:
        choices = [with_tones(log_p, sounds, first) for first in (0, 1)]
    if rhyme:
        rhymed = [poem for chosen in choices for poem in with_rhymes(chosen, sounds)]
        choices = rhymed or choices                          # no sound of this vocabulary is known
    best = max(choices, key=lambda chosen: chosen.max(axis=-1).sum())
    poem = best.reshape(2 * LINE * len(log_p), -1)
    return likeliest(poem, places(2 * len(log_p))).reshape(-1, 2 * LINE)


def with_tones(log_p, sounds, first):
    """log_p where characters of the wrong tone are forbidden; `first` is the first couplet's pattern."""
    patterns = [PATTERNS[(first + couplet) % 2] for couplet in range(len(log_p))]
    return forbid(log_p, np.array([sounds.fitting(pattern) for pattern in patterns]))


def with_rhymes(log_p, sounds):
    """For each rhyme log_p where other last characters are forbidden, and those of no clear level tone."""
    known = np.isfinite(log_p[0]).any(axis=0) & (sounds.rhymes != "")
    for name in np.unique(sounds.rhymes[known]):
        allowed = np.ones(log_p.shape, bool)
        allowed[:, -1] = (sounds.rhymes == name) & (sounds.tones == prosody.LEVEL)
        yield forbid(log_p, allowed)


def forbid(log_p, allowed):
    """log_p, −inf where a character is not allowed; a position where none would be left stays as it was,
    at a price that no other choice has."""
    masked = np.where(allowed, log_p, -np.inf)
    hopeless = ~np.isfinite(masked).any(axis=-1, keepdims=True)
    return np.where(hopeless, log_p - HOPELESS, masked)
