"""Questions with passages: the author's JSON and SQuAD's, what the model sees of a text, fixed splits, batches of crops."""

import collections
import hashlib
import json
import pathlib
from dataclasses import dataclass, field

import keras
import numpy as np

from common import datasets, devices
from common.datasets import InputError
from common.runs import write_whole
from common.vocab import FIRST, UNKNOWN, Vocab
from dgcnn.features import COUNT, cut, fold, match_features

SAMPLE = pathlib.Path(__file__).resolve().parent / "samples/questions.json"
HOMES = "CMRC 2018 (github.com/ymcui/cmrc2018), DRCD (github.com/DRCKnowledgeTeam/DRCD), WebQA (Baidu)"
EXAMPLE = '[{"id": "1", "question": "...", "passages": [{"answer": "...", "passage": "..."}]}]'


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
class Questions:
    """Questions to train on, to choose the best epoch by and to test on, and where they are from."""

    name: str
    source: str
    sha256: str
    builtin: bool
    train: list = field(default_factory=list)
    validation: list = field(default_factory=list)
    test: list = field(default_factory=list)

    def describe(self):
        """The `data` entry of results.json."""
        return {"name": self.name, "source": pathlib.Path(self.source).name, "sha256": self.sha256, "builtin": self.builtin,
                "train": len(self.train), "validation": len(self.validation), "test": len(self.test),
                "test_by_file": dict(collections.Counter(question.source for question in self.test))}


def load_questions(data=""):
    """Questions, split in a fixed way.

    Args:
        data: "" for the folder mrc in KEXUE_DATA or the cache, or the built-in sample where neither is; "sample"; or paths,
            separated by blanks, of JSON files or folders of them. Files whose names hold _ir_ are all for testing.

    Raises:
        InputError: nothing usable there, with the file, the line or the question, and the reason.
    """
    names = [data] if pathlib.Path(data).expanduser().exists() else str(data).split()
    found = [SAMPLE] if data == "sample" else [pathlib.Path(name).expanduser() for name in names] if data else [
        datasets.find("mrc") or SAMPLE]
    if not data and found == [SAMPLE]:
        print(f"NOTE: training on the built-in questions, too few to learn from. The README's numbers need {HOMES}: put\n"
              f"      the JSON files into {datasets.cache_folder() / 'mrc'}, or name them with --data.", flush=True)
    files = []
    for path in found:
        if not path.exists():
            raise InputError(f"--data expects sample or paths that exist. Received: {path}")
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{found[0]} should hold .json files. Received: "
                         f"{', '.join(sorted(p.name for p in found[0].iterdir())[:8]) or 'an empty folder'}")
    train, validation, test = split([(read_questions(file), "_ir_" in file.name) for file in files])
    sha256 = datasets.sha256_of(files[0]) if len(files) == 1 else hashlib.sha256(
        "".join(map(datasets.sha256_of, files)).encode()).hexdigest()
    name = files[0].stem if len(files) == 1 else found[0].stem
    print(f"data: {len(train):,} questions to train on, {len(validation):,} for validation, {len(test):,} for testing, from "
          f"{', '.join(file.stem for file in files)}", flush=True)
    return Questions(name, str(found[0]), sha256, found == [SAMPLE], train, validation, test)


# ------------------------------------------------------------------------------------------------------------- reading

def read_questions(path):
    """The questions of a file in the author's format, a list of EXAMPLE's kind, or in SQuAD's (CMRC 2018, DRCD).

    An answer that does not stand in its passage cannot be labelled: such passages stay for testing, but without answers to
    find, and a note counts them. Empty passages are left out, with a note too.
    """
    path = pathlib.Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno} column {error.colno}, is no JSON: {error.msg}") from None
    except (OSError, ValueError, RecursionError) as error:       # ValueError: no UTF-8, or a number of 5,000 digits
        raise InputError(f"{path} should be a JSON file in UTF-8, but cannot be read as one: {error}") from error
    records = _squad(content, path) if isinstance(content, dict) else _author(content, path)
    questions, ids, empty, missing = [], {}, 0, []
    for where, name, text, passages, answers in records:
        name = str(name)
        datasets.check_text(name, f"the id of {where} in {path}")
        if name in ids:
            raise InputError(f"{path} should hold each id once. Received: {name!r} at {ids[name]} and {where}")
        ids[name] = where
        kept = []
        for passage in passages:
            passage.answers = tuple(answer for answer in passage.answers if answer.strip())
            if not passage.text.strip():
                empty += 1
                continue
            if passage.answers and not find_answers(passage):
                missing.append(f"{where}: {passage.answers[0]!r}")
            kept.append(passage)
        if kept:
            right = dict.fromkeys(a for p in kept for a in p.answers) if answers is None else dict.fromkeys(answers)
            questions.append(Question(name, text.strip(), kept, path.stem, tuple(right)))
    if not questions:
        raise InputError(f"{path} should hold questions with passages, as {EXAMPLE}. Received: none")
    answered = sum(bool(p.answers) for q in questions for p in q.passages)
    if len(missing) > answered / 2:
        raise InputError(f"{path} should hold answers that stand in their passages. Received: {len(missing):,} of "
                         f"{answered:,} that do not, the first at {missing[0]}")
    for count, what in [(empty, "empty passages are left out"),
                        (len(missing), f"answers are not in their passages ({missing[0] if missing else ''}); "
                                       "these are not trained on")]:
        if count:
            print(f"note: {path.name}: {count:,} {what}", flush=True)
    return questions


