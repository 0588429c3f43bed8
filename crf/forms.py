"""Segmented text in other forms than one sentence a line with blanks between words.

    今天/t 天气/n                         words with tags, as in the People's Daily; also 今天_NT
    [中国/ns 人民/n]nt                    the same with compound words, of which the parts are the words
    今 B                                  a character and its tag a line, blank lines between sentences; other
    天 E                                  columns may stand between them

A text may contain slashes: the share of such words decides.
"""

import collections
import functools
import itertools
import re

from common.harness.reading import InputError

TAG, CLOSED = "[A-Za-z][A-Za-z0-9-]{0,11}", 4                 # compound words that end with one word
MARK = re.compile(rf"\[{{1,{CLOSED}}}|\]/?{TAG}")             # of a compound word, between blanks
NUMBER = re.compile(r"\d{8}-\d{2}-\d{3}-\d{3}")               # of a line of the People's Daily
FEW, MOST = 0.2, 0.8                                          # shares of words with tags
COLUMN_TAG, SAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,19}"), 0.95      # and share of lines that are alike
LOOKED_AT = 50_000                                            # lines that tell whether they are columns
EXPECTED = "sentences, one a line, with blanks between words"

BEGINS = {"B", "S", "U", "O"}                                 # of BMES, BIES, BILOU, BIO and the six tags
ENDS = {"E", "S", "L", "U", "O"}
CONTINUES = {"M", "I", "E", "L", "B2", "B3"}


def sentences_in(lines, path):
    """The words of each sentence, in whatever form the lines of a file have.

    Raises:
        InputError: a form that is known and not read, or a line that is not of its form.
    """
    if looks_like_columns(lines):
        return joined(lines, path)
    lines = list(filter(None, lines))                         # ten million empty lines would be lists
    return list(map(parser_for(lines, path), lines))


# ------------------------------------------------------------------------------------------------------- tags

def parser_for(lines, path):
    """Function of a line → its words, for lines like these: str.split, or one that leaves out tags."""
    count = sum(len(line.split()) for line in lines)
    for separator in "/_":
        share = sum(1 for _ in tagged_tokens(lines, separator)) / max(1, count)
        if share <= FEW:
            continue
        example = next(token for token in tagged_tokens(lines, separator) if not NUMBER.match(token))[:30]
        if share < MOST:
            raise InputError(f"{path} should hold {EXPECTED}. Received: tags, such as {example}, at "
                             f"{share:.0%} of the words, where all or none should have one")
        print(f"note: the words of {path} have tags, such as {example}, which are left out", flush=True)
        return functools.partial(untagged, separator=separator)
    return str.split


def tagged_tokens(lines, separator):
    """Yields what is a word with a tag."""
    for line in lines:
        if separator in line:
            yield from (token for token in line.split() if word_of(token, separator))


def untagged(line, separator):
    """The words of a line without their tags, and without the brackets of compound words."""
    words = []
    for token in line.split():
        if word := word_of(token, separator):
            words.append(word)
        elif not MARK.fullmatch(token):
            words.append(token)
    return words[1:] if words and NUMBER.fullmatch(words[0]) else words


def word_of(token, separator):
    """The word in 今天/t, in [中国/ns or in 人民/n]nt; None where there is no tag."""
    rest = token.lstrip("[")
    if rest != token and rest.startswith(separator):
        rest = f"[{rest}"                                     # a bracket is the word
    tag = _tag_at_end(separator).search(rest, 1)
    return rest[:tag.start()] if tag else None


@functools.cache
def _tag_at_end(separator):
    return re.compile(rf"{separator}{TAG}(?:\]{separator}?{TAG}){{0,{CLOSED}}}\Z")


# ---------------------------------------------------------------------------------------------------- columns

def looks_like_columns(lines):
    """Whether nearly all of the first lines have as many columns, with what may be tags in the last or the
    first."""
    rows, width = first_rows(lines)
    for place in (0, -1):
        tags = [row for row in rows if len(row) == width and COLUMN_TAG.fullmatch(row[place])]
        if width > 1 and len(tags) >= SAME * len(rows):
            return True
    return False


def first_rows(lines):
    """(the columns of each of the first LOOKED_AT lines, how many most of them have)."""
    rows = [fields_of(line) for line in itertools.islice(lines, LOOKED_AT) if line.strip()]
    widths = collections.Counter(map(len, rows))
    return rows, max(widths, key=widths.get, default=0)


def fields_of(line):
    """The columns of a line, which tabs divide, or where there is none, blanks."""
    return line.rstrip().split("\t") if "\t" in line else line.split()


def joined(lines, path):
    """The sentences of columns with a character in the first and its tag in the last."""
    rows, width = first_rows(lines)
    example = next(line.strip()[:60] for line in lines if line.strip())
    check_columns(rows, example, path)
    sentences, before = [[]], "E"
    for number, line in enumerate(lines, 1):
        if not line.strip():
            sentences.append([])
            before = "E"
            continue
        row = fields_of(line)
        tag = kind_of(row[-1])
        if len(row) != width or tag not in BEGINS | CONTINUES:
            raise InputError(f"line {number} of {path} should hold {width} columns, a character first and "
                             f"its tag last. Received: {line.rstrip()[:60]!r}")
        character = row[0].strip()
        if character and (tag in BEGINS or before in ENDS):
            sentences[-1].append(character)
        elif character:
            sentences[-1][-1] += character
        before = tag if character else "E"                    # a blank is in no word
    return sentences


def check_columns(rows, example, path):
    """Says that the columns are joined; InputError where they are no characters with tags of words."""
    kinds = collections.Counter(kind_of(row[-1]) for row in rows)
    typed = any(re.match("[BMIE][-_]", row[-1]) for row in rows)
    if "B" not in kinds or sum(kinds[kind] for kind in BEGINS | CONTINUES) < SAME * len(rows):
        why = "and its last is no tag of B M E S, B I O or the like"
    elif 2 * sum(len(row[0]) == 1 for row in rows) < len(rows):
        why = "words, not characters"
    elif 2 * kinds["O"] > len(rows) or (typed and "O" in kinds):
        why = "which look like tags of entities, not of words"
    else:
        print(f"note: {path} holds a character and its tag a line, such as {example!r}: they are joined to "
              "words", flush=True)
        return
    raise InputError(f"{path} should hold {EXPECTED}. Received: columns such as {example!r}, {why}")


@functools.lru_cache(maxsize=1000)
def kind_of(tag):
    """B of B, b, B-n and B_n."""
    return re.split("[-_]", tag)[0].upper()
