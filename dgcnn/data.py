"""Questions with passages, from the author's JSON or SQuAD's, split in a fixed way."""

import collections
import hashlib
import json
import pathlib
from dataclasses import dataclass, field

import numpy as np

from common.harness import datasets
from common.harness.download import cache_folder
from common.harness.language import in_users_language
from common.harness.paths import is_there, named_path
from common.harness.reading import InputError, check_text, read_text, sha256_of, sha256_of_all
from dgcnn.text import normalise

SAMPLE = pathlib.Path(__file__).resolve().parent / "samples/questions.json"
HOMES = "CMRC 2018 (github.com/ymcui/cmrc2018), DRCD (github.com/DRCKnowledgeTeam/DRCD), WebQA (Baidu)"
EXAMPLE = '[{"id": "1", "question": "...", "passages": [{"answer": "...", "passage": "..."}]}]'
PARTS = 20                 # of the questions; the first TEST of them are for testing, the next for validation
TEST, VALIDATION = 2, 1


@dataclass
class Passage:
    """A text and the answers in it; none where the question cannot be answered from it."""

    text: str
    answers: tuple = ()


@dataclass
class Question:
    id: str
    text: str
    passages: list
    source: str = ""
    answers: tuple = ()           # all that are right; none: "no answer" is


@dataclass
class Questions(datasets.Dataset):
    """Questions to train on, to choose the best epoch by and to test on, and where they are from."""

    train: list = field(default_factory=list)
    validation: list = field(default_factory=list)
    test: list = field(default_factory=list)

    def describe(self):
        """The `data` entry of results.json."""
        counts = {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}
        by_file = collections.Counter(question.source for question in self.test)
        return {**super().describe(), **counts, "test_by_file": dict(by_file)}


def load_questions(data=""):
    """Questions, split in a fixed way.

    Args:
        data: "" for the folder mrc in KEXUE_DATA or the cache, or the built-in sample where neither is;
            "sample"; or paths, separated by blanks, of JSON files or folders of them. Files whose names hold
            _ir_ are all for testing.

    Raises:
        InputError: nothing usable there, with the file, the line or the question, and the reason.
    """
    paths = _find(str(data))
    files = _files_in(paths)
    train, validation, test = split([(read_questions(file), "_ir_" in file.name) for file in files])
    names = ", ".join(file.stem for file in files)
    print(in_users_language(
        f"data: {len(train):,} questions to train on, {len(validation):,} for validation, {len(test):,} for "
        f"testing, from {names}",
        f"数据：训练问题 {len(train):,} 个，验证 {len(validation):,} 个，测试 {len(test):,} 个，"
        f"来自 {names}"), flush=True)
    if len(files) == 1:
        name, sha256 = files[0].stem, sha256_of(files[0])
    else:
        name, sha256 = paths[0].stem, sha256_of_all(files)
    return Questions(name, str(paths[0]), sha256, paths == [SAMPLE], train, validation, test)


def _find(data):
    """The paths that --data names: one, which may hold blanks, or several with blanks between them."""
    if data in ("", "sample"):
        note = in_users_language(
            "NOTE: training on the built-in questions, too few to learn from. The README's numbers need "
            f"{HOMES}: put\n      the JSON files into {cache_folder() / 'mrc'}, or name them with --data.",
            f"注意：用自带的少量问题训练，学不到什么。README 里的数字要用 {HOMES}：\n"
            f"      请把 JSON 文件放进 {cache_folder() / 'mrc'}，或用 --data 指定。")
        return [datasets.find_text(data, ["mrc"], SAMPLE, note)]
    found = []
    for name in [data] if is_there(data) or not data.strip() else data.split():
        path = named_path(name)
        if not path.exists():
            raise datasets.wrong_data("sample", path, "paths that exist")
        found.append(path)
    return found


def _files_in(paths):
    files = []
    for path in paths:
        if path.is_dir():
            files += sorted(path.glob("*.json"))
        else:
            files.append(path)
    if not files:
        others = sorted(path.name for path in paths[0].iterdir())
        received = ", ".join(others[:8]) or in_users_language("an empty folder", "空目录")
        raise InputError(in_users_language(f"{paths[0]} should hold .json files. Received: {received}",
                                           f"{paths[0]} 里应有 .json 文件。收到：{received}"))
    return files


