"""Segmented text in other forms than one sentence a line with blanks between words.

    今天/t 天气/n                         words with tags, as in the People's Daily; also 今天_NT
    [中国/ns 人民/n]nt                    the same with compound words, of which the parts are the words
    今/B 天/E                             characters, each with its place in a word; also 今_B
    今 B                                  a character and its tag a line, blank lines between sentences; other
    天 E                                  columns may stand between them

A text may contain slashes, and lines may happen to have as many words: the share of such words decides, and
whether there are few tags which recur. Other forms are refused by name, see OTHERS.
"""

import collections
import functools
import itertools
import re

from common.harness.reading import InputError

TAG, CLOSED = "[A-Za-z][A-Za-z0-9-]{0,11}", 4                 # compound words that end with one word
MARK = re.compile(rf"\[{{1,{CLOSED}}}|\]/?{TAG}")             # of a compound word, between blanks
NUMBER = re.compile(r"\d{8}-\d{2}-\d{3}-\d{3}(/m)?")         # of a line of the People's Daily
FEW, MOST = 0.2, 0.8                                          # shares of words with tags
KINDS, COMMONEST = 150, 0.02                                  # tags of a corpus, and share of the commonest
COLUMN_TAG, SAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,19}"), 0.95      # and share of lines that are alike
LOOKED_AT = 50_000                                            # lines that tell whether they are columns
EXPECTED = "sentences, one a line, with blanks between words"

BEGINS = {"B", "S", "U", "O"}                                 # of BMES, BIES, BILOU, BIO and the six tags
ENDS = {"E", "S", "L", "U", "O"}
CONTINUES = {"M", "I", "E", "L", "B2", "B3"}

HAN, TOKEN_END = r"[^\x00-\x7f]", 40                          # words of ASCII may hold such marks
OTHERS = {                                                    # what ends a token → its form
    rf"{HAN}/": "a slash behind each word",
    rf"{HAN}[(（]{TAG}[)）]": "tags in brackets",
    rf"{HAN}[|#]{TAG}": "tags after | or #",
    rf"(?:^|\s)[/_|#]{TAG}": "tags between blanks",
    r"(?:^|\s)\(+[A-Z][A-Za-z0-9:-]*|[^()]\)+": "trees in brackets",
}
SENTENCES_LOOKED_AT, OFTEN = 5_000, 0.4                       # "/ ".join gives half of two words a slash


def sentences_in(lines, path):
    """The words of each sentence, in whatever form the lines of a file have.

    Raises:
        InputError: a form that is known and not read, or a line that is not of its form.
    """
    if looks_like_columns(lines):
        return joined(lines, path)
    lines = list(filter(None, lines))                         # ten million empty lines would be lists
    return list(map(parser_for(lines, path), lines))


def few_that_recur(tags):
    """Whether counted strings may be tags: few kinds, of which none is rare on the whole."""
    total = tags.total()
    return 0 < 2 * len(tags) <= total and len(tags) <= KINDS and max(tags.values()) >= COMMONEST * total


# ------------------------------------------------------------------------------------------------------- tags

def parser_for(lines, path):
    """Function of a line → its words, for lines like these: str.split, or one that leaves out tags."""
    refuse_others(lines, path)
    for separator in "/_":
        count, single, tags, example = count_tags(lines, separator)
        share = tags.total() / max(1, count)
        if share <= FEW or not few_that_recur(tags):
            continue
        if share < MOST:
            raise InputError(f"{path} should hold {EXPECTED}. Received: tags, such as {example}, at "
                             f"{share:.0%} of the words, where all or none should have one")
        if are_places(tags):
            check_places(tags, single, path, f"tags such as {example}")
            print(f"note: {path} holds characters with tags, such as {example}, which are joined to words",
                  flush=True)
            return functools.partial(joined_line, separator=separator, path=path)
        print(f"note: the words of {path} have tags, such as {example}, which are left out", flush=True)
        return functools.partial(untagged, separator=separator)
    if number := next(filter(NUMBER.match, lines), ""):
        print(f"note: the lines of {path} have numbers, such as {number.split()[0][:30]}, which are left out",
              flush=True)
        return unnumbered
    return str.split


def refuse_others(lines, path):
    """InputError where most words have marks of a form that is not read."""
    found, examples, count = collections.Counter(), {}, 0
    for line in itertools.islice(lines, SENTENCES_LOOKED_AT):
        for token in line.split():
            count += 1
            if match := _other().search(token[-TOKEN_END:]):
                found[match.lastgroup] += 1
                examples.setdefault(match.lastgroup, line.strip()[:60])
    for number, name in enumerate(OTHERS.values()):
        group = f"form{number}"
        if found[group] > OFTEN * count:
            raise InputError(f"{path} should hold {EXPECTED}. Received: {name}, as in {examples[group]!r}")


@functools.cache
def _other():
    return re.compile("|".join(rf"(?P<form{number}>{end})\Z" for number, end in enumerate(OTHERS)))


def count_tags(lines, separator):
    """(how many words there are, how many of the tagged are one character, a Counter of tags, an example).

    Words of ASCII do not count: paths and names in programs look as if they had tags, and numbers of lines
    are no words."""
    count, single, tags, example = 0, 0, collections.Counter(), ""
    for line in lines:
        for token in line.split():
            word, tag = word_and_tag(token, separator)
            if word.isascii():
                continue
            count += 1
            if tag:
                tags[tag] += 1
                single += len(word) == 1
                example = example or f"{word}{separator}{tag}"[:30]
    return count, single, tags, example


def untagged(line, separator):
    """The words of a line without their tags, and without the brackets of compound words."""
    words = []
    for token in unnumbered(line):
        word, tag = word_and_tag(token, separator)
        if tag or not MARK.fullmatch(token):
            words.append(word)
    return words


