"""What the model sees of a text: folded characters, words, and the eight features of the 2018 article, which say what a
passage shares with its question and with the question's other passages:

    Q-E全匹配     1 where the question has the token
    E-E共现       share of all passages of the question that have it besides this one; 0 where there is but one passage
    Q-E软匹配     Jaccard similarity of the question and the window of its length around the token
    相对编辑距离   their edit distance, divided by the question's length

each for characters and for words, those of a word at each of its characters (the article's tokens are words, and it takes
their characters' mean). Windows end with the passage: the article's X is no token.
"""

import functools
import unicodedata

import numpy as np
from rapidfuzz.distance import Levenshtein

from common.vocab import is_han, to_simplified

COUNT = 8


@functools.cache
def _table():
    """From character to character, one to one, so that positions stay: half width, lower case, simplified."""
    table = {}
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    han = [character for character in characters if is_han(character)]
    simple = dict(zip(han, to_simplified("\n".join(han)).split("\n")))
    for character in characters:
        normal = unicodedata.normalize("NFKC", character)
        normal = simple.get(normal, normal).lower()
        if len(normal) == 1 and normal != character:
            table[ord(character)] = normal
    return table


def fold(text):
    """What the model sees of a text, as long as the text: half width, lower case, simplified characters."""
    return text.translate(_table())


def cut(text):
    """The words of a folded text, by rjieba without its guesses at new ones; digits and letters stand alone: 5409's way."""
    import rjieba

    words = rjieba.cut(text, False)
    return [part for word in words for part in (word if word.isascii() else [word])]


def match_features(question, passages):
    """For each passage of a question (characters, COUNT) in float32."""
    texts = [fold(passage) for passage in passages]
    words, number = [cut(fold(question)), *map(cut, texts)], {}
    # A word as one character of a private plane: what compares characters then compares words.
    coded = ["".join(chr(0xF0000 + number.setdefault(word, len(number)) % 0xFFFE) for word in row) for row in words]
    by_word = _features(coded[0], coded[1:])
    result = []
    for text, row, characters, part in zip(texts, words[1:], _features(fold(question), texts), by_word):
        repeated = np.repeat(part, [len(word) for word in row], axis=0) if row else part
        result.append(np.concatenate([characters, repeated.reshape(len(text), COUNT // 2)], axis=1))
    return result


def _features(question, texts):
    """For each text (tokens, 4), where a character is a token."""
    asked, size, sets = set(question), max(1, len(question)), [set(text) for text in texts]
    result = []
    for number, text in enumerate(texts):
        others = [tokens for i, tokens in enumerate(sets) if i != number]
        shared = {token: sum(token in tokens for tokens in others) / len(texts) for token in sets[number]}
        values = np.zeros((len(text), 4), "float32")
        for i, token in enumerate(text):
            window = text[max(0, i - size // 2):i - size // 2 + size]
            around = set(window)
            both = len(around & asked)
            # Without a shared token nothing can stay: the distance is the longer one's length, the question's.
            distance = Levenshtein.distance(question, window) / size if both else 1.0
            values[i] = token in asked, shared[token], both / len(around | asked), distance
        result.append(values)
    return result
