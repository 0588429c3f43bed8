"""The article's network by its parameter count, decoding against the enumeration of all answers, both file
formats, and what a user may type."""

import dataclasses
import io
import itertools
import json
import math
import sys

import keras
import numpy as np
import pytest

from common.harness import cli
from common.harness.folder import RunFolder
from common.harness.models import save_model
from common.harness.reading import InputError
from common.harness.vocab import FIRST, Vocab
from couplet import baseline, data, decoding, predict, report, robot, tones, train
from couplet.decoding import ARTICLE, Decoder, Rules, clean
from couplet.robot import Robot, log_probs_of
from couplet.train import MIXERS, build_couplet, character_loss
from tests.recipes import configured

PAIRS = [("晚风摇树树还挺", "夜雨敲花花更香"), ("今天天气不错", "昨日人情无明"), ("鱼跃此时海", "鸟鸣何日人"),
         ("春风，又绿", "秋雨，初红"), ("山", "水"), ("江南", "塞北")]
VOCAB = Vocab.from_texts(line for pair in PAIRS for line in pair)


def random_log_p(rng, time, vocab=VOCAB):
    logits = rng.normal(size=(time, len(vocab)))
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


# ------------------------------------------------------------------------------------------------------ model

def test_parameter_counts():
    model = build_couplet(8000)
    assert model.count_params() == 8000 * 128 + 6 * (3 * 128 * 256 + 256) + 128 * 8000 + 8000
    for mixer in ("bilstm", "attention"):
        assert abs(build_couplet(8000, mixer=mixer).count_params() - model.count_params()) < 0.01 * 591_360


@pytest.mark.parametrize("mixer", list(MIXERS))
def test_a_line_is_answered_alike_alone_and_padded(mixer):
    keras.utils.set_random_seed(0)
    log_probs = log_probs_of(build_couplet(len(VOCAB), width=8, mixer=mixer))
    rows = VOCAB.pad([first for first, _ in PAIRS], length=20)
    together = log_probs(rows)
    for (first, _), row in zip(PAIRS, together):
        np.testing.assert_allclose(row[:len(first)], log_probs(VOCAB.encode(first)[None])[0], atol=1e-5)
    np.testing.assert_allclose(np.exp(together).sum(axis=-1), 1, rtol=1e-5)


def test_the_loss_is_the_mean_over_characters_without_padding():
    keras.utils.set_random_seed(0)
    model = build_couplet(len(VOCAB), width=8, blocks=1)
    model.compile("sgd", character_loss)
    x, y = VOCAB.pad(["晚风摇", "今"]), data.targets(VOCAB.pad(["夜雨龘", "昨"]))
    log_p = log_probs_of(model)(x)
    # 龘 is unknown: it adds 0
    expected = -(log_p[0, 0, y[0, 0]] + log_p[0, 1, y[0, 1]] + log_p[1, 0, y[1, 0]]) / 4
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_every_couplet_comes_once_and_lengths_are_together():
    pairs = [("山" * length, "水" * length) for length in [1] * 3 + [2] * 70 + [5] * 9 + [31] + [7] * 45]
    run = RunFolder(None, cli.BaseConfig(batch_size=8))
    batches = data.LengthBatches(run, pairs, Vocab("山水"))
    assert len(batches) == 16
    widths = []
    seen = 0
    for i in range(len(batches)):
        x, y = batches[i]
        assert x.shape == y.shape and len(x) == 8 and ((x > 0) == (y > 0)).all() and x.dtype == np.int32
        widths.append(x.shape[1])
        seen += (x > 0).sum()
    assert widths[0] != widths[1]                                  # or Keras would fix the width for all
    assert sum(map(len, (first for first, _ in pairs))) - seen == 0
    again = data.LengthBatches(run, pairs, Vocab("山水"))
    np.testing.assert_array_equal(again[3][0], batches[3][0])
    run.state["epoch"] = 1
    again.on_epoch_begin()
    assert any(batches[i][0].shape != again[i][0].shape for i in range(16))


