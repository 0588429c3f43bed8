"""Words that no column, cell, number or closed class explains: some are explained by their place. No Keras in
here.

    explain_rest(sentence)      (words unused, words that only their place explains, nouns for the rows,
                                words of which it is asked what they are)
"""

import re

from nl2sql.dialect.names import ASKED_OF, is_tail, leftovers
from nl2sql.dialect.words import MEASURE, NOUN, PERSON, VERB

PERSONS, NOUNS, VERBS = (re.compile(f"{pattern}+") for pattern in (PERSON, NOUN, VERB))
QUANTIFIED = re.compile(f"(?:哪些|哪一?{MEASURE}|哪几{MEASURE}|几{MEASURE}|多少{MEASURE}|每一?{MEASURE}|"
                        f"各{MEASURE}?|所有的?|全部的?|{MEASURE})$")
ENDS = re.compile("(?:有哪些?|有谁|有几|有多少|有什么|都有|分别|是哪|叫什么|最|一共|总共|共|各|按|从|,|"
                  "[?？。!]|$)")
# between a value and its verb, between a verb and its value
TELLING = ("best", "top", "sorted", "average", "total", "number", "period", "time", "flag", "cell")
LISTED_BY = "(?:都|分别)?有(?:哪|谁|几|多少|什么)"
BEHIND_VALUE = "(?:[在从到往于由的了被是年月日以后前之内起都还,]|一共|总共)*"
BEFORE_VALUE = f"(?:[在从到往于由自给了过的得]|哪些|哪个|什么|几|多少|{MEASURE})*"


VALUES = ("cell", "period", "number", "time", "concept", "best", "column", "part", "synonym", "count",
          "total")


def explain_rest(sentence):
    unused, open_words, nouns, attributes = [], [], [], []
    used = [token for token in sentence.tokens if token.used]
    for start, end in leftovers(sentence.text, used, sentence.spans):
        words = sentence.text[start:end]
        roles = roles_of(sentence, start, end, used)
        if roles is None:
            unused.append(words)
            if is_attribute(sentence, start, end):
                attributes.append(words)
        elif "open" in roles:
            open_words.append(words)
        if roles and {"noun", "open"} & set(roles):
            nouns.append(words)
    each = [token for token in sentence.of("each") if sentence.words(token)[0] in "每各"]
    for token in each + sentence.of("best", "top", "sorted", "average", "number", "period", "time"):
        if not any(word in sentence.words(token) or sentence.words(token) in word for word in unused):
            unused.append(sentence.words(token))         # of fillers, and yet they say something: 每种
    return unused, open_words, nouns, attributes


def is_attribute(sentence, start, end):
    """Whether it is asked what a word is: 的违约金是多少, 体重多少, 热量最低, 的邮箱."""
    asked = ASKED_OF.match(sentence.text, end) or sentence.behind("[?？。]?$|(?:和|及|、)?最", end)
    return bool(asked and not sentence.behind(LISTED_BY, end))


def roles_of(sentence, start, end, used):
    """The roles of a run of characters, which may be two words, as a list; or None."""
    whole = role_of(sentence, start, end, used)
    if whole:
        return [whole]
    for middle in range(start + 1, end):
        pair = [role_of(sentence, start, middle, used), role_of(sentence, middle, end, used)]
        if all(pair) and "open" not in pair:
            return pair
    return None


def role_of(sentence, start, end, used):
    """ "tail", "noun", "verb", "open", or None: what a word is by its place."""
    words, text = sentence.text[start:end], sentence.text
    before = [token for token in used if token.end <= start]
    touching = bool(before) and before[-1].end == start
    if is_asked_of_row(sentence, start, end, before):
        return None
    if touching and before[-1].kind in ("column", "part", "cell", "synonym", "flag") and is_tail(words):
        return "tail"
    if is_noun(sentence, words):
        return "noun"
    if is_verb(sentence, start, end, used):
        return "verb"
    if touching and len(words) == 1 and before[-1].kind == "cell" and start - before[-1].start > 1:
        return "open"                                    # 自动挡 of a cell 自动
    if any(token.start < end and start < token.end for token in sentence.of(*TELLING)):
        return None
    attribute = ASKED_OF.match(text, end) and not sentence.behind(LISTED_BY, end)
    if is_part_of_name(sentence, words, used):
        return "noun"
    if len(words) > 4 or attribute:
        return None
    if QUANTIFIED.search(text[:start]) and ENDS.match(text, end):
        return "open"
    return None


def is_asked_of_row(sentence, start, end, before):
    """Whether it is asked what a word is of one row or of all: 项目的客户是谁, 智慧园区的客户."""
    if not sentence.text[:start].endswith("的") or not before or before[-1].end != start - 1:
        return False
    owner = before[-1]
    of_row = owner.kind == "cell" and sentence.facts.is_key(owner.value[0][0])
    asked, ends = ASKED_OF.match(sentence.text, end), sentence.behind("[?？。]?$", end)
    if owner.kind in ("column", "part", "synonym"):
        return sentence.behind("(?:是|为)?(?:谁|什么(?!时候)|多少)", end) is not None
    return of_row and bool(asked or ends)


def is_noun(sentence, words):
    """Whether a noun stands for the rows: one of any table's, or one in the name of their column."""
    facts = sentence.facts
    if PERSONS.fullmatch(words):
        return facts.key in facts.people or bool(facts.people and not facts.names[facts.key].endswith("名"))
    key = facts.names[facts.key]
    return NOUNS.fullmatch(words) is not None or words in key


def is_part_of_name(sentence, words, used):
    """Whether a noun is a part of some column's name, and what is asked for is named: 马丽的卡何时到期."""
    named = [token for token in used if token.kind in ("column", "part", "synonym")]
    return bool(named) and any(words in name for name in sentence.facts.names)


def is_verb(sentence, start, end, used):
    """Whether a verb stands beside a value, and before what is asked or 的."""
    words, text = sentence.text[start:end], sentence.text
    if not VERBS.fullmatch(words):
        return False
    values = [token for token in used if token.kind in VALUES]
    behind = [text[token.end:start] for token in values if token.end <= start]
    before = [text[end:token.start] for token in values if token.start >= end]
    near = any(re.fullmatch(BEHIND_VALUE, gap) for gap in behind)
    near = near or any(re.fullmatch(BEFORE_VALUE, gap) for gap in before)
    return near and sentence.negation(start) is None
