"""A trained couplet model as something that answers first lines."""

import pathlib

import keras

from common.attention import SelfAttention  # noqa: F401 (a layer that models hold)
from common.gated_conv import GatedConv1D  # noqa: F401 (another one)
from common.harness.models import load_model
from common.harness.reading import InputError
from common.harness.vocab import Vocab
from couplet.decoding import Decoder, clean


class Robot:
    """A trained model and its vocabulary, answering one line at a time.

    Args:
        model: a model of couplet/train.py.
        vocab: its Vocab.
        rules: the Rules of the answers.
    """

    def __init__(self, model, vocab, rules=None):
        self.model, self.vocab = model, vocab
        self.log_probs, self.decoder = log_probs_of(model), Decoder(vocab, rules)

    @classmethod
    def load(cls, path, rules=None):
        """The robot in a run folder of couplet/train.py, or in a .keras file with vocab.json beside it."""
        path = pathlib.Path(path)
        model = load_model(path)
        if not model.name.startswith("couplet"):
            raise InputError("expected a model trained by couplet/train.py. "
                             f"Received: {path}, a model named {model.name}")
        folder = path if path.is_dir() else path.parent
        return cls(model, Vocab.load(folder / "vocab.json", size=model.output.shape[-1]), rules)

    def answers(self, line, count=5, differ=1):
        """The best answers to a line as it is typed; InputError where there is nothing to answer."""
        line, _ = clean(line, self.vocab)
        log_p, = self.log_probs(self.vocab.encode(line)[None])
        return self.decoder(line, log_p, count, differ)


def log_probs_of(model):
    """The model as a function of NumPy arrays, (n, time) numbers → (n, time, vocabulary) log-probabilities.

    model.predict would take 40 ms to set up its loop; and a concrete function, whose signature need not be
    looked up each time, saves a sixth of what is left."""
    if keras.backend.backend() == "tensorflow":
        return _concrete_function(model)

    def log_probs(ids):
        logits = model.predict_on_batch(ids)                       # compiled once for each shape
        return keras.ops.convert_to_numpy(keras.ops.log_softmax(keras.ops.cast(logits, "float32")))

    return log_probs


def _concrete_function(model):
    import tensorflow as tf

    def log_probs(ids):
        return tf.nn.log_softmax(tf.cast(model(ids, training=False), "float32"))

    function = tf.function(log_probs).get_concrete_function(tf.TensorSpec((None, None), "int32"))
    return lambda ids: function(tf.constant(ids, "int32")).numpy()
