"""A trained poetry VAE as something that writes: couplets → codes, codes → couplets."""

import pathlib

import keras
import numpy as np

from common.gated_conv import GatedConv1D  # noqa: F401 (a layer that the models hold)
from common.harness.models import load_model
from common.harness.reading import InputError
from common.harness.vocab import FIRST, PADDING, Vocab, is_han, to_simplified
from common.latent import GaussianSampling  # noqa: F401 (another one)
from poetry_vae.data import LINE

BLANK = "□"                                                  # where the model is to write
BLANKS = str.maketrans(dict.fromkeys("_＿?？*", BLANK))      # what people type for it
PUNCTUATION = "，,。.、；;！!"


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
            raise InputError("expected a model trained by poetry_vae/train.py. "
                             f"Received: {path}, a model named {model.name}")
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

    def write(self, codes, temperature=0.0, rng=None):
        """Codes → couplets, with punctuation."""
        return self.verse(choose(self.log_probs(codes), temperature, rng))

    def sample_codes(self, count, rng):
        """Codes z ~ N(0, I), (count, latent_dim)."""
        return rng.normal(size=(count, self.latent_dim))

    def parse(self, text, blanks=False):
        """A couplet as a user typed it → ten numbers, 0 where the model is to write.

        Args:
            text: one line or two.
            blanks: whether there may be □ in it.

        Raises:
            InputError: not five or ten characters, characters that the model does not know, or blanks where
                none may be.
        """
        more = "with □ where the model writes" if blanks else "or one"
        typed = text.translate(BLANKS) if blanks else text
        characters = "".join(c for c in typed if is_han(c) or (blanks and c == BLANK))
        rest = [c for c in typed if c not in characters and not c.isspace() and c not in PUNCTUATION]
        if self._unknown_in(characters):
            characters = to_simplified(characters)
        if len(characters) not in (LINE, 2 * LINE) or rest:
            raise InputError(f"expected two lines of five Chinese characters, {more}. "
                             f"Received: {len(characters)} characters, {text.strip()[:30]!r}")
        unknown = self._unknown_in(characters)
        if unknown:
            way_out = "write □ or another character" if blanks else "write another character"
            raise InputError(f"the model does not know {unknown}: {way_out}. Received: {text.strip()[:30]}")
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

    def fill(self, given, count, temperature, rng, chains=64, rounds=15):
        """`count` couplets with the given characters, (count, 10), the likeliest first.

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
        rows = choose(log_p, temperature, rng)
        rows[:, here] = given[here]
        likely = np.take_along_axis(log_p, rows[..., None], axis=-1)[..., 0].sum(axis=-1)
        order = np.argsort(-likely, kind="stable")
        return np.array(list(dict.fromkeys(map(tuple, rows[order]))))[:count]      # each once


def choose(log_p, temperature=0.0, rng=None):
    """Numbers of characters, (n, 10): the likeliest for temperature 0, else drawn from p^(1/temperature)."""
    if temperature:
        noise = (rng or np.random.default_rng(0)).gumbel(size=log_p.shape)
        log_p = log_p / temperature + noise                                         # the Gumbel-max trick
    return log_p.argmax(axis=-1)


def sample(mean, log_var, rng, size=None):
    """z = μ + σε: a code of each couplet, or codes of the given shape of one."""
    return mean + np.exp(0.5 * log_var) * rng.normal(size=size or mean.shape)