def test_epochs_share_the_verse_and_the_last_ones_have_none():
    pairs = [("山" * length, "水" * length) for length in range(1, 8)]
    verse = [("云" * length, "风" * length) for length in range(1, 12)]
    vocab = Vocab("山水云风")
    run = RunFolder(None, cli.BaseConfig(batch_size=1, epochs=5))
    batches = data.LengthBatches(run, pairs, vocab, verse, parts=3, finish=2)
    seen = []
    for epoch in range(5):
        run.state["epoch"] = epoch
        batches.on_epoch_begin()
        assert len(batches) == 7 + 11 // 3
        rows = [batches[i][0] for i in range(len(batches))]
        seen.append(sorted(vocab.characters[row[0, 0] - FIRST] + str((row > 0).sum()) for row in rows))
    own = [f"山{length}" for length in range(1, 8)]
    for epoch in seen[:3]:
        assert [row for row in epoch if row[0] == "山"] == own
    shared = [row for epoch in seen[:3] for row in epoch if row[0] == "云"]
    assert len(shared) == len(set(shared)) == 9                     # of eleven, three times three
    assert all(set(epoch) == set(own) for epoch in seen[3:])
    # over the last epochs no couplet comes more than once more often than another
    assert max(map((seen[3] + seen[4]).count, own)) - min(map((seen[3] + seen[4]).count, own)) <= 1


# --------------------------------------------------------------------------------------------------- decoding

def all_answers(first, log_p, vocab, rules):
    """Every answer that keeps the rules by their wording, with its log-probability, best first."""
    han = decoding.is_han
    answers = []
    for choice in itertools.product(range(FIRST, len(vocab)), repeat=len(first)):
        text = "".join(vocab.characters[n - FIRST] for n in choice)
        if rules.symbols and any(not han(b) if han(a) else a != b for a, b in zip(first, text)):
            continue
        spots = [i for i, c in enumerate(first) if han(c) or not rules.symbols]
        if rules.forbid == "position" and any(first[i] == text[i] for i in spots):
            continue
        if rules.forbid == "line" and any(text[i] in first for i in spots):
            continue
        if rules.repeat and any((first[i] == first[j]) != (text[i] == text[j]) for i in spots for j in spots):
            continue
        if sorted(filter(han, text)) == sorted(filter(han, first)):
            continue
        answers.append((text, sum(log_p[i, choice[i]] for i in spots)))
    return sorted(answers, key=lambda answer: -answer[1])


@pytest.mark.parametrize("rules", [
    Rules(), Rules(forbid="position"), Rules(repeat=False), Rules(forbid="none"), ARTICLE])
@pytest.mark.parametrize("first", ["山山水", "水，山水", "山云水云"])
def test_answers_are_the_best_of_all_that_keep_the_rules(first, rules):
    vocab = Vocab("山水云，风雨雪月"[: 8 if len(first) < 4 else 7])
    rng = np.random.default_rng(len(first))
    for _ in range(5):
        log_p = random_log_p(rng, len(first), vocab)
        expected = all_answers(first, log_p, vocab, rules)[:4]
        found = Decoder(vocab, rules, beam=5000)(first, log_p, count=4)
        assert [answer.text for answer in found] == [text for text, _ in expected]
        totals = [answer.log_p for answer in found]
        np.testing.assert_allclose(totals, [total for _, total in expected], rtol=1e-6)
        assert Decoder(vocab, rules)(first, log_p)[0].text == expected[0][0]


def test_no_answer_rearranges_the_first_line():
    vocab = Vocab("云马山水")
    log_p = np.log([[0.01, 0.01, 0.9, 0.05, 0.02, 0.01], [0.01, 0.01, 0.05, 0.9, 0.02, 0.01]])
    for rules in (Rules(forbid="position"), ARTICLE, Rules(forbid="none")):
        assert Decoder(vocab, rules)("马云", log_p, 2)[0].text not in ("云马", "马云")
    # there is nothing else to say
    assert Decoder(Vocab("云马"), ARTICLE)("马云", log_p[:, :4])[0].text == "云马"


@pytest.mark.parametrize("first, expected", [
    ("山云", "？仄"), ("山水云风雨", "？平？仄平"), ("风月，雪", "？平，平"), ("龘出", "？平")])
