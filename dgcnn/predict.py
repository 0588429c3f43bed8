"""Answers a question from passages, with the model in dgcnn/weights.

    python dgcnn/predict.py --question 白云山的海拔是多少 --passage one.txt two.txt     files; several vote
    python dgcnn/predict.py --question 白云山的海拔是多少 --text 白云山坐落在广州，主峰海拔382米
    python dgcnn/predict.py --question 白云山的海拔是多少 < passages.txt                a passage a line
    ... --json                                                                     for programs
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import json
from dataclasses import dataclass
from typing import Annotated

from common.harness import cli, console
from common.harness.language import in_users_language
from common.harness.paths import named_path
from common.harness.reading import InputError, check_text, read_text
from common.harness.writing import ROOT
from dgcnn.reader import Reader
from dgcnn.text import normalise

AROUND = 30          # characters of the passage before and after a marked answer


@dataclass
class Config:
    question: str = ""
    """Question to answer."""
    passage: tuple[pathlib.Path, ...] = ()
    """Files of UTF-8 text, each one passage."""
    text: tuple[str, ...] = ()
    """Passages, typed here. Without --passage and --text, each line of standard input is a passage."""
    run: pathlib.Path = ROOT / "dgcnn/weights/dgcnn.keras"
    """Run folder of dgcnn/train.py, or a .keras file with vocab.json beside it."""
    answers: Annotated[int, cli.Between(1, 100)] = 5
    """Answers to print at most."""
    threshold: Annotated[float, cli.Between(0, 1)] | None = None
    """Print no answer if the best one is less likely to be right than this. By default the threshold that
    training chose, see README.md; 0: always answer."""
    json: bool = False
    """Print JSON: the answers, how likely each is right, and where each stands."""


def predict(config):
    """Prints the ranked answers and returns them."""
    question = config.question.strip()
    check_text(question, "--question")
    if not question:
        raise InputError("--question expects a question. Received: nothing")
    passages = read_passages(config)
    reader = Reader.load(config.run)
    check_known(question, reader.encode.vocab)
    # all answers, however unlikely
    found = reader.answers(question, [text for _, text in passages], config.answers, threshold=0.0)
    threshold = reader.calibration.threshold if config.threshold is None else config.threshold
    answers = found if found and found[0].probability >= threshold else []
    if config.json:
        found = [as_json(answer, passages) for answer in answers]
        print(json.dumps({"question": question, "answers": found}, ensure_ascii=False, indent=2))
    else:
        show(answers, passages, found)
    return answers


def read_passages(config):
    """(name, text) of every passage."""
    for text in config.text:
        check_text(text, "--text")
    passages = [(str(path), read_text(named_path(path, "--passage"))) for path in config.passage]
    passages += [(f"text {number}", text) for number, text in enumerate(config.text, 1)]
    if not passages:
        lines = console.read_all().splitlines()
        passages = [(f"line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    if not passages:
        raise InputError(in_users_language(
            "expected a passage: --passage FILE, --text, or lines on standard input. Received: none",
            "需要一段材料：--passage 文件、--text 文字，或从标准输入逐行读入。收到：没有材料"))
    for name, text in passages:
        if not text.strip():
            raise InputError(f"a passage expects text. Received: nothing in {name}")
    return passages


def check_known(question, vocab):
    """Names the characters that the model does not know, and refuses a question that has no others."""
    characters = "".join(normalise(question).split())
    unknown = vocab.unknown_in(characters)
    if len(unknown) == len(set(characters)):
        raise InputError(in_users_language(
            "expected a question with characters that the model was trained on; it is for Chinese. "
            f"Received: {question[:60]!r}",
            f"问题里应有模型训练时见过的字；模型只读中文。收到：{question[:60]!r}"))
    if unknown:
        note = in_users_language("note: the model does not know", "注意：模型不认识")
        print(note, unknown[:40], file=sys.stderr)


def show(answers, passages, found):
    """Prints the answers with the chance that each is right, and where the first one stands; where all that
    were found are too unlikely, the best of these."""
    if not answers:
        print(in_users_language("(no answer)", "（没有答案）"))
        if found:
            guess = in_users_language("the best guess is", "最接近的是")
            print(f"{guess} {found[0].text}, {found[0].probability:.0%}")
        return
    for answer in answers:
        print(f"{answer.probability:4.0%}  {answer.text}")
    for span in answers[0].spans:
        name, text = passages[span.passage]
        print(f"\n{name}:\n{marked(text, span.start, span.stop)}")


def marked(text, start, stop):
    """The surroundings of an answer in its passage, with the answer in brackets, all on one line."""
    before, after = text[max(0, start - AROUND):start], text[stop:stop + AROUND]
    if start > AROUND:
        before = f"…{before}"
    if stop + AROUND < len(text):
        after = f"{after}…"
    return " ".join(f"{before}【{text[start:stop]}】{after}".split())


def as_json(answer, passages):
    """An answer and its spans for --json."""
    spans = [{"passage": passages[span.passage][0], "start": span.start, "stop": span.stop, "text": span.text,
              "score": round(span.score, 6)} for span in answer.spans]
    return {"answer": answer.text, "probability": round(answer.probability, 4),
            "score": round(answer.score, 6), "spans": spans}


if __name__ == "__main__":
    cli.main(predict, Config, __doc__)
