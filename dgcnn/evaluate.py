"""Answers every test question with a trained model and scores the answers as the competition did.

Exact match (EM): the answer is one of those that are right, after half and full width, case, simplified and traditional,
blanks and punctuation are made alike. F1: of the characters, the best over the right answers. Their mean is the score of
the article's leaderboard. Where no answer is right, none is: EM and F1 are 1 for "no answer", else 0.

    python dgcnn/evaluate.py --run runs/dgcnn/...          answers.jsonl has a line for each question
    python dgcnn/evaluate.py --data SogouQA.json --all     every question of a file, not its test part alone
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import collections
import json
from dataclasses import dataclass

import keras
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure

from common import runs
from dgcnn import data
from dgcnn.features import match_features
from dgcnn.reading import THRESHOLD, Reader, normalise, spans_of, vote

FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei",
         "WenQuanYi Micro Hei", "SimHei", "Microsoft YaHei", "PingFang SC", "Heiti SC", "Arial Unicode MS",
         "Droid Sans Fallback"]            # of a collection such as Noto Sans CJK, Matplotlib knows the first language alone
COLOURS = {"start": "C0", "end": "C1", "attention": "C2"}


@dataclass
class Config:
    run: pathlib.Path = runs.ROOT / "dgcnn/weights/dgcnn.keras"
    """Run folder of dgcnn/train.py, or a .keras file with vocab.json beside it."""
    data: str = ""
    """As for dgcnn/train.py."""
    all: bool = False
    """Every question, not the test part alone; for files that the model was not trained on."""
    out: pathlib.Path = runs.ROOT / "runs/dgcnn/evaluation"
    """Folder for answers.jsonl, metrics.json and the picture of one question."""


# ------------------------------------------------------------------------------------------------------------- scores

def exact_match(answer, right):
    """1 where the answer is one of those that are right; "" is right where there is none."""
    return float(normalise(answer) in map(normalise, right) if right else not answer)


def character_f1(answer, right):
    """The best F1 of the answer's characters, as multisets, over the right answers."""
    if not right:
        return float(not answer)
    a, best = collections.Counter(normalise(answer)), 0.0
    for b in map(collections.Counter, map(normalise, right)):
        best = max(best, 2 * (a & b).total() / max(1, a.total() + b.total()))
    return best


def row_of(question, answer, **more):
    """One line of answers.jsonl."""
    return {"id": question.id, "file": question.source, "question": question.text, "answer": answer,
            "right": list(question.answers), "em": exact_match(answer, question.answers),
            "f1": round(character_f1(answer, question.answers), 4), **more}


def answer_all(reader, questions):
    """Rows for all questions, each answered by the vote of its passages."""
    every, rows = reader.curves([(q.text, [passage.text for passage in q.passages]) for q in questions]), []
    for question, curves in zip(questions, every):
        spans = [spans_of(passage.text, *pair.T) for passage, pair in zip(question.passages, curves)]
        answers = vote(spans, 1)
        silent = [not found for found, passage in zip(spans, question.passages) if not passage.answers]
        text, score = (answers[0].text, round(answers[0].score, 4)) if answers else ("", 0.0)
        rows.append(row_of(question, text, score=score, passages=len(spans), without_answer=len(silent),
                           left_unanswered=sum(silent)))
    return rows


def scores(rows):
    """Mean EM and F1, and the mean of both."""
    em, f1 = (float(np.mean([row[name] for row in rows])) for name in ("em", "f1"))
    return {"em": em, "f1": f1, "score": (em + f1) / 2}


def scores_by_file(rows):
    """The scores of each file's questions."""
    files = dict.fromkeys(row["file"] for row in rows)
    return {file: scores([row for row in rows if row["file"] == file]) for file in files}


def mean_scores(rows):
    """The mean of the files' scores: a large file counts no more than a small one."""
    found = list(scores_by_file(rows).values())
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def metrics(rows):
    """The metrics of results.json: over all test questions, and of each file's."""
    result = {f"test_{name}": value for name, value in scores(rows).items()}
    files = scores_by_file(rows)
    for file, found in files.items() if len(files) > 1 else []:
        result |= {f"{file}_{name}": value for name, value in found.items()}
    if without := sum(row.get("without_answer", 0) for row in rows):      # passages that do not answer their question
        result["test_left_unanswered"] = sum(row["left_unanswered"] for row in rows) / without
    return result


def write_answers(rows, path):
    """A line of JSON for each question."""
    runs.write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


# ------------------------------------------------------------------------------------------------------------ picture

def draw_example(reader, question, path, most=80):
    """Where the model looks in a question, and start and end along its passage's first characters."""
    passage = question.passages[0].text
    [[curves]] = reader.curves([(question.text, [passage])])
    inputs = [numbers[None] for text in (question.text, passage[:reader.size]) for numbers in reader.encode(text)]
    if reader.encode.features:
        inputs.append(match_features(question.text, [passage])[0][None, :reader.size])
    font = next((name for name in FONTS if name in {f.name for f in font_manager.fontManager.ttflist}), None)
    figure = Figure(figsize=(14, 5), layout="constrained")
    above, below = figure.subplots(2, 1)
    rows = [(above, question.text, [("attention", _attention_of(reader, "question_attention", inputs, 0))]),
            (below, passage, [("start", curves[:, 0]), ("end", curves[:, 1]),
                              ("attention", _attention_of(reader, "passage_attention", inputs, reader.kinds))])]
    for axes, text, lines in rows:
        shown = min(len(text), most)
        for name, values in lines:
            if values is not None:
                axes.plot(values[:shown], drawstyle="steps-mid", color=COLOURS[name], label=name)
        axes.set_xlim(-0.5, shown - 0.5)
        axes.legend(loc="upper right", fontsize="small")
        if font:       # without a Chinese font the characters' numbers stand below, and the texts in answers.jsonl
            axes.set_xticks(range(shown), text[:shown], fontname=font)
    below.axhline(THRESHOLD, color="grey", linewidth=0.5)
    above.set_title(f"question {question.id}", parse_math=False)
    runs.write_figure(path, lambda file: figure.savefig(file, format="png", dpi=100))


def _attention_of(reader, name, inputs, mask_input):
    """λ of one of the model's pooling layers for one question and passage; None where the model has no such layer."""
    layer = next((layer for layer in reader.model.layers if layer.name == name), None)
    if layer is None:
        return None
    x = keras.tree.flatten(layer.input)[0]                        # of a loaded model, the mask is an input too
    before = keras.Model(reader.model.inputs, x)(inputs)
    return keras.ops.convert_to_numpy(layer.distribution(before, inputs[mask_input] > 0))[0]


def main(config):
    reader = Reader.load(config.run)
    questions = data.load_questions(config.data)
    every = [*questions.train, *questions.validation, *questions.test] if config.all else questions.test
    if not every:
        raise runs.InputError(f"{questions.source} has no test questions: --all takes all of them")
    rows = answer_all(reader, every)
    found = metrics(rows)
    out = pathlib.Path(config.out)
    write_answers(rows, out / "answers.jsonl")
    runs.write_json(out / "metrics.json", {"config": runs.as_json(config), "data": questions.describe(),
                                           "machine": runs.machine(), "versions": runs.versions(), "metrics": found})
    draw_example(reader, every[0], out / "example.png")
    print("\n".join(f"{name:>44} {value:.4g}" for name, value in found.items()))
    print(f"answers, metrics and a picture are in {runs.shown(out)}")
    return found


if __name__ == "__main__":
    runs.main(main, Config, __doc__)
