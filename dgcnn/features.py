"""The eight features of the 2018 article (人工特征): what a passage shares with its question, and with the
question's other passages.

    Q-E全匹配     1 where the question has the token
    E-E共现       share of the question's passages that have it besides this one; 0 where there is but one
    Q-E软匹配     Jaccard similarity of the question and the window of its length around the token
    相对编辑距离   their edit distance, divided by the question's length

There are four for characters and four for words; those of a word stand at each of its characters, where the
article's tokens are words and it takes their characters' mean. Windows end with the passage: the article's X
is no token.
"""

import collections
import itertools

import numpy as np
from rapidfuzz.distance import Levenshtein

from dgcnn import kinds
from dgcnn.text import normalise, segment

MATCHES = 8
COUNTS = {"match": MATCHES, "kinds": MATCHES + kinds.COUNT}      # features by the name of --features
PRIVATE, ROOM = 0xF0000, 0xFFFE          # a plane of characters that no text has, and how many they are


def features_of(name, question, passages):
    """For each passage of a question an array (characters, COUNTS[name]) in float32."""
    found = match_features(question, passages)
    if name == "match":
        return found
    return [np.concatenate([values, kinds.kind_features(question, passage)], axis=1)
            for values, passage in zip(found, passages)]


def match_features(question, passages):
    """For each passage of a question an array (characters, MATCHES) in float32."""
    question = normalise(question)
    texts = [normalise(passage) for passage in passages]
    words = [segment(text) for text in texts]
    by_character = _match_tokens(question, texts)
    asked, *coded = _words_as_characters([segment(question), *words])
    by_word = _match_tokens(asked, coded)
    return [np.concatenate([characters, _at_each_character(values, row)], axis=1)
            for characters, values, row in zip(by_character, by_word, words)]


def _words_as_characters(texts):
    """Lists of words as texts in which a character stands for a word: comparing characters compares words."""
    numbers, coded = {}, []
    for words in texts:
        for word in words:
            numbers.setdefault(word, len(numbers))
        coded.append("".join(chr(PRIVATE + numbers[word] % ROOM) for word in words))
    return coded


def _at_each_character(values, words):
    """(words, 4) → (characters, 4)."""
    lengths = np.array([len(word) for word in words], "int64")
    return np.repeat(values, lengths, axis=0)


def _match_tokens(question, texts):
    """For each text (tokens, 4); a token is a character."""
    asked, found = set(question), []
    passages_with = collections.Counter(itertools.chain(*map(set, texts)))
    for text in texts:
        values = np.zeros((len(text), 4), "float32")
        for place, token in enumerate(text):
            elsewhere = (passages_with[token] - 1) / len(texts)
            values[place] = token in asked, elsewhere, *_match_window(question, asked, text, place)
        found.append(values)
    return found


def _match_window(question, asked, text, place):
    """Jaccard similarity and relative edit distance of the question and the window around a place."""
    size = max(1, len(question))
    start = place - size // 2
    window = text[max(0, start):start + size]
    around = set(window)
    both = len(around & asked)
    if not both:
        # Without a shared token nothing can stay: the distance is the longer one's length, the question's.
        return 0.0, 1.0
    return both / len(around | asked), Levenshtein.distance(question, window) / size