# ---------------------------------------------------------------------------------------------------- reading

def read_questions(path):
    """The questions of a file in the author's format, a list of EXAMPLE's kind, or in SQuAD's (CMRC, DRCD).

    An answer that does not stand in its passage cannot be labelled: such passages stay for testing, but
    without answers to find, and a note counts them. Empty passages are left out, with a note too.
    """
    path = pathlib.Path(path)
    content = _read_json(path)
    read = _read_squad if isinstance(content, dict) else _read_author
    questions, places, empty, missing = [], {}, 0, []
    for where, question in read(content, path):
        check_text(question.id, f"the id of {where} in {path}")
        if question.id in places:
            raise InputError(f"{path} should hold each id once. "
                             f"Received: {question.id!r} at {places[question.id]} and {where}")
        places[question.id] = where
        passages = [passage for passage in question.passages if passage.text.strip()]
        empty += len(question.passages) - len(passages)
        missing += [f"{where}: {passage.answers[0]!r}" for passage in passages
                    if passage.answers and not find_answers(passage)]
        question.passages = passages
        if passages:
            questions.append(question)
    _check(path, questions, missing)
    if empty:
        print(in_users_language(f"note: {path.name}: {empty:,} empty passages are left out",
                                f"注意：{path.name}：略去 {empty:,} 段空材料"), flush=True)
    if missing:
        print(in_users_language(
            f"note: {path.name}: {len(missing):,} answers are not in their passages ({missing[0]}) and are "
            "left out of training",
            f"注意：{path.name}：{len(missing):,} 个答案不在材料里（{missing[0]}），不用于训练"), flush=True)
    return questions


def _read_json(path):
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InputError(f"{path}, {place}, is no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:        # ValueError: a number of 5,000 digits
        raise InputError(f"{path} should be a JSON file, but cannot be read as one: {error}") from error


def _check(path, questions, missing):
    """Raises InputError where most answers cannot be found: the file is of another kind."""
    if not questions:
        raise InputError(f"{path} should hold questions with passages, as {EXAMPLE}. Received: none")
    answered = sum(bool(passage.answers) for question in questions for passage in question.passages)
    if len(missing) > answered / 2:
        raise InputError(f"{path} should hold answers that stand in their passages. Received: "
                         f"{len(missing):,} of {answered:,} that do not, the first at {missing[0]}")


def _read_author(content, path):
    """(where, Question) of the author's format: a passage's answer is its own, and "" means none."""
    if not isinstance(content, list):
        raise InputError(f"{path} should hold a list of questions, as {EXAMPLE}. "
                         f"Received: {type(content).__name__}")
    for number, record in enumerate(content, 1):
        where = f"question {number}"
        if not isinstance(record, dict):
            raise InputError(f"{path}, {where}, should be an object, as {EXAMPLE}. "
                             f"Received: {str(record)[:60]!r}")
        text = _text(record, "question", path, where)
        passages = []
        for part in _list(record, "passages", path, where):
            passage = _text(part, "passage", path, where, empty=True)
            answer = _text(part, "answer", path, where, empty=True)
            passages.append(Passage(passage, (answer,) if answer.strip() else ()))
        name, right = str(record.get("id", number)), []
        for passage in passages:
            if passage.text.strip():
                right += passage.answers
        yield where, Question(name, text.strip(), passages, path.stem, tuple(dict.fromkeys(right)))


def _read_squad(content, path):
    """(where, Question) of SQuAD's format, each question with one passage.

    `context` may also stand above `paragraphs`, as in some releases of CMRC 2018, and answers may be missing
    or empty, as in SQuAD 2.0."""
    for number, article in enumerate(_list(content, "data", path, "the file"), 1):
        paragraphs = article.get("paragraphs", [article]) if isinstance(article, dict) else None
        if not isinstance(paragraphs, list):
            raise InputError(f"{path}, article {number}, should hold paragraphs. "
                             f"Received: {str(article)[:60]!r}")
        for place, paragraph in enumerate(paragraphs, 1):
            where = f"article {number}, paragraph {place}"
            context = _text(paragraph, "context", path, where, empty=True)
            for part in _list(paragraph, "qas", path, where):
                answers = _squad_answers(part, path, where)
                text = _text(part, "question", path, where)
                name = str(part.get("id", f"{where}: {text}"))
                passage = Passage(context, _learnt(answers, context))
                yield where, Question(name, text.strip(), [passage], path.stem, answers)


def _squad_answers(part, path, where):
    """The texts of a question's answers, each once; none where there are no answers."""
    if not isinstance(part, dict) or not part.get("answers"):
        return ()
    texts = [_text(answer, "text", path, where, empty=True) for answer in _list(part, "answers", path, where)]
    return tuple(dict.fromkeys(filter(str.strip, texts)))


def _learnt(answers, context):
    """The answer that is learnt: the first one that stands in the passage, else the first, or none.

    Annotators differ in where an answer ends. One is learnt, and all count in the test."""
    context = normalise(context)
    there = [answer for answer in answers if normalise(answer) in context]
    return tuple(there[:1]) or answers[:1]


def _text(record, name, path, where, empty=False):
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, str) or not (empty or value.strip()):
        raise InputError(f"{path}, {where}, should hold {name!r} as text. Received: {str(record)[:60]!r}")
    check_text(value, f"{name!r} in {path}, {where},")
    return value