def test_tones_are_asked_for_at_even_places_and_ends(first, expected):
    """山云风 are level; 水雨雪月 oblique, 雪 and 月 by entering tones; 出 is level today, and was not."""
    found = "".join(tones.wanted(first, "old")).replace("？", "*")
    assert found == expected.replace("？", "*").replace("，", "*")
    assert tones.tone("出", "modern") == "平" and tones.tone("出", "old") == "仄"
    assert tones.tone("撒", "modern") == "平" and tones.tone("撒", "old") == "仄"
    assert tones.tone("的", "modern") == tones.tone("，", "old") == "？"


def has_tones(text, wanted, system):
    return all(tone in ("？", tones.tone(character, system)) for character, tone in zip(text, wanted))


@pytest.mark.parametrize("system", ["modern", "old"])
def test_answers_keep_the_tones_and_are_the_best_that_do(system):
    vocab = Vocab("山水云风雨雪出")
    rng = np.random.default_rng(0)
    for first in ("龘龘", "风雨", "水出云"):
        wanted = tones.wanted(first, system)
        for _ in range(5):
            log_p = random_log_p(rng, len(first), vocab)
            kept = [text for text, _ in all_answers(first, log_p, vocab, Rules())
                    if has_tones(text, wanted, system)]
            found = Decoder(vocab, Rules(tones=system), beam=5000)(first, log_p, 3)
            assert [answer.text for answer in found] == kept[:3]
    level = Vocab("山云风")
    answer = Decoder(level, Rules(tones=system))("风云", random_log_p(rng, 2, level))[0]
    assert len(answer.text) == 2                            # no oblique one is known: any will do


def test_rarity_is_the_formula():
    vocab = Vocab("山水云风雨雪")
    rng = np.random.default_rng(0)
    log_p, log_prior = random_log_p(rng, 3, vocab), random_log_p(rng, 1, vocab)[0]
    plain = dict(all_answers("龘龘马", log_p, vocab, Rules()))
    expected = {text: total - 0.7 * sum(log_prior[vocab.encode(text)]) for text, total in plain.items()}
    best = sorted(expected, key=expected.get, reverse=True)[:4]
    found = Decoder(vocab, Rules(rarity=0.7), beam=5000, log_prior=log_prior)("龘龘马", log_p, 4)
    assert [answer.text for answer in found] == best
    for answer in found:
        assert answer.log_p == pytest.approx(plain[answer.text])
        assert answer.score == pytest.approx(expected[answer.text], rel=1e-5)


def test_the_prior_is_what_the_model_says_of_any_line():
    keras.utils.set_random_seed(0)
    robot = Robot(build_couplet(len(VOCAB), width=4, blocks=1), VOCAB, Rules(rarity=0.1))
    firsts = [first for first, _ in data.read_pairs(data.SAMPLE)]
    p = np.concatenate([np.exp(robot.log_probs(VOCAB.encode(first)[None])[0]) for first in firsts])
    np.testing.assert_allclose(np.exp(robot.log_prior()), p.mean(axis=0) + 1e-5, rtol=1e-4)


def test_two_networks_together_are_the_formula():
    rng = np.random.default_rng(0)
    one, other = (random_log_p(rng, 5)[None] for _ in range(2))
    p = np.exp(0.6 * one + 0.4 * other)                                 # robot.SHARE is 0.4
    found = robot.together(lambda ids: one, lambda ids: other)(None)
    np.testing.assert_allclose(np.exp(found), p / p.sum(axis=-1, keepdims=True), rtol=1e-6)


def test_two_networks_need_one_vocabulary(tmp_path):
    for name, vocab in (("one", VOCAB), ("other", Vocab("山水云"))):
        (tmp_path / name).mkdir()
        save_model(build_couplet(len(vocab), width=4, blocks=1), tmp_path / name / "model.keras")
        vocab.save(tmp_path / name / "vocab.json")
    with pytest.raises(InputError, match="answer together expect the same characters"):
        Robot.load(tmp_path / "one", other=tmp_path / "other")
    both = Robot.load(tmp_path / "one", other=tmp_path / "one")
    alone = Robot.load(tmp_path / "one")
    line = VOCAB.encode("春风")[None]
    np.testing.assert_allclose(both.log_probs(line), alone.log_probs(line), atol=1e-5)
    assert robot.companion(robot.WEIGHTS) == robot.ARTICLE and robot.companion(tmp_path) is None
    assert robot.companion(robot.WEIGHTS, wanted=False) is None