def _author(content, path):
    """(where, id, question, passages, None) of the author's format: a passage's answer is its own, and "" means none."""
    if not isinstance(content, list):
        raise InputError(f"{path} should hold a list of questions, as {EXAMPLE}. Received: {type(content).__name__}")
    for number, record in enumerate(content, 1):
        where = f"question {number}"
        if not isinstance(record, dict):
            raise InputError(f"{path}, {where}, should be an object, as {EXAMPLE}. Received: {str(record)[:60]!r}")
        passages = []
        text = _text(record, "question", path, where)
        for part in _list(record, "passages", path, where):
            passages.append(Passage(_text(part, "passage", path, where, empty=True),
                                    (_text(part, "answer", path, where, empty=True),)))
        yield where, record.get("id", number), text, passages, None


def _squad(content, path):
    """(where, id, question, [passage], answers) of SQuAD's format. `context` may also stand above `paragraphs`, as in some
    releases of CMRC 2018, and answers may be missing or empty, as in SQuAD 2.0."""
    for number, article in enumerate(_list(content, "data", path, "the file"), 1):
        paragraphs = article.get("paragraphs", [article]) if isinstance(article, dict) else None
        if not isinstance(paragraphs, list):
            raise InputError(f"{path}, article {number}, should hold paragraphs. Received: {str(article)[:60]!r}")
        for place, paragraph in enumerate(paragraphs, 1):
            where = f"article {number}, paragraph {place}"
            context = _text(paragraph, "context", path, where, empty=True)
            for part in _list(paragraph, "qas", path, where):
                answers = tuple(dict.fromkeys(_text(answer, "text", path, where, empty=True) for answer in (
                    _list(part, "answers", path, where) if isinstance(part, dict) and part.get("answers") else [])))
                text = _text(part, "question", path, where)
                # Annotators differ in where an answer ends: the first one that is there is learnt, all count in the test.
                learnt = next((answer for answer in answers if fold(answer) in fold(context)), *answers[:1] or [None])
                yield (where, part.get("id", f"{where}: {text}"), text, [Passage(context, (learnt,) if learnt else ())],
                       tuple(filter(str.strip, answers)))


def _text(record, name, path, where, empty=False):
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, str) or not (empty or value.strip()):
        raise InputError(f"{path}, {where}, should hold {name!r} as text. Received: {str(record)[:60]!r}")
    datasets.check_text(value, f"{name!r} in {path}, {where},")
    return value


def _list(record, name, path, where):
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, list):
        raise InputError(f"{path}, {where}, should hold {name!r} as a list. Received: {str(record)[:60]!r}")
    return value


# --------------------------------------------------------------------------------------------------------------- texts

def find_answers(passage):
    """(first, last) of every place where one of its answers stands in a passage, in characters."""
    text, spans = fold(passage.text), set()
    for answer in {fold(answer.strip()) for answer in passage.answers}:
        start = text.find(answer)
        while start >= 0:
            spans.add((start, start + len(answer) - 1))
            start = text.find(answer, start + 1)
    return sorted(spans)


