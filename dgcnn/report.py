"""What a trained model is worth: its answers, scored as the competition did, and a picture of one.

Exact match (EM): the answer is one of those that are right, after half and full width, case, simplified and
traditional are made alike and blanks, punctuation and the kit's symbols are dropped; or it has the same parts
between those, in any order. F1: of the characters that are left, the best over the right answers. Their mean
is the score of the article's leaderboard. Where no answer is right, none is: EM and F1 are 1 for "no answer",
else 0.
"""

import collections
import json
from dataclasses import replace

import keras
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure

from common.harness.writing import write_figure, write_lines
from dgcnn.batches import most_similar
from dgcnn.calibration import Calibration, curve
from dgcnn.data import Passage
from dgcnn.features import features_of
from dgcnn.reader import THRESHOLD, Answer, is_mark, vote
from dgcnn.text import normalise

# of a collection such as Noto Sans CJK, Matplotlib knows the first language alone
FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei",
         "WenQuanYi Micro Hei", "SimHei", "Microsoft YaHei", "PingFang SC", "Heiti SC", "Arial Unicode MS",
         "Droid Sans Fallback"]
COLOURS = {"start": "C0", "end": "C1", "attention": "C2"}
LENGTHS = [(1, 4), (5, 8), (9, 16), (17, 32), (33, 4096)]      # of answers, in characters
SHOWN = 80               # characters of a text in the picture, at most
# What the competition's kit drops besides punctuation. Other symbols, such as ℃, count: 5℃ is not 5.
SYMBOLS = frozenset("$+<=>^`|~¢¤¥¨°±×÷ˇˉ№←↑→↓∈∑√∞∠∨∩∴∵∶≈≌≠≡≤≥≮≯⊙⊥⌒■□▲△◆◇◎●★☆♀♂々〓￣")


# ---------------------------------------------------------------------------------------------------- answers

def normalise_answer(text):
    """What answers are compared by: normalised, without blanks, punctuation and symbols."""
    return "".join(parts_of(text)) or "".join(normalise(text).split())


def parts_of(text):
    """What stands between blanks, punctuation and symbols in a text, normalised."""
    kept = [" " if is_mark(character) or character in SYMBOLS else character for character in normalise(text)]
    return "".join(kept).split()


def exact_match(answer, right):
    """1 where the answer is one of those that are right; "" is right where there is none."""
    if not right:
        return float(not answer)
    return float(any(is_same(answer, text) for text in right))


def is_same(answer, right):
    """Whether two answers are one for the competition: 上海、北京 is 北京 上海. A point parts, too, so 5.1 is
    1.5."""
    if normalise_answer(answer) == normalise_answer(right):
        return True
    parts = set(parts_of(answer))
    return bool(parts) and parts == set(parts_of(right))


def character_f1(answer, right):
    """The best F1 of the answer's characters, as multisets, over the right answers."""
    if not right:
        return float(not answer)
    given, best = collections.Counter(normalise_answer(answer)), 0.0
    for text in right:
        wanted = collections.Counter(normalise_answer(text))
        best = max(best, 2 * (given & wanted).total() / max(1, given.total() + wanted.total()))
    return best


def row_of(question, answer, **more):
    """One line of answers.jsonl."""
    return {"id": question.id, "file": question.source, "question": question.text, "answer": answer,
            "right": list(question.answers), "em": exact_match(answer, question.answers),
            "f1": round(character_f1(answer, question.answers), 4), **more}


def answer_all(reader, questions, root=False, rule="squares"):
    """Rows for all questions, each answered by the vote of its passages.

    Args:
        root: see spans_of.
        rule: see vote.
    """
    texts = []
    for question in questions:
        texts.append((question.text, [passage.text for passage in question.passages]))
    curves_of_all = reader.curves(texts)
    pairs = zip(questions, curves_of_all)
    return [_answer(reader, question, curves, root, rule) for question, curves in pairs]


def _answer(reader, question, curves, root, rule):
    spans = [reader.spans(passage.text, pair, root) for passage, pair in zip(question.passages, curves)]
    answers = reader.ranked(spans, 1, rule) or [Answer("", 0.0, [])]
    return row_of(question, answers[0].text, score=round(answers[0].score, 6),
                  probability=round(answers[0].probability, 4), passages=len(spans),
                  refused=answers[0].probability < reader.calibration.threshold,
                  **_refusals(reader, question, spans))