class Likes:
    """A scorer that likes one character."""

    def __init__(self, character, vocab=VOCAB):
        self.character, self.vocab = character, vocab

    def scores(self, first, seconds):
        return np.array([10.0 * second.count(self.character) for second in seconds])


def test_a_scorer_re_ranks_the_best_answers():
    keras.utils.set_random_seed(0)
    model = build_couplet(len(VOCAB), width=4, blocks=1)
    plain = Robot(model, VOCAB)
    pool = plain.decoder.candidates("春风", plain.log_probs(VOCAB.encode("春风")[None])[0], 2)[:16]
    texts = [answer.text for answer in pool]
    other = next(c for c in "".join(texts) if c not in texts[0])
    robot = Robot(model, VOCAB, scorer=Likes(other), weight=0.5)
    found = robot.answers("春风", 3)
    assert other in found[0].text and other not in plain.answers("春风", 1)[0].text
    assert found[0].score == pytest.approx(found[0].log_p + 5, rel=1e-5)
    assert {answer.text for answer in found} <= set(texts)
    # more than the pool has: the first answers stay
    many = robot.answers("春风", 40)
    assert len(many) == 40 and many[0].text == found[0].text
    with pytest.raises(InputError, match="--no-rerank needs no scorer. Received: .* not the same"):
        Robot(model, VOCAB, scorer=Likes("山", Vocab("山水")))


def test_answers_differ_as_asked():
    found = Decoder(VOCAB)("晚风摇树树还挺", random_log_p(np.random.default_rng(0), 7), count=5, differ=3)
    assert len(found) == 5
    for a, b in itertools.combinations(found, 2):
        assert sum(x != y for x, y in zip(a.text, b.text)) >= 3
    assert [a.log_p for a in found] == sorted((a.log_p for a in found), reverse=True)


def test_a_vocabulary_that_is_too_small_for_the_rules_still_answers():
    for vocab in (Vocab("山"), Vocab("山水")):
        log_p = random_log_p(np.random.default_rng(0), 3, vocab)
        assert len(Decoder(vocab)("山水云", log_p)[0].text) == 3


# ------------------------------------------------------------------------------------------------ typed lines

@pytest.mark.parametrize("typed, line, note", [
    ("  晚风 摇树\n", "晚风摇树", None),
    ("晚风,摇树!", "晚风，摇树！", None),
    ("晚風搖樹", "晚风摇树", "traditional characters read as 晚风摇树"),
    ("晚风龘", "晚风龘", "does not know 龘"),
    ("晚風鳥樹", "晚风鸟树", "read as 晚风鸟树"), ("馬風", "馬风", "read as 馬风"),      # 马 is not known
    ("龘龘", "龘龘", "does not know 龘"),
    ("晚风😀A1", "晚风😀A1", None),
])
def test_what_is_made_of_a_typed_line(typed, line, note):
    cleaned, notes = clean(typed, VOCAB)
    assert cleaned == line and (note in notes[0] if note else not notes)
    robot = Robot(build_couplet(len(VOCAB), width=4, blocks=1), VOCAB)
    text = robot.answers(typed, 1)[0].text
    assert len(text) == len(line)
    assert all(b == a if not decoding.is_han(a) else decoding.is_han(b) for a, b in zip(line, text))


@pytest.mark.parametrize("typed, message", [
    ("", "at least one Chinese character. Received: ''"), ("，。！", "at least one Chinese character"),
    ("😀😀", "at least one Chinese character"), ("\udcff晚風搖樹", "text that UTF-8 can write"),
    ("晚" * 10_000, "at most 100 characters. Received: 10,000"),
])
def test_lines_that_cannot_be_answered(typed, message):
    with pytest.raises(InputError, match=message):
        clean(typed, VOCAB)


# ---------------------------------------------------------------------------------------------------- metrics

