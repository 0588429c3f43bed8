"""The scorer: it begins as the tagger, sees what is not hidden, and scores by the formula."""

import keras
import numpy as np
import pytest

from common.harness.models import save_model
from common.harness.reading import InputError
from common.harness.vocab import UNKNOWN, Vocab
from couplet import data, report, train_scorer
from couplet.robot import log_probs_of
from couplet.scorer import Scorer, hide
from couplet.train import MIXERS, build_couplet
from couplet.train_scorer import build_scorer

VOCAB = Vocab("山水云风雨雪，")


def random_scorer(mixer="attention"):
    """A scorer of random weights, the second embedding's, too."""
    keras.utils.set_random_seed(0)
    model = build_scorer(build_couplet(len(VOCAB), width=8, blocks=2, mixer=mixer))
    embedding = model.get_layer("second_embedding").embeddings
    embedding.assign(np.random.default_rng(1).normal(size=embedding.shape))
    return model


@pytest.mark.parametrize("mixer", list(MIXERS))
def test_an_untrained_scorer_is_the_tagger_whatever_it_reads(mixer):
    tagger = build_couplet(len(VOCAB), width=8, blocks=2, mixer=mixer)
    x, y = VOCAB.pad(["山水云", "风雨"], 5), VOCAB.pad(["雨雪风", "山水"], 5)
    expected = log_probs_of(tagger)(x)
    logits = keras.ops.convert_to_numpy(build_scorer(tagger).predict_on_batch([x, y]))
    found = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    np.testing.assert_allclose(found[x > 0], expected[x > 0], atol=1e-5)


@pytest.mark.parametrize("mixer", ["attention", "gated_conv"])
def test_scores_are_the_formula(mixer):
    """Each character hidden by hand, one call of the network each."""
    model, first, second = random_scorer(mixer), "山水，云", "雨雪，龘"
    log_p = []
    for place in (0, 1):                                 # ， is a symbol, 龘 is unknown
        seen = VOCAB.encode(second)[None].copy()
        seen[0, place] = UNKNOWN
        logits = keras.ops.convert_to_numpy(model([VOCAB.encode(first)[None], seen]))[0, place]
        log_p.append(logits[VOCAB.encode(second)[place]] - np.logaddexp.reduce(logits))
    scorer = Scorer(model, VOCAB)
    found = scorer.scores(first, ["风风，风", second, "龘龘，龘"])
    assert found[1] == pytest.approx(sum(log_p), rel=1e-5) and found[0] != found[1] and found[2] == 0
    by_report = report.metrics_of_scorer(scorer, [(first, second)])["test_perplexity_given_the_others"]
    assert by_report == pytest.approx(np.exp(-np.mean(log_p)), rel=1e-5)


def test_many_rows_are_scored_like_few(monkeypatch):
    scorer = Scorer(random_scorer(), VOCAB)
    seconds = ["雨雪，风", "风雨，雪", "雪风，雨"]
    expected = scorer.scores("山水，云", seconds)
    monkeypatch.setattr("couplet.scorer.ROWS", 2)
    np.testing.assert_allclose(scorer.scores("山水，云", seconds), expected, rtol=1e-5)


def test_what_is_hidden_is_guessed_and_nothing_else():
    x, y = VOCAB.pad(["山水云", "风雨"]), data.targets(VOCAB.pad(["雨龘风", "山水"]))
    hidden = np.array([[True, True, False], [False, True, True]])
    seen, targets = hide(x, y, hidden)
    assert seen.tolist() == [[UNKNOWN, UNKNOWN, y[0, 2]], [y[1, 0], UNKNOWN, 0]]
    assert targets.tolist() == [[y[0, 0], 0, 0], [0, y[1, 1], 0]]


def test_every_line_hides_something_and_shares_are_spread():
    x = np.ones((4000, 10), "int32")
    x[:2000, 4:] = 0                                     # padding
    hidden = train_scorer.hidden_places(x, np.random.default_rng(0))
    assert hidden[:2000, :4].any(axis=1).all() and hidden.any(axis=1).all()
    share = hidden[2000:].mean(axis=1)
    # a half, and one in ten of the others
    assert abs(share.mean() - 0.55) < 0.02
    assert (share < 0.2).mean() > 0.1 and (share > 0.8).mean() > 0.1


def test_what_is_no_scorer_is_named(tmp_path):
    VOCAB.save(tmp_path / "vocab.json")
    save_model(build_couplet(len(VOCAB), width=4, blocks=1), tmp_path / "model.keras")
    with pytest.raises(InputError, match="trained by couplet/train_scorer.py.*named couplet_gated_conv"):
        Scorer.load(tmp_path)
    model = random_scorer()
    save_model(model, tmp_path / "model.keras")
    expected = Scorer(model, VOCAB).scores("山水", ["风雨"])
    np.testing.assert_allclose(Scorer.load(tmp_path).scores("山水", ["风雨"]), expected, rtol=1e-5)
