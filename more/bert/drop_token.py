"""从Dropout视角看MLM和MAE：一些新的启发, https://kexue.fm/archives/8770

MAE's encoder never sees the tokens that are masked. That is dropout of whole columns of the attention
matrices, the same ones in all layers, and its expectation is the attention itself: the network without it is
the right average, to first order. So drop tokens in training as a regulariser: sequences become shorter, and
training faster. MLM's masks are dropout of embeddings, whose expectation is not the embedding itself.

    article                                         here
    DropToken: some tokens, positions kept          DropToken, after token, position and segment are added
    Norm(A ⊗ M̃₁ ⊗ … ⊗ M̃ₙ), columns of A are 0        DropToken(shorten=False): the same by masks, no faster
    0.85 E + 0.15 (0.8 E_m + 0.1 E + 0.1 Avg[E])    expected_embeddings

    python more/bert/drop_token.py
        minutes: one seed, five rates, 2,000 hotel reviews and as many takeaway reviews; --table: three seeds
    python more/bert/drop_token.py --weights FOLDER --learning-rate 2e-5 --limit 100000
        a BERT: bert_config.json, vocab.txt and bert_model.ckpt.*; with --expected its embeddings are
        corrected first, as the article does
    python more/bert/drop_token.py --data FILE.csv
        your own reviews: rows label,review

The article has BERT-base on CLUE. Without weights a small network learns from the reviews alone.
"""

import dataclasses
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from more.bert import legacy_keras  # first: from here on `import keras` means tf_keras

# isort: split

import keras
import numpy as np
import tensorflow as tf
from bert4keras.models import BERT
from bert4keras.tokenizers import Tokenizer

from common.harness import cli, datasets, further
from common.harness.metrics import class_scores
from common.harness.reviews import load_reviews, split

RATES = (0.0, 0.1, 0.15, 0.25, 0.5)              # the article's
REVIEWS = {"hotels": ("", 128), "takeaway": ("sentiment/waimai_10k.csv", 48)}     # file, tokens of a review


# ------------------------------------------------------------------------------------------------------ layer

@keras.utils.register_keras_serializable(package="kexue")
class DropToken(keras.layers.Layer):
    """Leaves some tokens of each sequence out, in training: what follows computes shorter sequences.

    Of m real tokens ⌈m (1 − rate)⌉ stay, drawn anew for each sequence, in their order. It comes after the
    positions were added, so those stay what they were; in inference it does nothing.

    Args:
        rate: share of the tokens that go, from 0 to below 1.
        keep_first: so many tokens at the beginning stay in any case, for [CLS].
        shorten: False only hides tokens from the attention, by the mask: outputs of the tokens that stay are
            the same, and nothing is faster.

    Call arguments:
        inputs: (batch, time, channels).
        mask: (batch, time), True at real tokens.

    Output:
        (batch, ⌈time (1 − rate)⌉, channels), with the mask of what stays; or as it came, for shorten=False.

    Raises:
        ValueError: rate or keep_first out of range.

    Example:
        layer, x = DropToken(0.25), tf.random.normal((2, 8, 16))
        print(layer(x, training=True).shape, layer(x, training=False).shape)      # (2, 6, 16) (2, 8, 16)

    Reference: 苏剑林, https://kexue.fm/archives/8770
    """

    _compute_output_and_mask_jointly = True         # tf_keras asks for no mask then: call sets it

    def __init__(self, rate, keep_first=1, shorten=True, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate expects a share from 0 to below 1. Received: rate={rate}")
        if keep_first < 0:
            raise ValueError(f"keep_first expects at least 0. Received: keep_first={keep_first}")
        self.rate, self.keep_first, self.shorten = rate, keep_first, shorten
        self.supports_masking = True

    def call(self, inputs, mask=None, training=False):
        if not training or not self.rate:
            outputs = tf.identity(inputs)
            outputs._keras_mask = mask
            return outputs
        batch, time = tf.shape(inputs)[0], tf.shape(inputs)[1]
        if mask is None:
            mask = tf.ones((batch, time), bool)
        places = self.chosen(mask)
        stays = places < time                                  # at the end of a short row nothing is left
        if self.shorten:
            outputs = tf.gather(inputs, tf.minimum(places, time - 1), batch_dims=1)
        else:
            outputs = tf.identity(inputs)
            # (batch, kept, time) would be one-hot rows: whether a place is among them
            stays = tf.reduce_any(places[..., None] == tf.range(time), axis=1)
        outputs._keras_mask = stays
        return outputs

    def chosen(self, mask):
        """The places that stay, in ascending order, (batch, ⌈time (1 − rate)⌉); `time` for none."""
        time = tf.shape(mask)[1]
        first = tf.range(time) < self.keep_first
        draw = tf.where(first, -1.0, self.draw(tf.shape(mask)))
        order = tf.argsort(tf.where(mask, draw, 2.0), axis=1)          # padding comes last
        order = order[:, :self.kept(time)]
        count = self.kept(tf.reduce_sum(tf.cast(mask, "int32"), axis=1))
        real = tf.range(tf.shape(order)[1]) < count[:, None]
        return tf.sort(tf.where(real, order, time), axis=1)

    def kept(self, count):
        """⌈count (1 − rate)⌉, and keep_first at least."""
        # a little less: 10 (1 − 0.3) is 7.000000000000001 in some precision, and should not become 8
        kept = tf.math.ceil(tf.cast(count, "float64") * (1 - self.rate) - 1e-4)
        return tf.minimum(tf.maximum(tf.cast(kept, "int32"), self.keep_first), count)

    def draw(self, shape):
        """Random numbers from 0 to 1: tokens with the smallest ones stay."""
        return tf.random.uniform(shape)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "keep_first": self.keep_first,
                "shorten": self.shorten}