def test_metrics_of_a_model_that_knows_and_of_one_that_guesses():
    pairs = [*PAIRS, ("山", "龘")]
    right = {VOCAB.encode(first).tobytes(): VOCAB.encode(second) for first, second in PAIRS}

    def knows(ids):
        log_p = np.full((*ids.shape, len(VOCAB)), -50.0)
        for row, out in zip(ids, log_p):
            out[np.arange(len(row)), right[row.tobytes()]] = 0
        return log_p

    found = report.metrics(knows, VOCAB, pairs)
    assert found["test_perplexity"] == pytest.approx(1) and found["test_top1"] == found["test_top5"] == 1
    characters = sum(map(decoding.is_han, "".join(second for _, second in pairs)))
    assert found["test_unknown_share"] == pytest.approx(1 / characters)
    assert found["test_accuracy_of_answers_article"] == pytest.approx(1 - 1 / characters)

    def guesses(ids):
        return np.full((*ids.shape, len(VOCAB)), -math.log(len(VOCAB)))

    uniform = report.metrics(guesses, VOCAB, pairs)
    # ties count as right
    assert uniform["test_perplexity"] == pytest.approx(len(VOCAB)) and uniform["test_top5"] == 1
    assert report.cross_entropy(knows, VOCAB, PAIRS) == pytest.approx(0)


def test_patterns_and_distinct_bigrams():
    assert report.pattern("树树还，树") == (0, 0, 2, 0)
    answers = [("树树还", "", "花花更"), ("树树还", "", "花草更"), ("树木还", "", "花花更")]
    assert report.pattern_agreement(answers) == 0.5 and report.pattern_agreement(answers[2:]) == 1
    assert report.distinct_2(["春风", "春风吹", "山"]) == pytest.approx(2 / 3)


def test_counts_are_the_formula():
    pairs = [("山山", "水云"), ("山风", "水雨"), ("龘", "水"), ("山", "龘")]
    vocab = Vocab("山水云风雨")
    counts = baseline.Counts(pairs, vocab, strength=3)
    below = "".join(b for _, b in pairs)
    p = {c: (below.count(c) + 0.5) / (5 + 5 * 0.5) for c in vocab.characters}
    for above, total, n in [("山", 3, {"水": 2, "云": 1}), ("风", 1, {"雨": 1}), ("雨", 0, {})]:
        row = np.exp(counts(vocab.encode(above)[None])[0, 0])
        for c in vocab.characters:
            assert row[vocab.encode(c)[0]] == pytest.approx((n.get(c, 0) + 3 * p[c]) / (total + 3), rel=1e-5)
        assert row.sum() == pytest.approx(1) and not row[:FIRST].any()


def test_the_baseline_runs_on_the_built_in_sample(tmp_path):
    found = baseline.count(baseline.Config(data="sample", out=tmp_path / "baseline.json"))
    written = json.loads((tmp_path / "baseline.json").read_text(encoding="utf-8"))
    assert written["metrics"] == pytest.approx(found) and written["data"]["builtin"] is True
    assert 1 < found["test_perplexity"] < written["data"]["vocabulary"] and found["test_pattern"] == 1
    assert written["data"]["train"] + written["data"]["test"] >= 200


# ------------------------------------------------------------------------------------------------------ files

def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


LINES = "".join(f"{first}\t{second}\n" for first, second in PAIRS)


def test_both_formats_and_a_held_out_tenth(tmp_path):
    single = write(tmp_path, "mine.tsv", "\ufeff" + LINES * 4 + "\n\n")
    found = data.load_couplets(str(single))
    assert sorted(found.train + found.test) == sorted(PAIRS * 4)
    train, test = (set(itertools.chain.from_iterable(part)) for part in (found.train, found.test))
    assert train and test and not train & test
    family = [("春风", "秋雨"), ("春山", "秋雨"), ("春山", "秋水"), ("东海", "西湖")]
    rest, held = data.hold_out(family, 1)
    assert sorted(map(len, (rest, held))) == [1, 3]               # the first three share a line with the next
    write(tmp_path, "both/couplets_train.tsv", LINES)
    write(tmp_path, "both/couplets_test.tsv", "山\t水\n")
    both = data.load_couplets(str(tmp_path / "both"))
    assert both.train == PAIRS and both.test == [("山", "水")]
    for part in ("train", "test"):
        write(tmp_path, f"couplet/{part}/in.txt", "".join(" ".join(first) + " \n" for first, _ in PAIRS))
        write(tmp_path, f"couplet/{part}/out.txt", "".join(" ".join(second) + " \n" for _, second in PAIRS))
    public = data.load_couplets(str(tmp_path / "couplet"))
    assert public.train == public.test == PAIRS and not public.builtin
    assert len({found.sha256, both.sha256, public.sha256}) == 3


