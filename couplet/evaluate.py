"""What a couplet model is worth: the metrics of results.json, and the Robot that answers from a trained model."""

import pathlib

import keras
import numpy as np

from common import runs
from common.attention import SelfAttention  # noqa: F401  registers a layer that models hold
from common.gated_conv import GatedConv1D  # noqa: F401  as well
from common.vocab import FIRST, Vocab, is_han
from couplet.decoding import ARTICLE, Decoder, Rules, clean


class Robot:
    """A trained model and its vocabulary, answering one line at a time.

    Args:
        model: a model of couplet/train.py.
        vocab: its Vocab.
        rules: the Rules of the answers.
    """

    def __init__(self, model, vocab, rules=None):
        self.model, self.vocab = model, vocab
        self.log_probs, self.decoder = compiled(model), Decoder(vocab, rules)

    def answers(self, line, count=5, differ=1):
        """The best answers to a line as it is typed; InputError where there is nothing to answer."""
        line, _ = clean(line, self.vocab)
        return self.decoder(line, self.log_probs(self.vocab.encode(line)[None])[0], count, differ)


def load(path, rules=None):
    """A Robot from a run folder of couplet/train.py or a .keras file with vocab.json beside it."""
    path = pathlib.Path(path)
    model = runs.load_model(path)
    if not model.name.startswith("couplet"):
        raise runs.InputError(f"expected a model trained by couplet/train.py. Received: {path}, a model named {model.name}")
    folder = path if path.is_dir() else path.parent
    return Robot(model, Vocab.load(folder / "vocab.json", size=model.output.shape[-1]), rules)


def compiled(model):
    """The model as a function of NumPy arrays, (n, time) numbers → (n, time, vocabulary) log-probabilities.

    model.predict would take 40 ms to set up its loop; and a concrete function, whose signature need not be looked up each
    time, saves a sixth of what is left."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def log_probs(ids):
            return tf.nn.log_softmax(tf.cast(model(ids, training=False), "float32"))

        function = tf.function(log_probs).get_concrete_function(tf.TensorSpec((None, None), "int32"))
        return lambda ids: function(tf.constant(ids, "int32")).numpy()

    def log_probs(ids):
        logits = model.predict_on_batch(ids)                       # compiled once for each shape
        return keras.ops.convert_to_numpy(keras.ops.log_softmax(keras.ops.cast(logits, "float32")))

    return log_probs


# ------------------------------------------------------------------------------------------------------------ metrics

def metrics(log_probs, vocab, pairs):
    """Metrics of any function of numbers (n, time) → log-probabilities (n, time, vocabulary).

    Perplexity and accuracy are of the model alone, without rules, over the Chinese characters of the second lines that the
    vocabulary has; punctuation, which follows the first line, and unknown characters do not count, the latter's share is
    given. Answers are decoded by the article's rule (…_article) and by all of ours."""
    surprise, ranks, unknown, ours, article = [], [], 0, [], []
    decoder, plain = Decoder(vocab, Rules()), Decoder(vocab, ARTICLE)
    for batch in batches_of_one_length(pairs):
        log_p = log_probs(vocab.pad([first for first, _ in batch]))
        for (first, second), row in zip(batch, log_p):
            y = vocab.encode(second)
            han = np.array([is_han(c) for c in second])
            counted = np.flatnonzero(han & (y >= FIRST))
            unknown += (han & (y < FIRST)).sum()
            right = row[counted, y[counted]]
            surprise += (-right).tolist()
            ranks += (row[counted] > right[:, None]).sum(axis=1).tolist()
            ours += [(first, second, decoder(first, row)[0].text)]
            article += [(first, second, plain(first, row)[0].text)]
    ranks = np.array(ranks)
    result = {"test_perplexity": np.exp(np.mean(surprise)), "test_top1": (ranks < 1).mean(), "test_top5": (ranks < 5).mean(),
              "test_unknown_share": unknown / (unknown + len(ranks))}
    for name, answers in [("", ours), ("_article", article)]:
        result |= {f"test_accuracy_of_answers{name}": accuracy(answers), f"test_pattern{name}": pattern_agreement(answers),
                   f"test_distinct2{name}": distinct_2([answer for *_, answer in answers])}
    return result


def cross_entropy(log_probs, vocab, pairs):
    """−log p of the second lines' known characters, their mean in nats: what validation minimises."""
    losses = []
    for batch in batches_of_one_length(pairs):
        y = vocab.pad([second for _, second in batch])
        log_p = np.take_along_axis(log_probs(vocab.pad([first for first, _ in batch])), y[..., None], axis=-1)[..., 0]
        losses += (-log_p[y >= FIRST]).tolist()
    return np.mean(losses)


def batches_of_one_length(pairs, size=64):
    """Lists of couplets of one length, at most `size` of them."""
    lengths = {}
    for pair in pairs:
        lengths.setdefault(len(pair[0]), []).append(pair)
    return [group[i:i + size] for _, group in sorted(lengths.items()) for i in range(0, len(group), size)]


def accuracy(answers):
    """Share of Chinese characters of the second lines that the answers have in the same place."""
    same = [a == b for _, second, answer in answers for a, b in zip(answer, second) if is_han(b)]
    return sum(same) / len(same)


def pattern(line):
    """For each Chinese character the position where it stands first: 树树还挺 → (0, 0, 2, 3)."""
    return tuple(line.index(c) for c in line if is_han(c))


def pattern_agreement(answers):
    """Of the first lines that repeat a character: the share whose answer repeats at the same positions and nowhere else.
    1 where no line repeats anything."""
    repeating = [(first, answer) for first, _, answer in answers if len(set(pattern(first))) < len(pattern(first))]
    return sum(pattern(first) == pattern(answer) for first, answer in repeating) / len(repeating) if repeating else 1.0


def distinct_2(lines):
    """Different pairs of neighbouring characters, divided by all pairs: how little the answers repeat themselves."""
    pairs = [line[i:i + 2] for line in lines for i in range(len(line) - 1)]
    return len(set(pairs)) / max(1, len(pairs))