def unnumbered(line):
    """The words of a line, without its number."""
    words = line.split()
    return words[1:] if words and NUMBER.fullmatch(words[0]) else words


def joined_line(line, separator, path):
    """The words of a line of characters with tags."""
    pairs = [word_and_tag(token, separator) for token in unnumbered(line)]
    for character, tag in pairs:
        if not (tag and kind_of(tag) in BEGINS | CONTINUES):
            raise InputError(f"{path} should hold characters with tags of B M E S or the like. "
                             f"Received: {character[:30]!r} in {line.strip()[:60]!r}")
    return joined_words((character, kind_of(tag)) for character, tag in pairs)


def word_and_tag(token, separator):
    """今天 and t of 今天/t, of [今天/t and of 今天/t]nt; the token and None where there is no tag."""
    if separator not in token:
        return token, None
    rest = token.lstrip("[")
    if rest != token and rest.startswith(separator):
        rest = f"[{rest}"                                     # a bracket is the word
    tag = _tag_at_end(separator).search(rest, 1)
    return (rest[:tag.start()], tag[1]) if tag else (token, None)


@functools.cache
def _tag_at_end(separator):
    return re.compile(rf"{separator}({TAG})(?:\]{separator}?{TAG}){{0,{CLOSED}}}\Z")


# ---------------------------------------------------------------------------------------------------- columns

def looks_like_columns(lines):
    """Whether nearly all of the first lines have as many columns, with what may be tags in the last or the
    first."""
    rows, width = first_rows(lines)
    for place in (0, -1):
        column = [row[place] for row in rows if len(row) == width]
        tags = collections.Counter(filter(COLUMN_TAG.fullmatch, column))
        if width > 1 and tags.total() >= SAME * len(rows) and few_that_recur(tags):
            return are_places(tags) or are_divided(lines, rows)
    return False


def are_divided(lines, rows):
    """Whether rows are more than lines of as many words: tabs, blank lines between some of them, or a column
    of numbers."""
    if any("\t" in line for line in itertools.islice(lines, LOOKED_AT)):
        return True
    blocks = itertools.groupby(itertools.islice(lines, LOOKED_AT), key=is_row)
    count = sum(filled for filled, _ in blocks)
    if count > 1 and len(rows) >= 2 * count:
        return True
    return any(sum(map(str.isdigit, column)) >= SAME * len(rows) for column in zip(*rows))


def is_row(line):
    """Whether a line is neither blank nor a comment of CoNLL-U."""
    return bool(line.strip()) and not line.startswith("# ")


def first_rows(lines):
    """(the columns of each of the first LOOKED_AT lines, how many most of them have)."""
    rows = [fields_of(line) for line in itertools.islice(lines, LOOKED_AT) if is_row(line)]
    widths = collections.Counter(map(len, rows))
    return rows, max(widths, key=widths.get, default=0)


def fields_of(line):
    """The columns of a line, which tabs divide, or where there is none, blanks."""
    return line.rstrip().split("\t") if "\t" in line else line.split()


def joined(lines, path):
    """The sentences of columns with a character in the first and its tag in the last."""
    rows, width = first_rows(lines)
    example = repr(next(filter(is_row, lines)).strip()[:60])
    tags = collections.Counter(row[-1] for row in rows)
    check_places(tags, sum(len(row[0]) == 1 for row in rows), path, f"columns such as {example}")
    print(f"note: {path} holds a character and its tag a line, such as {example}: they are joined to words",
          flush=True)
    sentences = []
    for filled, block in itertools.groupby(enumerate(lines, 1), key=lambda pair: bool(pair[1].strip())):
        if filled:
            pairs = (character_and_kind(line, number, width, path) for number, line in block)
            sentences.append(joined_words(pairs))
    return sentences


def character_and_kind(line, number, width, path):
    row = fields_of(line)
    kind = kind_of(row[-1])
    if len(row) != width or kind not in BEGINS | CONTINUES:
        raise InputError(f"line {number} of {path} should hold {width} columns, a character first and its "
                         f"tag last. Received: {line.rstrip()[:60]!r}")
    return row[0].strip(), kind


# ----------------------------------------------------------------------------------------------------- places

def joined_words(pairs):
    """The words of (character, kind of its tag)."""
    words, before = [], "E"
    for character, kind in pairs:
        if character and (kind in BEGINS or before in ENDS):
            words.append(character)
        elif character:
            words[-1] += character
        before = kind if character else "E"                   # a blank is in no word
    return words


def are_places(tags):
    """Whether counted tags say where in a word a character stands."""
    kinds = kinds_of(tags)
    return "B" in kinds and sum(kinds[kind] for kind in BEGINS | CONTINUES) >= SAME * tags.total()


def check_places(tags, single, path, received):
    """InputError where tags, of which `single` are those of one character, do not make words."""
    kinds = kinds_of(tags)
    typed = any(re.match("[BMIE][-_]", tag) for tag in tags)
    if not are_places(tags):
        why = "and its last is no tag of B M E S, B I O or the like"
    elif 2 * single < tags.total():
        why = "words, not characters"
    elif 2 * kinds["O"] > tags.total() or (typed and "O" in kinds):
        why = "which look like tags of entities, not of words"
    else:
        return
    raise InputError(f"{path} should hold {EXPECTED}. Received: {received}, {why}")


def kinds_of(tags):
    """Counted tags as counted kinds of them."""
    kinds = collections.Counter()
    for tag, count in tags.items():
        kinds[kind_of(tag)] += count
    return kinds


@functools.lru_cache(maxsize=1000)
def kind_of(tag):
    """B of B, b, B-n and B_n."""
    return re.split("[-_]", tag)[0].upper()
