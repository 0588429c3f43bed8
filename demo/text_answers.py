"""What the tabs of text answer: plain values in, HTML out, from the shipped models.

Raises InputError for what cannot be answered; its one line is what the visitor sees.
"""

import copy
import html

import numpy as np

from common.harness import plots
from common.harness.reading import InputError, check_text
from demo import drawn
from demo.shared import LONGEST, MODELS, segmenters

WORDS = 1_000            # of a user dictionary
SHOWN = 160              # characters of a passage around its answer
PASSAGES = 20
WAYS = ("random", "poem", "between", "like", "fill")
SPREAD = 0.6             # of the codes of a poem's couplets, as poetry_vae/generate.py has it


def checked(text, name, least=1, most=LONGEST):
    """A visitor's text, which is there, not too long and can be written as UTF-8."""
    text = text or ""
    check_text(text, name)
    if not least <= len(text.strip()) <= most:
        raise InputError(f"{name} expects {least} to {most:,} characters. "
                         f"Received: {len(text.strip()):,}")
    return text


# ------------------------------------------------------------------------------------------ word segmentation

def segment(text, model="default", dictionary="", wholes=True):
    """The words of a text as chips.

    Args:
        model: one of shared.segmenters().
        dictionary: a visitor's own words, with blanks or line ends between them.
        wholes: whether addresses, numbers and Latin words stay whole.
    """
    from crf.features import Features
    from crf.segmenter import WEIGHTS, Segmenter

    text = checked(text, "the text")
    own = checked(dictionary, "the dictionary", least=0).split()
    if len(own) > WORDS:
        raise InputError(f"the dictionary expects at most {WORDS:,} words. Received: {len(own):,}")
    if model not in segmenters():
        raise InputError(f"the model expects one of {', '.join(segmenters())}. Received: {str(model)[:20]}")
    with MODELS[model] as shared:
        # words of one visitor are no other's: a segmenter of his own around the same network
        features = Features.load(WEIGHTS, own) if own else shared.features
        words = Segmenter(shared.model, features, wholes).segment(text)
    return drawn.chips(words)


# --------------------------------------------------------------------------------------------------- couplets

def couplet(line, forbid="line", repeat=True, symbols=True, tones="off", count=5):
    """The five best second lines as a table, under the rules that are switched on, see couplet's Rules."""
    from couplet.decoding import Decoder, Rules, clean
    from couplet.robot import RARITY

    line = checked(line, "the first line", most=200)
    with MODELS["robot"] as shared:
        robot = copy.copy(shared)
        rules = Rules(forbid, repeat, symbols, tones, RARITY)
        robot.decoder = Decoder(shared.vocab, rules, log_prior=shared.prior)
        line, notes = clean(line, robot.vocab)
        differ = min(2, len(robot.decoder.groups_of(line)))
        answers = robot.answers(line, count, differ)
    rows = [[answer.text, f"{answer.log_p:.1f}"] for answer in answers]
    return drawn.rows_table([line, "log p"], rows, big=[0]) + drawn.paragraphs(notes)


# ------------------------------------------------------------------------------------------------------ verse

def verse(way, couplet, other="", temperature=0.0, seed=0, count=8):
    """Couplets or poems, one a line.

    Args:
        way: one of WAYS; between goes from `couplet` to `other`.
        couplet: with way like or between a couplet or its first line, with fill one with □ in it.
    """
    if way not in WAYS:
        raise InputError(f"the way expects one of {', '.join(WAYS)}. Received: {str(way)[:20]}")
    rng = np.random.default_rng(int(seed))
    texts = [checked(text, "a couplet", least=0, most=100) for text in (couplet, other)]
    with MODELS["poet"] as poet:
        if way == "fill":
            rows = poet.fill(poet.parse(texts[0], blanks=True), count, temperature, rng, "within")
            verses = poet.verse(rows)
        elif way == "poem":
            verses = poems(poet, temperature, rng)
        else:
            verses = poet.write(codes(poet, way, texts, rng, count), temperature, rng, "within")
    return drawn.rows_table([], [[text] for text in verses], big=[0])


def poems(poet, temperature, rng, count=4):
    """Poems of four lines, with rhyme and tones."""
    from poetry_vae.poet import around

    found = []
    for code in poet.sample_codes(count, rng):
        rows = poet.poem(around(code, 2, SPREAD, rng), temperature, rng)
        found.append("".join(poet.verse(rows)))
    return found


def codes(poet, way, texts, rng, count):
    """Codes of the poetry model, (count, latent_dim)."""
    from poetry_vae.poet import sample

    if way == "random":
        return poet.sample_codes(count, rng)
    if way == "like":
        mean, log_var = poet.code_of(poet.parse(texts[0]), rng)
        return sample(mean, log_var, rng, (count, poet.latent_dim))
    start, end = [poet.code_of(poet.parse(text), rng)[0] for text in texts]
    return plots.interpolate(start, end, count)


# -------------------------------------------------------------------------------------- reading comprehension

def read(question, passages, nothing="–"):
    """Answers that the passages vote for, and the curves of start and end along the best passage.

    Args:
        passages: one a line.
        nothing: what is said where no passage has an answer.
    """
    question = checked(question, "the question", most=200).strip()
    lines = checked(passages, "the passages").splitlines()
    texts = [line.strip() for line in lines if line.strip()]
    if len(texts) > PASSAGES:
        raise InputError(f"expected at most {PASSAGES} passages, one a line. Received: {len(texts)}")
    with MODELS["reader"] as reader:
        answers = reader.answers(question, texts)
        [found] = reader.curves([(question, texts)])
    if not answers:
        best, marked = max(range(len(texts)), key=lambda i: found[i][:, :2].max()), (0, 0)
        shown = f"<p>{html.escape(nothing)}</p>"
    else:
        span = answers[0].spans[0]
        best, marked = span.passage, (span.start, span.stop)
        rows = [[answer.text, f"{answer.probability:.2f}"] for answer in answers]
        shown = drawn.rows_table([], rows, big=[0])
    first = max(0, marked[0] - SHOWN // 2)
    part = slice(first, first + SHOWN)
    places = [place - first for place in marked]
    return shown + drawn.curves(texts[best][part], *found[best][part, :2].T, places)
