"""Second lines from probabilities: the rules of couplets that a network which tags each position by itself
cannot keep."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from common.harness.language import in_users_language
from common.harness.prosody import LEVEL, OBLIQUE
from common.harness.reading import InputError, check_text
from common.harness.vocab import FIRST, is_han, to_simplified
from couplet import tones

LONGEST = 100                                              # characters in a line
FULL_WIDTH = str.maketrans(",?!:;", "，？！：；")           # as the training data have them


@dataclass
class Rules:
    """What an answer must keep. In the 3,834 test couplets the second line has no character of the first (in
    the training couplets 6 % have one, some by mistake), and it repeats a character where the first line does
    and nowhere else."""

    forbid: Literal["none", "position", "line"] = "line"
    """Characters that the answer may not have: the first line's at the same position, as in the article; or
    all of them."""
    repeat: bool = True
    """Where the first line repeats a character so does the answer, and nowhere else: AABB answers AABB."""
    symbols: bool = True
    """Punctuation, digits, letters, emoji stand as they are; elsewhere there are Chinese characters."""
    tones: Literal["off", "modern", "old"] = "off"
    """Where 平仄 asks for it (see tones.py), answers have the other tone than the first line: by the sounds
    of today, or by those of verse. Where no allowed character has it, any will do."""
    rarity: float = 0.0
    """λ in log p(y|x) − λ log p(y), by which answers are ordered: how much they avoid what fits any line."""


ARTICLE = Rules(forbid="position", repeat=False, symbols=False)


@dataclass
class Answer:
    text: str
    log_p: float      # log of the probability of its characters, given the first line; symbols do not count
    score: float      # what orders it: log_p less λ log p(y), see Rules.rarity, plus a Robot's scorer's


def clean(line, vocab):
    """A line as a user typed it → (the line for the model, notes about what was changed).

    Raises:
        InputError: no Chinese character in it, more than LONGEST, or half a surrogate pair.
    """
    check_text(line, "a first line")
    shown = line.strip()[:20]
    line = "".join(line.split()).translate(FULL_WIDTH)
    if len(line) > LONGEST:
        raise InputError(in_users_language(
            f"a first line expects at most {LONGEST} characters. "
            f"Received: {len(line):,} characters, {shown}…",
            f"上联最多 {LONGEST} 个字，收到 {len(line):,} 个字：{shown}…"))
    if not any(map(is_han, line)):
        raise InputError(in_users_language(
            f"a first line expects at least one Chinese character. Received: {shown!r}",
            f"上联至少要有一个汉字，收到：{shown!r}"))
    notes = []
    simplified = "".join(known_form(character, vocab) for character in line)
    if simplified != line:
        line = simplified
        notes.append(in_users_language(f"traditional characters read as {line}", f"繁体字按简体处理：{line}"))
    unknown = "".join(filter(is_han, vocab.unknown_in(line)))
    if unknown:
        notes.append(in_users_language(f"the model does not know {unknown}", f"模型不认识：{unknown}"))
    return line, notes


def known_form(character, vocab):
    """The simplified form of a traditional character that the vocabulary lacks, if it has that form.
    Characters that it has stay: some, such as 乾, are right in simplified text, too."""
    if character in vocab or not is_han(character):
        return character
    simplified = to_simplified(character)
    return simplified if simplified in vocab else character


def rearranged(first, text):
    """Whether an answer has the characters of its first line and no others."""
    own, others = (sorted(filter(is_han, line)) for line in (first, text))
    return own == others


def choose(answers, count, differ=1, chosen=()):
    """The best `count` answers of a list, best first, of which each differs from all better ones in `differ`
    characters or more. What is chosen already comes first and counts."""
    chosen = list(chosen)
    for answer in sorted(answers, key=lambda answer: -answer.score):
        if all(distance(answer.text, better.text) >= differ for better in chosen):
            chosen.append(answer)
        if len(chosen) == count:
            break
    return chosen


class Decoder:
    """First line and probabilities → the best answers that keep the rules.

    Args:
        vocab: the Vocab of the probabilities.
        rules: the Rules.
        beam: partial answers that are kept.
        log_prior: log p(y) of the vocabulary's characters, for Rules.rarity.
    """

    def __init__(self, vocab, rules=None, beam=64, log_prior=None):
        self.vocab, self.rules, self.beam = vocab, rules or Rules(), beam
        self.allowed = np.zeros(len(vocab), bool)
        self.allowed[FIRST:] = [self.is_answered(character) for character in vocab.characters]
        self.penalty = np.where(self.allowed, np.float32(0), -np.float32(np.inf))
        if self.rules.rarity:
            self.penalty -= self.rules.rarity * log_prior
        self.of_tone = {}
        if self.rules.tones != "off":
            found = np.array([tones.tone(character, self.rules.tones) for character in vocab.characters])
            self.of_tone = {tone: np.flatnonzero(found == tone) + FIRST for tone in (LEVEL, OBLIQUE)}

    def __call__(self, first, log_p, count=1, differ=1):
        """The best `count` answers, best first, of which each differs from all better ones in `differ`
        characters or more.

        Args:
            first: the first line, as `clean` gives it.
            log_p: log-probabilities of the second line's characters, (len(first), len(vocab)).
        """
        return choose(self.candidates(first, log_p, count), count, differ)

    def candidates(self, first, log_p, count=1):
        """All answers that the search for the best `count` has found, without those that only rearrange the
        first line unless there is no other."""
        groups = self.groups_of(first)
        own = np.stack([log_p[group].sum(axis=0) for group in groups])
        scores = self.scores(first, log_p, groups)
        answers = []
        # the search for one answer alone may find a rearrangement, the other one has more
        for wanted in (count, count + 1):
            answers = [Answer(self.text_of(first, groups, row), float(own[range(len(groups)), row].sum()),
                              float(total)) for row, total in zip(*self.search(scores, wanted))]
            kept = [answer for answer in answers if not rearranged(first, answer.text)]
            if kept:
                return kept
        return answers

    def is_answered(self, character):
        """Whether the answer has a character of its own where the first line has this one; symbols stand."""
        return is_han(character) or not self.rules.symbols

    def groups_of(self, first):
        """Positions that get one character in common: those with the same character in the first line, or
        each by itself. Symbols are in no group, since they stay."""
        groups = {}
        for position, character in enumerate(first):
            if self.is_answered(character):
                groups.setdefault(character if self.rules.repeat else position, []).append(position)
        return list(groups.values())

    def text_of(self, first, groups, numbers):
        """The first line with the characters of these numbers in the groups' positions."""
        text = list(first)
        for group, number in zip(groups, numbers):
            for position in group:
                text[position] = self.vocab.characters[number - FIRST]
        return "".join(text)

    def scores(self, first, log_p, groups):
        """What each character adds to an answer's score in each group, (groups, vocabulary); −inf for what is
        not allowed."""
        scores = np.stack([(log_p[group] + self.penalty).sum(axis=0) for group in groups])
        ids = self.vocab.encode(first)
        if self.rules.forbid == "line" and self.allowed.sum() > len(set(ids)):
            scores[:, ids] = -np.inf
        elif self.rules.forbid == "position" and self.allowed.sum() > 1:
            for row, group in zip(scores, groups):
                row[ids[group]] = -np.inf
        if self.of_tone:
            self.forbid_tones(first, scores, groups)
        return scores

    def forbid_tones(self, first, scores, groups):
        """Sets the scores of characters with the first line's tone to −inf, where they should have the other
        one and some can."""
        wanted = tones.wanted(first, self.rules.tones)
        for row, group in zip(scores, groups):
            for place in group:
                forbidden = self.of_tone.get(tones.OTHER.get(wanted[place]), [])
                without = row.copy()
                without[forbidden] = -np.inf
                if np.isfinite(without).any():
                    row[:] = without

    def search(self, scores, count):
        """The best choices of a character for each group, (answers, groups), and their scores. Exact where
        groups may agree and count is 1; a beam otherwise, since characters of different groups must
        differ."""
        groups, size = scores.shape
        best = scores.argmax(axis=1)
        if count == 1 and (not self.rules.repeat or len(set(best)) == groups):
            return best[None], [scores.max(axis=1).sum()]
        distinct = self.rules.repeat and np.isfinite(scores).any(axis=0).sum() >= groups
        beam = max(self.beam, 8 * count)
        width = min(size, beam + groups)                         # enough that no group runs out of characters
        chosen, totals = np.zeros((1, 0), int), np.zeros(1)
        for row in scores:
            candidates = np.argpartition(-row, width - 1)[:width]
            sums = totals[:, None] + row[candidates]
            if distinct:
                sums[(chosen[:, :, None] == candidates).any(axis=1)] = -np.inf
            order = np.argsort(-sums, axis=None, kind="stable")[:beam]
            order = order[np.isfinite(sums.reshape(-1)[order])]
            before, which = np.unravel_index(order, sums.shape)
            chosen = np.concatenate([chosen[before], candidates[which][:, None]], axis=1)
            totals = sums[before, which]
        return chosen, totals


def distance(line, other):
    """Positions in which two lines of one length differ."""
    return sum(a != b for a, b in zip(line, other))
