"""The closed classes of words of the dialect, from samples/dialect.txt, and the patterns made of them.

Nothing there is about one table. What is in no list, in no column's name and in no cell is a word that was
not used. No Keras in here.
"""

import pathlib
import re

from common.harness.reading import read_text
from nl2sql.sql import EQ, GE, GT, LE, LT, NE

FILE = pathlib.Path(__file__).resolve().parents[1] / "samples/dialect.txt"
GREATEST, LEAST = 1, -1
NUMERAL = "(?:[0-9]+|[一二两三四五六七八九十]+)"


def read_lists():
    """{name: [the parts of each of its lines]}; a part is a list of words."""
    lists = {}
    for line in read_text(FILE).splitlines():
        if line and not line.startswith("#"):
            name, _, words = line.partition(" = ")
            lists.setdefault(name, []).append([part.split() for part in f"{words} ".split(" | ")])
    return lists


def one_of(words):
    """A pattern for any of some patterns, those of the longest words first."""
    return "|".join(sorted(words, key=len, reverse=True))


def any_of(words):
    """A pattern for any of some words as they stand, the longest first."""
    return one_of(map(re.escape, words))


LISTS = read_lists()
LISTED = {name: parts[0][0] for name, parts in LISTS.items()}            # of names with one line of one part
MEASURES = LISTED["measure"]
MEASURE = f"(?:一?(?:{any_of(MEASURES)}))"
ENTITY = f"(?:一?(?:{any_of(set(MEASURES) - set('块层亩'))}))"            # 几块 may be money, 几层 a height
OPERATORS = {"ge": GE, "le": LE, "gt": GT, "lt": LT, "eq": EQ, "ne": NE}
WORDS_BEFORE = {word: operator for name, operator in OPERATORS.items() for word in LISTS[name][0][0]}
WORDS_BEHIND = {word: operator for name, operator in OPERATORS.items() for word in LISTS[name][0][1]}
# behind a day, a month, a year or a time of day
AFTER = dict.fromkeys(LISTED["after_from"], GE) | dict.fromkeys(LISTED["after"], GT)
UNTIL = dict.fromkeys(LISTED["before_to"], LE) | dict.fromkeys(LISTED["before"], LT)
# adjective → (GREATEST or LEAST, parts of the names of columns that it is about)
DIRECTIONS = {}
for _great, _small, _about in LISTS["adjective"]:
    DIRECTIONS |= dict.fromkeys(_great, (GREATEST, _about)) | dict.fromkeys(_small, (LEAST, _about))
# what a column can be about → (words that ask for it, units, parts of such columns' names, their kinds)
CONCEPTS = {name.removeprefix("concept "): parts[0] for name, parts in LISTS.items()
            if name.startswith("concept ")}
ASKED = {concept: re.compile(one_of(parts[0])) for concept, parts in CONCEPTS.items() if parts[0]}
# units of one kind and their sizes: {"年": 12, "月": 1}
SIZES = [dict(zip(units, map(float, sizes))) for units, sizes in LISTS["size"]]
SCALES = [scale for scale, in LISTS["scale"]]
HEADS, SPENDING = LISTED["head"], LISTED["spend"]
SYNONYMS = [group for group, in LISTS["synonyms"]]
LEANINGS = LISTS["leaning"]
SURNAMES = set(LISTED["surname"])
PEOPLE = re.compile(one_of(LISTED["people"]))
AVERAGE, TOTAL = any_of(LISTED["average"]), any_of(LISTED["total"])
EACH = f"每一?{MEASURE}?|各个?{MEASURE}?|分别?按照?|按照?|不同的?|分|以(?=.{{1,6}}(?:分组|为单位))"
RELATIVE, REASON = re.compile(one_of(LISTED["relative"])), re.compile(one_of(LISTED["reason"]))
NOT = re.compile(f"(?:{one_of(LISTED['not'])})(?:{one_of(LISTED['not_verb'])})*$")
OR_WORDS = any_of(LISTED["or"])
EMPTY_WORDS = tuple(LISTED["empty"])
FLAGS = [tuple(pair.split("/")) for pair in LISTED["flag"]]
FLAG_NAME = re.compile(f"^(?:{any_of(LISTED['flag_name'])})")
FLAG_TAIL = re.compile(f"(?:{any_of(LISTED['flag_tail'])})$")
ROWS, PERSONS, VERBS, TAILS = (LISTED[name] for name in ("row", "person", "verb", "tail"))
NOUN, PERSON, VERB, TAIL = (f"(?:{any_of(words)})" for words in (ROWS + PERSONS, PERSONS, VERBS, TAILS))
# words that the fillers, some of which are one character, must not cut
KEPT = [word for word in (*ROWS, *PERSONS, *VERBS, *TAILS, "不及格", "及格") if len(word) > 1]
# what stands between things that were read and carries no condition of its own; group 1 is what is kept
FILLERS = re.compile(f"({any_of(KEPT)})|{one_of(LISTED['frame'])}|{one_of(LISTED['filler'])}|{MEASURE}")