def _refusals(reader, question, spans_of_passages):
    """Of the passages without an answer, each read alone, how many get none, and all their scores."""
    scores = []
    for passage, spans in zip(question.passages, spans_of_passages):
        if not passage.answers:
            answers = vote([spans], 1)
            scores.append(answers[0].score if answers else 0.0)
    refused = reader.calibration.probability(scores) < reader.calibration.threshold
    return {"without_answer": len(scores), "left_unanswered": int((refused | (np.array(scores) == 0)).sum())}


def answerless(questions):
    """Each question with the one passage of the others that resembles it most and holds none of its answers;
    questions for which there is none are left out."""
    texts = [passage.text for question in questions for passage in question.passages]
    normalised = [normalise(text) for text in texts]
    found = []
    ranked = most_similar([normalise(question.text) for question in questions], normalised, count=30)
    for question, numbers in zip(questions, ranked):
        right = [normalise(answer) for answer in question.answers]
        for i in numbers:
            if right and not any(answer in normalised[i] for answer in right):
                found.append(replace(question, passages=[Passage(texts[i])], answers=()))
                break
    return found


def calibrate(reader, questions):
    """The Calibration of a reader by questions, each asked of its passages and of one without an answer."""
    questions = [question for question in questions if question.answers]
    rows = answer_all(reader, questions) + answer_all(reader, answerless(questions))
    right = [row["em"] * bool(row["right"]) for row in rows]
    return Calibration.fit([row["score"] for row in rows], right, *values_of(rows))


def values_of(rows):
    """(the mean of EM and F1 of each row, whether its question has an answer)."""
    values = np.array([(row["em"] + row["f1"]) / 2 for row in rows])
    return values, np.array([bool(row["right"]) for row in rows])


# ---------------------------------------------------------------------------------------------------- metrics

def scores(rows):
    """Mean EM and F1, and the mean of both."""
    em = float(np.mean([row["em"] for row in rows]))
    f1 = float(np.mean([row["f1"] for row in rows]))
    return {"em": em, "f1": f1, "score": (em + f1) / 2}


def scores_by_file(rows):
    """The scores of each file's questions."""
    files = collections.defaultdict(list)
    for row in rows:
        files[row["file"]].append(row)
    return {file: scores(found) for file, found in files.items()}