class Encoder:
    """A text as numbers: its characters', and for every character the number of the word that covers it.

    Args:
        vocab: the known characters, folded.
        words: the known words, which count from 2 as characters do; none: no numbers of words.
        features: whether the model wants match features too.
    """

    def __init__(self, vocab, words=(), features=False):
        self.vocab, self.words, self.features = vocab, list(words), features
        self.numbers = {word: number for number, word in enumerate(self.words, FIRST)}

    def __call__(self, text):
        """int32 arrays, each as long as the text: [characters] or [characters, words]."""
        text = fold(text)
        if not self.words:
            return [self.vocab.encode(text)]
        cuts = [(self.numbers.get(word, UNKNOWN), len(word)) for word in cut(text)]
        return [self.vocab.encode(text), np.repeat(*np.array(cuts, "int32").reshape(-1, 2).T).astype("int32")]

    def save(self, folder):
        self.vocab.save(folder / "vocab.json")
        if self.words:
            write_whole(folder / "words.txt", "".join(f"{word}\n" for word in self.words).encode())

    @classmethod
    def load(cls, folder, characters, words, features):
        """Of a run folder or of weights/, with the sizes of the model's two embeddings; 0 for no words."""
        folder = pathlib.Path(folder)
        vocab = Vocab.load(folder / "vocab.json", size=characters)
        try:
            known = (folder / "words.txt").read_text(encoding="utf-8").split("\n")[:-1] if words else []
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the model needs the words of its vectors beside it. Not readable: {folder / 'words.txt'} "
                             f"({error})") from error
        if words and len(known) + FIRST != words:
            raise InputError(f"{folder / 'words.txt'} does not belong to this model, which expects {words - FIRST:,} words. "
                             f"Received: {len(known):,}")
        return cls(vocab, known, features)