def bert_with(rate, shorten=True):
    """bert4keras' BERT with a DropToken between its embeddings and its blocks, as a class."""
    class Dropping(BERT):
        def apply_embeddings(self, inputs):
            x = super().apply_embeddings(inputs)
            return self.apply(x, DropToken, rate=rate, shorten=shorten, name="Drop-Token")

    return Dropping


def expected_embeddings(embeddings, mask_id, averaged=None):
    """What BERT's masked language modelling shows in a token's place on average, for each token.

        E ← 0.85 E + 0.15 (0.8 E_m + 0.1 E + 0.1 Avg[E])

    Args:
        embeddings: E, (tokens, channels).
        mask_id: m, the row of [MASK].
        averaged: rows that Avg is over; None for all, as in the article. Those that pre-training draws are
            better, without [PAD] and unused ones.
    """
    average = embeddings[slice(None) if averaged is None else averaged].mean(axis=0)
    return 0.85 * embeddings + 0.15 * (0.8 * embeddings[mask_id] + 0.1 * embeddings + 0.1 * average)


# ----------------------------------------------------------------------------------------------------- model

def small_bert(vocab_size, width=64, depth=2, positions=128):
    """The configuration of a BERT that learns from scratch in seconds."""
    return {"vocab_size": vocab_size, "hidden_size": width, "intermediate_size": 4 * width,
            "num_attention_heads": max(1, width // 32), "num_hidden_layers": depth, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": positions, "type_vocab_size": 2}


def build_classifier(config, rate, seed=0, shorten=True, checkpoint=None, expected=None):
    """Tokens (batch, time) → one logit from [CLS].

    Args:
        config: sizes.
        checkpoint: of a BERT, or None for random weights.
        expected: number of [MASK], for embeddings that are corrected by expected_embeddings.
    """
    bert = legacy_keras.build(bert_with(rate, shorten), config, seed)
    if checkpoint:
        legacy_keras.put_weights(bert, checkpoint)
    if expected is not None:
        layer = bert.layers["Embedding-Token"]
        layer.set_weights([expected_embeddings(layer.get_weights()[0], expected)])
    tokens = keras.Input((None,), dtype="int32")
    cls = bert.model([tokens, tf.zeros_like(tokens)])[:, 0]
    initial = keras.initializers.RandomNormal(stddev=config["hidden_size"] ** -0.5, seed=seed)
    return keras.Model(tokens, keras.layers.Dense(1, kernel_initializer=initial)(cls))


# ------------------------------------------------------------------------------------------------------ demo

def train_arm(build, rate, parts, seed, config):
    """Scores on the test part of a classifier that trains with DropToken(rate), and its samples a second."""
    keras.utils.set_random_seed(seed)
    (x, y), (x_test, y_test) = parts
    model = build(rate, seed)
    steps = config.epochs * -(-len(x) // config.batch_size)
    rate_of_learning = legacy_keras.cosine_rate(config.learning_rate, steps)
    model.compile(keras.optimizers.Adam(rate_of_learning, global_clipnorm=1.0),
                  keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(x, y[:, None].astype("float32"), config.batch_size, config.epochs, verbose=0)
    logits = model.predict(x_test, 256, verbose=0)[:, 0].astype("float64")
    p = 1 / (1 + np.exp(-logits))
    return class_scores(np.stack([1 - p, p], axis=1), y_test)


def speeds(config, sizes, rates, repeats):
    """Training samples of 128 tokens a second, for (rate, shorten): from the median of steps that take
    turns."""
    arms = {(rate, True): None for rate in rates} | {(0.5, False): None}
    rng = np.random.default_rng(0)
    x = rng.integers(5, sizes["vocab_size"], (config.batch_size, 128)).astype("int32")
    y = rng.integers(0, 2, (config.batch_size, 1)).astype("float32")
    times = {arm: [] for arm in arms}
    for arm in arms:
        arms[arm] = build_classifier(sizes, arm[0], shorten=arm[1])
        arms[arm].compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
        arms[arm].train_on_batch(x, y)                        # compiles
    for _ in range(repeats):
        for arm, model in arms.items():
            began = time.perf_counter()
            model.train_on_batch(x, y)
            times[arm].append(time.perf_counter() - began)
    return {arm: config.batch_size / np.median(found) for arm, found in times.items()}


def load(name, config, numbers=None):
    """(parts, tokens → numbers, description) of one of REVIEWS, or of --data.

    Args:
        numbers: tokens → numbers of a BERT; None for the characters of the training part.
    """
    file, length = REVIEWS[name]
    path = config.data
    if file and not config.smoke:
        path = str(datasets.find(file))
    texts, labels, described = load_reviews(path, config.smoke)
    train, test = split(len(texts), (0.75,), config.seed)
    rows = train[:config.limit], test
    numbers = numbers or legacy_keras.vocabulary([texts[row] for row in rows[0]], least=2)
    tokenizer = Tokenizer(numbers, do_lower_case=True)
    x = legacy_keras.padded([tokenizer.encode(text, maxlen=length)[0] for text in texts], length)
    return [(x[part], labels[part]) for part in rows], numbers, described


def draw(run, table, fast):
    """Test accuracy by rate; training samples a second by rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, runs in table.items():
        values = np.array(list(runs.values()))                            # (rates, seeds)
        left.errorbar(list(runs), values.mean(axis=1), values.std(axis=1), marker="o", capsize=3, label=name)
    left.set(xlabel="rate", ylabel="test accuracy")
    if table:
        left.legend(fontsize=8)
    shorter = {rate: value for (rate, shorten), value in fast.items() if shorten}
    right.plot(list(shorter), list(shorter.values()), "o-", label="shorter sequences")
    right.plot([0.5], [fast[0.5, False]], "s", label="masks alone")
    right.set(xlabel="rate", ylabel="training samples a second", ylim=(0, None))
    right.legend(fontsize=8)
    run.draw(figure)


def demo(config):
    """Rates of DropToken on reviews, from one seed or with --table from three; and the speed of each."""
    sizes, numbers, checkpoint = None, None, None
    if config.weights:
        sizes, numbers, checkpoint = legacy_keras.read_folder(config.weights)
    alone = config.data or config.smoke or not datasets.find(REVIEWS["takeaway"][0])
    chosen = ["hotels"] if alone else list(REVIEWS)
    loaded = {name: load(name, config, numbers) for name in chosen[:0 if config.speed else None]}
    rates, seeds, repeats = RATES, 3 if config.table else 1, 15
    if config.smoke:
        config = dataclasses.replace(config, epochs=1, width=32, depth=1)
        rates, repeats = (0.0, 0.5), 2
    run = further.start(config, "drop_token", legacy_keras.VERSIONS)
    lines, metrics, table = [], {}, {}
    for name, (parts, known, _) in loaded.items():
        chosen = sizes or small_bert(len(known), config.width, config.depth)
        expected = known["[MASK]"] if config.expected else None

        def build(rate, seed, chosen=chosen, expected=expected):
            return build_classifier(chosen, rate, seed, checkpoint=checkpoint, expected=expected)

        table[name] = {}
        for rate in rates:
            found = [train_arm(build, rate, parts, seed, config)
                     for seed in range(config.seed, config.seed + seeds)]
            values = np.array([list(scores.values()) for scores in found])
            table[name][rate] = values[:, 0]
            lines.append([name, rate, *map(further.mean_and_deviation, values.T)])
            print(*lines[-1], flush=True)
            metrics |= {f"{name}, {rate}, {key}": value for key, value in zip(found[0], values.mean(axis=0))}
    measured = small_bert(1000, 32, 1) if config.smoke else small_bert(1000, 128, 4)
    fast = speeds(config, measured, rates, repeats)
    metrics |= {f"samples a second, {rate}, {'shorter' if shorten else 'masks'}": value
                for (rate, shorten), value in fast.items()}
    if config.speed:
        rows = [[rate, "shorter sequences" if shorten else "masks alone", value, value / fast[0.0, True]]
                for (rate, shorten), value in fast.items()]
        run.table(["rate", "by", "samples a second", "times as fast"], rows)
    else:
        run.table(["reviews", "rate", "accuracy", "cross-entropy", "calibration error"], lines)
    draw(run, table, fast)
    described = [data for _, _, data in loaded.values()] or [{"name": "random tokens", "builtin": True}]
    run.finish(described[0] | {"others": described[1:]}, metrics)


def main():
    """The demo, python more/bert/drop_token.py."""
    further.main(
        demo, __doc__,
        epochs=(5, cli.Between(1, 1000), "Passes over the training reviews."),
        limit=(2000, cli.Between(40, 10_000_000), "Reviews to train on at most."),
        batch_size=(16, cli.Between(1, 10_000), "Reviews in one step."),
        learning_rate=(1e-3, cli.Between(above=0, most=1), "The peak of the learning rate."),
        width=(64, cli.Between(32, 4096), "Channels of the small network."),
        depth=(2, cli.Between(1, 48), "Blocks of the small network."),
        speed=(False, "", "Measure the speed alone."),
        weights=("", "", "Folder with a BERT, which takes the small network's place."),
        expected=(False, "", "Correct the BERT's embeddings by expected_embeddings first."))


if __name__ == "__main__":
    main()
