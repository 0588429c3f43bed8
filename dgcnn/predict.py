"""Answers a question from passages, with the model in dgcnn/weights.

    python dgcnn/predict.py --question 白云山的海拔是多少 --passage one.txt two.txt      files of text; several vote
    python dgcnn/predict.py --question 白云山的海拔是多少 --text 白云山坐落在广州，主峰海拔382米
    python dgcnn/predict.py --question 白云山的海拔是多少 < passages.txt                 a passage on each line
    ... --json                                                                      for programs
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import json
from dataclasses import dataclass

from common import runs
from common.datasets import check_text, decoded
from dgcnn.features import fold
from dgcnn.reading import Reader

BEFORE = AFTER = 30          # characters of the passage around a marked answer


@dataclass
class Config:
    question: str
    """The question."""
    passage: tuple[pathlib.Path, ...] = ()
    """Files of UTF-8 text, each one passage."""
    text: tuple[str, ...] = ()
    """Passages as they are typed. With neither: a passage on each line of standard input."""
    run: pathlib.Path = runs.ROOT / "dgcnn/weights/dgcnn.keras"
    """Run folder of dgcnn/train.py, or a .keras file with vocab.json beside it."""
    answers: int = 5
    """Answers to print at most."""
    json: bool = False
    """Prints JSON: the answers with their scores, and where they stand in which passage."""


def predict(config):
    """Prints the ranked answers and returns them."""
    if not 1 <= config.answers <= 100:
        raise runs.InputError(f"--answers expects 1 to 100. Received: {config.answers}")
    for name, text in [("--question", config.question), *(("--text", text) for text in config.text)]:
        check_text(text, name)
    question = config.question.strip()
    if not question:
        raise runs.InputError("--question expects a question. Received: nothing")
    passages = [(str(path), _read(path)) for path in config.passage]
    passages += [(f"text {number}", text) for number, text in enumerate(config.text, 1)]
    if not passages:
        lines = decoded(sys.stdin.buffer.read(), "standard input").splitlines()
        passages = [(f"line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]
        if not passages:
            raise runs.InputError("expected a passage: --passage FILE, --text, or lines on standard input. Received: none")
    for name, text in passages:
        if not text.strip():
            raise runs.InputError(f"a passage expects text. Received: nothing in {name}")
    reader = Reader.load(config.run)
    unknown = reader.encode.vocab.unknown_in(_folded(question))
    if len(unknown) == len(set(_folded(question))):
        raise runs.InputError("expected a question with characters that the model was trained on; it is for Chinese. "
                              f"Received: {question[:60]!r}")
    if unknown:
        print(f"note: the model does not know {unknown[:40]}", file=sys.stderr)
    answers = reader.answers(question, [text for _, text in passages], config.answers)
    if config.json:
        print(json.dumps({"question": question, "answers": [_as_json(answer, passages) for answer in answers]},
                         ensure_ascii=False, indent=2))
        return answers
    if not answers:
        print("(no answer)")
    for answer in answers:
        print(f"{answer.score:.3f}  {answer.text}")
    if answers:
        for span in answers[0].spans:
            name, text = passages[span.passage]
            print(f"\n{name}, {span.score:.3f}:\n{marked(text, span.start, span.stop)}")
    return answers


def marked(text, start, stop):
    """The surroundings of an answer in its passage, with the answer in brackets, all on one line."""
    low, high = max(0, start - BEFORE), min(len(text), stop + AFTER)
    line = f"{'…' if low else ''}{text[low:start]}【{text[start:stop]}】{text[stop:high]}{'…' if high < len(text) else ''}"
    return " ".join(line.split())


def _as_json(answer, passages):
    return {"answer": answer.text, "score": round(answer.score, 6), "spans": [
        {"passage": passages[span.passage][0], "start": span.start, "stop": span.stop, "text": span.text,
         "score": round(span.score, 6)} for span in answer.spans]}


def _folded(text):
    return "".join(fold(text).split())


def _read(path):
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise runs.InputError(f"--passage expects a file of text in UTF-8. Received: {path} ({error})") from error


if __name__ == "__main__":
    runs.main(predict, Config, __doc__)