def _list(record, name, path, where):
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, list):
        raise InputError(f"{path}, {where}, should hold {name!r} as a list. Received: {str(record)[:60]!r}")
    return value


# ------------------------------------------------------------------------------------------- texts and splits

def find_answers(passage):
    """(first, last) of every place where one of its answers stands in a passage, in characters."""
    text, spans = normalise(passage.text), set()
    for answer in {normalise(answer.strip()) for answer in passage.answers}:
        start = text.find(answer)
        while start >= 0:
            spans.add((start, start + len(answer) - 1))
            start = text.find(answer, start + 1)
    return sorted(spans)


def longest_answer(questions, share=0.99):
    """So many characters that of each file's questions this share has an answer no longer."""
    lengths = {}
    for question in questions:
        if question.answers:
            lengths.setdefault(question.source, []).append(min(map(len, question.answers)))
    return max((int(np.quantile(found, share, method="higher")) for found in lengths.values()), default=1)


def texts_of(questions):
    """The texts of questions and of their passages, normalised, each once."""
    texts = []
    for question in questions:
        texts.append(question.text)
        texts += [passage.text for passage in question.passages]
    return list(dict.fromkeys(map(normalise, texts)))


def split(files):
    """(training, validation, test) questions of [(questions, whether all are for testing), ...].

    Questions that share their wording or a passage stay together, else the test would ask for what training
    told. The SHA-1 of a group's first question decides. A group with a question that a file for testing asks
    too is for testing as well.
    """
    questions, held_out = [], []
    for found, for_testing in files:
        if for_testing:
            held_out += found
        else:
            questions += found
    groups = datasets.groups_of([_keys(question) for question in questions + held_out])
    asked = set(groups[len(questions):])
    first = {}
    for question, group in zip(questions, groups):
        key = _key(question.text)
        first[group] = min(key, first.get(group, key))
    train, validation, test = [], [], []
    for question, group in zip(questions, groups):
        part = int(hashlib.sha1(first[group].encode()).hexdigest(), 16) % PARTS
        if group in asked or part < TEST:
            test.append(question)
        elif part < TEST + VALIDATION:
            validation.append(question)
        else:
            train.append(question)
    return train, validation, test + held_out


def _keys(question):
    """What puts questions into one group: their wording, and each of their passages."""
    return [_key(question.text), *(f"passage {_key(passage.text)}" for passage in question.passages)]


def _key(text):
    """A text without what its writers vary: blanks and punctuation."""
    return "".join(filter(str.isalnum, normalise(text))) or text