def windows(length, size):
    """(start, stop) of overlapping windows over a text: each of `size`, but for a shorter text; half of it is shared."""
    if length <= size:
        return [(0, length)]
    return [(start, start + size) for start in [*range(0, length - size, size // 2), length - size]]


# -------------------------------------------------------------------------------------------------------------- splits

def split(files):
    """(training, validation, test) questions of [(questions, whether all are for testing), ...].

    Questions that share their wording or a passage stay together, else the test would ask for what training told. The SHA-1
    of a group's first question decides: 2 of 20 are for testing, 1 of 20 for validation. A group with a question that a file
    for testing asks too is for testing as well.
    """
    every = [question for questions, held_out in files if not held_out for question in questions]
    held_out = [question for questions, for_test in files if for_test for question in questions]
    groups = datasets.groups_of([[_key(question.text), *("passage " + _key(passage.text) for passage in question.passages)]
                                 for question in every + held_out])
    asked, first = set(groups[len(every):]), {}
    train, validation, test = [], [], []
    for question, group in zip(every, groups):
        key = _key(question.text)
        first[group] = min(key, first.get(group, key))
    for question, group in zip(every, groups):
        share = int(hashlib.sha1(first[group].encode()).hexdigest(), 16) % 20
        (test if group in asked or share < 2 else validation if share == 2 else train).append(question)
    return train, validation, test + held_out


def _key(text):
    """A text without what its writers vary: blanks and punctuation."""
    return "".join(filter(str.isalnum, fold(text))) or text


# ------------------------------------------------------------------------------------------------------------- batches

class Batches(keras.utils.PyDataset):
    """Shuffled batches of questions with one passage each, cropped anew in every epoch; see runs.Batches.

    Passages longer than `size` are cropped to it, and half of those longer than size / 2 to a length between: mostly around
    an answer, one in ten anywhere, so that the model learns to see nothing too. Batches hold passages of similar length.

    Args:
        run: the Run, whose configuration has seed and batch_size and whose epoch is the one to deliver.
        questions: Questions to train on. Every passage is a sample; one whose answer does not stand in it is none.
        encode: an Encoder.
        size: characters of a passage at most.
        crop: False crops nothing short, and of a long passage takes the window of predict.py that holds its first answer.
        exchange: share of samples that get another question's passage without their answer: nothing to find in it.
        hide: share of the characters, and of the words' numbers, that are replaced by the unknown one.
    """

    def __init__(self, run, questions, encode, size=256, crop=True, exchange=0.1, hide=0.0):
        super().__init__()
        self.run, self.size, self.crop, self.exchange, self.hide = run, size, crop, exchange, hide
        self.features, self.asked, texts = {}, {}, {}

        def encoded(text):
            return texts.setdefault(text, len(texts))

        self.samples = []                          # (question, passage, spans, answers)
        for question in questions:
            answers = [fold(answer) for answer in question.answers]
            shared = match_features(question.text, [p.text for p in question.passages]) if encode.features else []
            if shared:
                self.asked.setdefault(encoded(question.text), [encoded(p.text) for p in question.passages])
            for number, passage in enumerate(question.passages):
                if shared:
                    self.features[encoded(question.text), encoded(passage.text)] = shared[number].astype("float16")
                if (spans := find_answers(passage)) or not passage.answers:
                    self.samples.append((encoded(question.text), encoded(passage.text), spans, answers))
        if not self.samples:
            raise InputError("expected passages to train on. Received: none whose answer stands in it")
        self.texts = [encode(text) for text in texts]
        self.folded = [fold(text) for text in texts]
        self.with_features = encode.features
        self.batch_size = devices.whole(min(run.config.batch_size, len(self.samples)))
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.epoch = self.run.epoch
        rng = np.random.default_rng([self.run.config.seed, self.epoch])
        order = rng.permutation(len(self.samples))[:len(self) * self.batch_size]
        rows = [self._row(rng, self.samples[i]) for i in order]
        pool, rows_in_order = 8 * self.batch_size, []
        for i in range(0, len(rows), pool):        # neighbours in length, yet of all files
            rows_in_order += sorted(rows[i:i + pool], key=lambda row: row[3] - row[2])
        self.batches = [rows_in_order[i:i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        self.batches = [self.batches[i] for i in rng.permutation(len(self.batches))]

    def _row(self, rng, sample):
        """(question, passage, start, stop, spans) of a sample in this epoch."""
        question, passage, spans, answers = sample
        if rng.random() < self.exchange:
            other = self.samples[rng.integers(len(self.samples))][1]
            if not any(answer in self.folded[other] for answer in answers):
                passage, spans = other, []
        length = len(self.folded[passage])
        if not self.crop:
            place = next((w for w in windows(length, self.size) if spans and w[0] <= spans[0][0] and spans[0][1] < w[1]),
                         windows(length, self.size)[0])
        else:
            place = random_crop(rng, length, spans, self.size)
        return question, passage, *place, spans

    def __len__(self):
        return len(self.samples) // self.batch_size

    def __getitem__(self, index):
        rows = self.batches[index]
        width, length = self._widths(rows)
        if index == 0:    # Keras on TensorFlow takes a dimension in which items 0 and 1 agree as fixed for all: they differ
            other = self._widths(self.batches[min(1, len(self) - 1)])
            width, length = width + (width == other[0]), length + (length == other[1])
        kinds = len(self.texts[0])
        questions, passages = np.zeros((kinds, len(rows), width), "int32"), np.zeros((kinds, len(rows), length), "int32")
        y = np.zeros((len(rows), length, 2), "float32")
        shared = np.zeros((int(self.with_features), len(rows), length, COUNT), "float32")
        for i, (question, passage, start, stop, spans) in enumerate(rows):
            for kind in range(kinds):
                numbers = self.texts[question][kind]
                questions[kind, i, :len(numbers)] = numbers
                passages[kind, i, :stop - start] = self.texts[passage][kind][start:stop]
            for part in shared:
                part[i, :stop - start] = self._shared(question, passage)[start:stop]
            for first, last in spans:              # an answer that the crop cuts is none
                if start <= first and last < stop:
                    y[i, first - start, 0] = y[i, last - start, 1] = 1
        rng = np.random.default_rng([self.run.config.seed, self.epoch, index])
        for numbers in (questions, passages):
            numbers[(rng.random(numbers.shape) < self.hide) & (numbers > 0)] = UNKNOWN
        return devices.share(((*questions, *passages, *shared), y))

    def _widths(self, rows):
        """Characters of the longest question in 8s, and of the longest passage in 32s: few shapes to compile for."""
        return (-(-max(len(self.texts[question][0]) for question, *_ in rows) // 8) * 8,
                -(-max(stop - start for _, _, start, stop, _ in rows) // 32) * 32)

    def _shared(self, question, passage):
        """Match features of a question and a passage. One that was exchanged stands beside the question's other passages,
        or E-E共现 would tell it from them."""
        if (question, passage) in self.features:
            return self.features[question, passage]
        others = self.asked[question][1:]
        return match_features(self.folded[question], [self.folded[text] for text in (passage, *others)])[0]


def random_crop(rng, length, spans, size):
    """(start, stop) of a random part of a passage; see Batches."""
    if length <= size // 2 or length <= size and rng.random() < 0.5:
        return 0, length
    part = size if length > size else int(rng.integers(size // 2, length + 1))
    low, high = 0, length - part
    if spans and rng.random() > 0.1:
        first, last = spans[rng.integers(len(spans))]
        if last - first < part:
            low, high = max(low, last + 1 - part), min(high, first)
    start = int(rng.integers(low, high + 1))
    return start, start + part
