"""A trained poetry VAE as something that writes: couplets → codes, codes → couplets."""

import functools
import pathlib

import keras
import numpy as np

from common.gated_conv import GatedConv1D  # noqa: F401 (a layer that the models hold)
from common.harness.language import in_users_language
from common.harness.models import load_model, not_from
from common.harness.reading import InputError
from common.harness.vocab import FIRST, PADDING, Vocab, is_han, to_simplified
from common.latent import GaussianSampling  # noqa: F401 (another one)
from poetry_vae.bound import bound
from poetry_vae.data import LINE
from poetry_vae.rules import Sounds, compose, places, without_repeats

BLANK = "□"                                                  # where the model is to write
BLANKS = str.maketrans(dict.fromkeys("_＿?？*", BLANK))      # what people type for it
PUNCTUATION = "，,。.、；;！!"
SCORE_SAMPLES = 20           # of the importance-weighted bound by which couplets are chosen


class Poet:
    """A trained model and its vocabulary.

    Args:
        model: what build_poetry_vae of poetry_vae/train.py returns, trained or not.
        vocab: its Vocab.
    """

    def __init__(self, model, vocab):
        self.model, self.vocab, self.decoder = model, vocab, model.get_layer("decoder")
        self.latent_dim = model.get_layer("mean").units
        codes = [model.get_layer(name).output for name in ("mean", "log_var")]
        self.encoder = keras.Model(model.inputs, codes)

    @classmethod
    def load(cls, path):
        """The poet in a run folder of poetry_vae/train.py, or in a .keras file with vocab.json beside it."""
        path = pathlib.Path(path)
        model = load_model(path)
        if model.name != "poetry_vae":
            raise not_from("poetry_vae/train.py", path, model)
        folder = path if path.is_dir() else path.parent
        return cls(model, Vocab.load(folder / "vocab.json", size=model.output.shape[-1]))

    def encode(self, x):
        """Numbers of characters (n, 10) → μ and log σ² of their codes."""
        return self.encoder.predict(np.asarray(x), batch_size=500, verbose=0)

    def log_probs(self, codes):
        """Codes → log p of every character at every position, (n, 10, vocabulary); nothing unknown is ever
        written."""
        logits = self.decoder.predict(np.asarray(codes, "float32"), batch_size=500, verbose=0)
        logits[..., :FIRST] = -np.inf
        logits -= logits.max(axis=-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))

    def verse(self, rows):
        """Rows of ten numbers → 春风…，…。"""
        texts = [self.vocab.decode(row) for row in rows]
        return [f"{text[:LINE]}，{text[LINE:]}。" for text in texts]

    def write(self, codes, temperature=0.0, rng=None, repeats="any"):
        """Codes → couplets, with punctuation; see choose."""
        return self.verse(choose(self.log_probs(codes), temperature, rng, repeats))

    def poem(self, codes, temperature=0.0, rng=None, rhyme=True, tones=True):
        """The codes of a poem's couplets → numbers of its characters, (couplets, 10); see compose of
        poetry_vae/rules.py."""
        log_p = self.log_probs(codes)
        if temperature:
            log_p = perturbed(log_p, temperature, rng)
        return compose(log_p, self.sounds, rhyme, tones)

    def sample_codes(self, count, rng):
        """Codes z ~ N(0, I), (count, latent_dim)."""
        return rng.normal(size=(count, self.latent_dim))

    @functools.cached_property
    def sounds(self):
        """Tones and rhymes of the vocabulary; computed once, in two seconds."""
        return Sounds(self.vocab)

    @functools.cached_property
    def _bound(self):
        return bound(self.model, SCORE_SAMPLES)

    def scores(self, rows):
        """The importance-weighted bound on log p(x) of couplets, nats, (n,)."""
        return self._bound.predict(np.asarray(rows), batch_size=20, verbose=0)[2]

    def parse(self, text, blanks=False):
        """A couplet as a user typed it → ten numbers, 0 where the model is to write.

        Args:
            text: one line or two.
            blanks: whether there may be □ in it.

        Raises:
            InputError: not five or ten characters, characters that the model does not know, or blanks where
                none may be.
        """
        typed = text.translate(BLANKS) if blanks else text
        characters = "".join(c for c in typed if is_han(c) or (blanks and c == BLANK))
        rest = [c for c in typed if c not in characters and not c.isspace() and c not in PUNCTUATION]
        if self._unknown_in(characters):
            characters = to_simplified(characters)
        if len(characters) not in (LINE, 2 * LINE) or rest:
            raise InputError(no_couplet(text, characters, blanks))
        unknown = self._unknown_in(characters)
        if unknown:
            raise InputError(unknown_characters(text, unknown, blanks))
        given = np.full(2 * LINE, PADDING, "int32")
        given[:len(characters)] = [self.vocab.numbers.get(c, PADDING) for c in characters]
        return given

    def _unknown_in(self, characters):
        return self.vocab.unknown_in(characters.replace(BLANK, ""))

    def code_of(self, row, rng):
        """μ and log σ² of a couplet; where one line is given, of the couplet that the model makes of it."""
        if not row.all():
            row = self.fill(row, 1, 0.0, rng)[0]
        mean, log_var = self.encode(row[None])
        return mean[0], log_var[0]

    def fill(self, given, count, temperature, rng, repeats="any", chains=64, rounds=15):
        """`count` couplets with the given characters, (count, 10), the likeliest first; see choose.

        Many chains go round: encode a couplet, draw a code of it, write, put the given characters back. This
        is the imputation of Rezende et al. 2014, https://arxiv.org/abs/1401.4082, whose chains approach the
        model's p(rest | given). They begin at those of many random codes to which the given characters are
        the likeliest.
        """
        chains, here = max(chains, 4 * count), given >= FIRST
        codes = self.sample_codes(max(512, chains), rng)
        for _ in range(rounds):
            log_p = self.log_probs(codes)
            score = log_p[:, here, given[here]].sum(axis=-1)
            keep = np.argsort(-score, kind="stable")[:chains]
            rows = choose(log_p[keep], temperature or 0.3, rng)
            rows[:, here] = given[here]
            mean, log_var = self.encode(rows)
            codes = sample(mean, log_var, rng)
        log_p = self.log_probs(codes)
        allowed = np.ones(log_p.shape[1:], bool)
        allowed[here] = np.arange(len(self.vocab)) == given[here, None]
        rows = choose(np.where(allowed, log_p, -np.inf), temperature, rng, repeats)
        likely = np.take_along_axis(log_p, rows[..., None], axis=-1)[..., 0].sum(axis=-1)
        order = np.argsort(-likely, kind="stable")
        return np.array(list(dict.fromkeys(map(tuple, rows[order]))))[:count]      # each once