def test_where_the_data_are_looked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KEXUE_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    assert data.load_couplets().builtin and "too few to learn from" in capsys.readouterr().out
    write(tmp_path / "cache/datasets", "couplet/in.txt", LINES.replace("\t", "\n").split("\n")[0] + "\n山\n")
    write(tmp_path / "cache/datasets", "couplet/out.txt", PAIRS[0][1] + "\n水\n")
    assert not data.load_couplets().builtin
    write(tmp_path, "own/couplets/train.tsv", LINES)
    write(tmp_path, "own/couplets/test.tsv", LINES)
    monkeypatch.setenv("KEXUE_DATA", str(tmp_path / "own"))
    assert data.load_couplets().train == PAIRS


@pytest.mark.parametrize("text, message", [
    ("", "Received: no line"), ("\n\n", "Received: no line"), ("晚风\n", "line 1: there is no tab"),
    (LINES + "晚风\t夜\n", "line 7: 2 characters against 1"),
    ("，。\t，。\n", "line 1: a line without Chinese"),
    ("😀\t😀\n" * 3, "line 1: a line without Chinese characters, and 2 more"),
    ("晚风\t\n", "2 characters against 0"),
])
def test_files_that_hold_no_couplets(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        data.read_pairs(write(tmp_path, "x.tsv", text))


def test_a_few_bad_lines_are_left_out_with_a_note(tmp_path, capsys):
    path = write(tmp_path, "x.tsv", LINES * 40 + "晚风\t夜\n")
    assert len(data.read_pairs(path)) == 240
    assert "1 of 242 lines" in capsys.readouterr().out


def test_other_wrong_data(tmp_path):
    for path, message in [("/nowhere", "a path that exists"), (str(tmp_path), "an empty folder")]:
        with pytest.raises(InputError, match=message):
            data.load_couplets(path)
    (tmp_path / "x.tsv").write_bytes("晚风\t夜雨\n".encode("gb18030"))
    with pytest.raises(InputError, match="UTF-8"):
        data.read_pairs(tmp_path / "x.tsv")
    with pytest.raises(InputError, match="same number of lines. Received: 2 and 3"):
        data.read_pairs(write(tmp_path, "in.txt", "山\n"), write(tmp_path, "out.txt", "水\n云\n"))


def test_extra_couplets_share_no_line_with_the_held_out_ones(tmp_path, monkeypatch):
    path = write(tmp_path, "verse.tsv", "tang\t山\t水\ntang\t江南\t塞北\nsong\t江南\t云北\n")
    assert data.load_extra(str(path), [("塞北", "龘龘"), ("云", "山")]) == [("江南", "云北")]
    monkeypatch.setenv("KEXUE_DATA", str(tmp_path))
    with pytest.raises(InputError, match="--extra expects verse"):
        data.load_extra("verse", [])


# ---------------------------------------------------------------------------------------------------- predict

@pytest.fixture
def trained(tmp_path):
    """A run folder as predict.py takes it, with untrained weights."""
    keras.utils.set_random_seed(0)
    save_model(build_couplet(len(VOCAB), width=4, blocks=1), tmp_path / "model.keras")
    VOCAB.save(tmp_path / "vocab.json")
    return predict.Config(run=tmp_path, rerank=False)


def test_predict_answers_arguments_input_and_a_conversation(trained, capsys, monkeypatch):
    predict.predict(dataclasses.replace(trained, lines=("晚风摇树树还挺",), candidates=3))
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "晚风摇树树还挺" and len(out) == 4
    monkeypatch.setattr(sys, "stdin", io.StringIO("江南\n\n山\n"))
    predict.predict(trained)
    out = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in out] == ["江南", "山"]
    assert all(len(line.split("\t")[1]) for line in out)
    monkeypatch.setattr(sys, "stdin", io.StringIO("，\n江南\n\n山\n"))
    predict.predict(dataclasses.replace(trained, interactive=True))
    captured = capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("江南\n".encode("gb18030")), "utf-8"))
    with pytest.raises(InputError, match="should be text in UTF-8"):
        predict.predict(trained)
    assert "at least one Chinese character" in captured.err
    assert "江南" in captured.out and "山\n" not in captured.out