def mean_scores(rows):
    """The mean of the files' scores: a large file counts no more than a small one."""
    found = collections.defaultdict(list)
    for of_file in scores_by_file(rows).values():
        for name, value in of_file.items():
            found[name].append(value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def metrics(rows):
    """The metrics of results.json: over all test questions, and of each file's where there are several."""
    result = {f"test_{name}": value for name, value in scores(rows).items()}
    files = scores_by_file(rows)
    if len(files) > 1:
        for file, found in files.items():
            result |= {f"{file}_{name}": value for name, value in found.items()}
    result |= scores_by_length(rows)
    result["test_lost_by_refusing"] = lost_by_refusing(rows)
    without_answer = sum(row.get("without_answer", 0) for row in rows)      # passages, not questions
    if without_answer:
        result["test_left_unanswered"] = sum(row["left_unanswered"] for row in rows) / without_answer
    return result


def scores_by_length(rows):
    """The score of questions whose shortest right answer has so many characters, for each of LENGTHS."""
    result = {}
    for least, most in LENGTHS:
        found = [row for row in rows if row["right"] and least <= min(map(len, row["right"])) <= most]
        if found:
            result[f"answers_of_{least}_to_{most}_score"] = scores(found)["score"]
            result[f"answers_of_{least}_to_{most}_count"] = len(found)
    return result


def reliability(rows):
    """Of the answers from one passage with a probability in each fifth, how many there are and the share that
    is right."""
    given = [row for row in rows if row["answer"] and row["passages"] == 1]
    fifths = [min(4, int(5 * row["probability"])) for row in given]
    result = {}
    for fifth in range(5):
        right = [row["em"] for row, of in zip(given, fifths) if of == fifth]
        name = f"probability_{20 * fifth}_to_{20 * fifth + 20}"
        result |= {f"{name}_count": len(right), f"{name}_right": float(np.mean(right or [0.0]))}
    return result


def lost_by_refusing(rows):
    """What the score loses where answers below the threshold count as none, over questions with an answer."""
    lost = [(row["em"] + row["f1"]) / 2 * row.get("refused", False) for row in rows if row["right"]]
    return float(np.mean(lost or [0.0]))


def write(reader, questions, folder, **how):
    """Answers questions, writes answers.jsonl and a picture of the first, and returns the metrics.

    Args:
        how: root, rule of answer_all.
    """
    rows = answer_all(reader, questions, **how)
    others = answer_all(reader, answerless(questions), **how)
    write_lines(folder / "answers.jsonl", [json.dumps(row, ensure_ascii=False) for row in rows])
    draw_example(reader, questions[0], folder / "example.png")
    if others:
        draw_refusal(reader.calibration, rows + others, folder / "refusal.png")
    refused = [row["refused"] or not row["answer"] for row in others]
    similar = {"similar_left_unanswered": float(np.mean(refused or [0.0]))}
    return metrics(rows) | similar | reliability(rows + others)


# --------------------------------------------------------------------------------------------------- pictures

def draw_refusal(calibration, rows, path):
    """What refusing is worth: of the passages without an answer the share that gets none, against what the
    score of the others loses, over all thresholds; and the chosen one."""
    probabilities = np.array([row["probability"] for row in rows])
    thresholds, refused, lost = curve(probabilities, *values_of(rows))
    chosen = np.searchsorted(thresholds, calibration.threshold)
    chosen = min(int(chosen), len(thresholds) - 1)
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(lost, refused, drawstyle="steps-post")
    axes.plot(lost[chosen], refused[chosen], "o", label=f"threshold {calibration.threshold:.2f}")
    axes.set(xlabel="loss of score, answerable", ylabel="refused, unanswerable", ylim=(0, 1))
    axes.legend(loc="lower right")
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=80))


def draw_example(reader, question, path):
    """Where the model looks in a question, and start and end along its passage's first characters."""
    passage = question.passages[0].text
    [[curves]] = reader.curves([(question.text, [passage])])
    attention, attention_of_passage = _attention(reader, question.text, passage)
    figure = Figure(figsize=(14, 5), layout="constrained")
    above, below = figure.subplots(2, 1)
    _draw(above, question.text, {"attention": attention})
    _draw(below, passage, {"start": curves[:, 0], "end": curves[:, 1], "attention": attention_of_passage})
    below.axhline(THRESHOLD, color="grey", linewidth=0.5)
    above.set_title(f"question {question.id}", parse_math=False)
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=100))


def _draw(axes, text, lines):
    """Curves along a text; one that is None is left out."""
    shown = min(len(text), SHOWN)
    for name, values in lines.items():
        if values is not None:
            axes.plot(values[:shown], drawstyle="steps-mid", color=COLOURS[name], label=name)
    axes.set_xlim(-0.5, shown - 0.5)
    axes.legend(loc="upper right", fontsize="small")
    installed = {font.name for font in font_manager.fontManager.ttflist}
    font = next((name for name in FONTS if name in installed), None)
    if font:      # without a Chinese font the characters' numbers stand below, and the texts in answers.jsonl
        axes.set_xticks(range(shown), text[:shown], fontname=font)


def _attention(reader, question, passage):
    """λ of the two pooling layers for a question and the first window of a passage.

    None stands for a layer that the model does not have."""
    asked, read = reader.encode(question), reader.encode(passage[:reader.size])
    inputs = [numbers[None] for numbers in (*asked, *read)]
    if reader.encode.features:
        values = features_of(reader.encode.features, question, [passage])[0]
        inputs.append(values[None, :reader.size])
    masks = {"question_attention": asked[0] > 0, "passage_attention": read[0] > 0}
    names = [layer.name for layer in reader.model.layers]
    return [_distribution(reader.model, name, inputs, mask[None]) if name in names else None
            for name, mask in masks.items()]


def _distribution(model, name, inputs, mask):
    layer = model.get_layer(name)
    x = keras.tree.flatten(layer.input)[0]                       # of a loaded model, the mask is an input too
    before = keras.Model(model.inputs, x)(inputs)
    return keras.ops.convert_to_numpy(layer.distribution(before, mask))[0]