def choose(log_p, temperature=0.0, rng=None, repeats="any"):
    """Numbers of characters, (n, 10).

    Args:
        temperature: 0 takes the likeliest, else characters are drawn from p^(1/temperature).
        repeats: "any" takes each position by itself. "within" takes the likeliest couplet in which no
            character stands twice, but within 叠字 that begin or end a line; with a temperature, that of the
            noisy ln p by which characters are drawn.
    """
    if temperature:
        log_p = perturbed(log_p, temperature, rng)
    return log_p.argmax(axis=-1) if repeats == "any" else without_repeats(log_p, places(2))


def perturbed(log_p, temperature, rng=None):
    """ln p with noise, so that its largest is a draw from p^(1/temperature): the Gumbel-max trick."""
    return log_p / temperature + (rng or np.random.default_rng(0)).gumbel(size=log_p.shape)


def sample(mean, log_var, rng, size=None):
    """z = μ + σε: a code of each couplet, or codes of the given shape of one."""
    return mean + np.exp(0.5 * log_var) * rng.normal(size=size or mean.shape)


def around(code, count, spread, rng):
    """`count` codes that share a theme: √(1 − spread²) z + spread ε. If z ~ N(0, I), so is each of them, and
    two of them have the correlation 1 − spread²."""
    return np.sqrt(1 - spread ** 2) * code + spread * rng.normal(size=(count, len(code)))


# ---------------------------------------------------------------------------------------------- what is wrong

def no_couplet(text, characters, blanks):
    more, chinese = "or one", "或只有一句"
    if blanks:
        more, chinese = "with □ where the model writes", "要模型写的字用□"
    return in_users_language(
        f"expected two lines of five Chinese characters, {more}. "
        f"Received: {len(characters)} characters, {text.strip()[:30]!r}",
        f"需要两句五言，{chinese}。收到：{len(characters)} 个字，{text.strip()[:30]!r}")


def unknown_characters(text, unknown, blanks):
    way_out, chinese = "write another character", "换成别的字"
    if blanks:
        way_out, chinese = "write □ or another character", "换成□或别的字"
    return in_users_language(f"the model does not know {unknown}: {way_out}. Received: {text.strip()[:30]}",
                             f"模型不认识 {unknown}：请{chinese}。收到：{text.strip()[:30]}")