def test_answers_for_programs(trained, capsys):
    with pytest.raises(InputError, match="1 lines could not be answered"):
        predict.predict(dataclasses.replace(trained, lines=("晚風搖樹", "！"), candidates=2, json=True))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["first"] == "晚风摇树" and len(first["answers"]) == 2 and "晚风摇树" in first["notes"][0]
    assert set(first["answers"][0]) == {"text", "log_p", "score"}
    assert second["first"] == "！" and "at least one Chinese character" in second["error"]


def test_messages_are_in_the_users_language(trained, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    with pytest.raises(InputError, match="有 1 行无法作对"):
        predict.predict(dataclasses.replace(trained, lines=("晚風搖樹龘", "！")))
    said = capsys.readouterr().err
    assert "注意：繁体字按简体处理：晚风摇树龘" in said and "注意：模型不认识：龘" in said
    assert "错误：上联至少要有一个汉字" in said


def test_predict_names_what_is_wrong(trained, tmp_path, capsys):
    with pytest.raises(InputError, match="at least one Chinese"):
        predict.predict(dataclasses.replace(trained, lines=("！",)))
    with pytest.raises(InputError, match="1 lines could not be answered"):
        predict.predict(dataclasses.replace(trained, lines=("！", "山")))
    with pytest.raises(InputError, match="--candidates expects 1 to 50. Received: 0"):
        predict.predict(cli.settle(dataclasses.replace(trained, candidates=0, lines=("山",))))
    Vocab("山水").save(tmp_path / "vocab.json")
    with pytest.raises(InputError, match="does not belong to this model"):
        predict.predict(trained)
    (tmp_path / "vocab.json").unlink()
    with pytest.raises(InputError, match="needs its vocabulary beside it"):
        predict.predict(trained)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)], name="other")
    save_model(other, tmp_path / "model.keras")
    with pytest.raises(InputError, match="trained by couplet/train.py.*a model named other"):
        predict.predict(trained)


def test_tones_of_couplets_without_punctuation():
    """两个黄鹂鸣翠柳 一行白鹭上青天: 仄 平 仄 over 平 仄 平 at 2 4 6, and 仄 over 平 at the end."""
    pair = ("两个黄鹂鸣翠柳", "一行白鹭上青天")
    assert report.tones([pair], "people") == {"people_opposed": 1, "people_ends": 1}
    assert report.tones([pair, pair[::-1]], "x") == {"x_opposed": 1, "x_ends": 0.5}
    same = report.tones([(pair[0], pair[0]), ("春风，又绿", "秋雨，初红")], "x")
    assert same == {"x_opposed": 0, "x_ends": 0}
    assert report.tones([("春风，又绿", "秋雨，初红")], "x") == {}                      # nothing to count


# ---------------------------------------------------------------------------------------------------- recipes

def test_the_recipe_of_the_article_is_what_its_script_has(monkeypatch, tmp_path):
    """Adam at 1e-3, 64 couplets a step, 100 × 1,000 steps, lines of at most 16 characters, dropout 0.25."""
    model, batches, options = configured(monkeypatch, train, tmp_path, recipe="article")
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.optimizer.learning_rate.numpy() == pytest.approx(1e-3)          # a number, no schedule
    assert batches.batch_size == 64 and batches.line_lengths.max() <= 16
    assert abs(options["epochs"] * batches.steps - 100_000) <= batches.steps / 2
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.25]
    assert batches.run.config.max_length == 16                                   # and what config.json says


def test_our_recipe_and_what_is_typed(monkeypatch, tmp_path):
    _, batches, options = configured(monkeypatch, train, tmp_path)
    assert (options["epochs"], batches.run.config.max_length) == (6, 32)
    _, batches, options = configured(monkeypatch, train, tmp_path, recipe="article", epochs=7, max_length=9)
    assert options["epochs"] == 7 and batches.line_lengths.max() <= 9
    _, _, options = configured(monkeypatch, train, tmp_path, recipe="article", smoke=True)
    assert options["epochs"] == 2
