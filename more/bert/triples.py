"""Passages with a question and its answer, for question_answer.py, from the files that dgcnn reads, and split
as dgcnn splits them: its reader has seen none of the test passages either. No Keras in here."""

import collections
import functools
import hashlib
import json
import unicodedata
from typing import NamedTuple

from common.harness import datasets
from common.harness.reading import InputError, check_text, read_text
from common.harness.vocab import is_han, to_simplified
from common.harness.writing import ROOT

SAMPLE = ROOT / "dgcnn/samples/questions.json"
PARTS = 20                               # of the questions
TEST, VALIDATION = 2, 1                  # the first parts are for testing, the next ones for validation
STOPS = "。！？!?；;，,、\n"               # where a passage may be cut
ANSWER, QUESTION = 16, 48                # characters at most


class Triple(NamedTuple):
    passage: str
    answer: str
    question: str


class Asked(NamedTuple):
    """A question, its (passage, answer) pairs, and whether its file is for testing alone."""

    question: str
    pairs: list
    tested: bool


def load_triples(data="", most=126, smoke=False):
    """(training triples, test triples, files): of each question with an answer in its first passage.

    Args:
        data: "" for the folder mrc in KEXUE_DATA or the cache, or dgcnn's sample; or a file or folder of JSON
            in the author's format or SQuAD's.
        most: characters of a passage; longer ones are cut to the piece around the answer.
        smoke: take the sample for "".
    """
    note = ("NOTE: the built-in questions are too few to learn from. Put CMRC 2018, DRCD and WebQA, see the "
            "README of dgcnn, into mrc/ of the folder that KEXUE_DATA names.")
    path = datasets.find_text("sample" if smoke and not data else data, ["mrc"], SAMPLE, note)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    asked = [question for file in files for question in read_questions(file)]
    parts = parts_of(asked)
    found = {"train": [], "test": []}
    for question, part in zip(asked, parts):
        triple = None if question.tested else triple_of(question, most)
        if triple and part in found:
            found[part].append(triple)
    if not found["train"] or not found["test"]:
        counts = f"{len(found['train'])} to train on, {len(found['test'])} to test on"
        raise InputError(f"{path} should hold questions with answers that stand in their passages. "
                         f"Received: {len(asked)} questions, {counts}")
    return found["train"], found["test"], files


# ---------------------------------------------------------------------------------------------------- reading

def read_questions(path):
    """The Asked of a JSON file: a list in the author's format, or SQuAD's articles."""
    try:
        content = json.loads(read_text(path))
        squad = isinstance(content, dict)
        records = list(of_squad(content["data"]) if squad else of_author(content))
        for question, pairs in records:
            check_text(question + "".join(map("".join, pairs)), str(path))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} should hold questions as dgcnn reads them, in the author's format or "
                         f"SQuAD's. Received: {error!r:.100}") from error
    return [Asked(question, pairs, "_ir_" in path.name) for question, pairs in records]


def of_author(content):
    for record in content:
        pairs = [(part["passage"], part["answer"]) for part in record["passages"] if part["passage"].strip()]
        if pairs:
            yield record["question"].strip(), pairs


def of_squad(articles):
    for article in articles:
        for paragraph in article.get("paragraphs", [article]):
            for part in paragraph["qas"]:
                if paragraph["context"].strip():
                    answer = part["answers"][0]["text"] if part.get("answers") else ""
                    yield part["question"].strip(), [(paragraph["context"], answer)]


@functools.cache
def normal_form(character):
    """A character in half width, lower case and simplified; only where that is one character again."""
    form = unicodedata.normalize("NFKC", character)
    if len(form) == 1 and is_han(form):
        form = to_simplified(form)
    form = form.lower()
    return form if len(form) == 1 else character


def normalise(text):
    """A text in normal forms, as long as it was."""
    return "".join(map(normal_form, text))


# ---------------------------------------------------------------------------------------------------- triples

def parts_of(asked):
    """"train", "validation" or "test" for each question.

    Questions that share their wording or a passage are in one group, and the SHA-1 of its first question
    decides; a group that a file for testing asks, too, is for testing.
    """
    keys = []
    for question in asked:
        keys.append([key(question.question), *(f"passage {key(passage)}" for passage, _ in question.pairs)])
    # as dgcnn does, files for testing come last
    order = sorted(range(len(asked)), key=lambda i: asked[i].tested)
    groups = dict(zip(order, datasets.groups_of([keys[i] for i in order])))
    first, tested = collections.defaultdict(list), set()
    for i, question in enumerate(asked):
        if question.tested:
            tested.add(groups[i])
        else:
            first[groups[i]].append(keys[i][0])
    found = []
    for i in range(len(asked)):
        part = PARTS if asked[i].tested else digest(min(first[groups[i]]))
        if groups[i] in tested or part < TEST:
            found.append("test")
        else:
            found.append("validation" if part < TEST + VALIDATION else "train")
    return found


def digest(text):
    """A number below PARTS that depends on the text alone."""
    return int(hashlib.sha1(text.encode()).hexdigest(), 16) % PARTS


def key(text):
    """A text without what its writers vary: blanks and punctuation."""
    return "".join(filter(str.isalnum, normalise(text))) or text


def triple_of(question, most):
    """The Triple of an Asked, or None: no answer in the first passage that has one, or one too long."""
    answered = [pair for pair in question.pairs if pair[1].strip()]
    if not answered:
        return None
    passage, answer = (normalise(text.strip()) for text in answered[0])
    text = normalise(question.question)
    place = passage.find(answer)
    if place < 0 or len(answer) > ANSWER or not 0 < len(text) <= QUESTION:
        return None
    piece = piece_around(passage, place, place + len(answer), most)
    return Triple(piece, answer, text) if piece else None


def piece_around(passage, start, stop, most):
    """The clauses around passage[start:stop], as many before and after as `most` characters allow, or None
    where already its own clauses are longer."""
    ends = [i + 1 for i, character in enumerate(passage) if character in STOPS]
    edges = sorted({0, len(passage), *ends})
    first = max(i for i, edge in enumerate(edges) if edge <= start)
    last = min(i for i, edge in enumerate(edges) if edge >= stop)
    if edges[last] - edges[first] > most:
        return None
    grown = True
    while grown:
        grown = False
        if last + 1 < len(edges) and edges[last + 1] - edges[first] <= most:
            last, grown = last + 1, True
        if first and edges[last] - edges[first - 1] <= most:
            first, grown = first - 1, True
    return passage[edges[first]:edges[last]].strip()
