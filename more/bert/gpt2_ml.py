"""现在可以用Keras玩中文GPT2了（GPT2_ML）, https://kexue.fm/archives/7292

A causal language model continues a text. GPT2_ML's block is neither BERT's nor OpenAI's: the attention has no
normalisation of its own, and the feed-forward part has one on either side. A prompt is continued by sampling
from the five likeliest tokens, until a full stop that comes late enough.

    figure of the article                    here, and in the checkpoint's names
    h = x + Att(x), causal                   newslm/layerNN/{query,key,value,context_projection}_layer
    y = LN₁(h + FFN(LN₀(h)))                 LayerNorm_mlp_ln0, intermediate, output, LayerNorm_mlp_ln1
    x₀ = LN(token + position)                newslm/embeddings/{word_embed,pos_embed,LayerNorm_embed_norm}
    logits = y Eᵀ, E = word_embed            the embedding once more
    end_id=511, minlen=128, maxlen=256       the number of 。 in the vocabulary, --least, --most

    python more/bert/gpt2_ml.py
        ten minutes on one core: a small one learns verse, and the same block on Keras 3 generates beside
        bert4keras' loop
    python more/bert/gpt2_ml.py --weights FOLDER --least 128 --most 256
        the article's own: config.json, vocab.txt and model.ckpt-100000.*, whose sha256 is checked
    python more/bert/gpt2_ml.py --data texts.txt
        your own texts, one a line; each tenth line is for testing

The weights, 6 GB, are at github.com/imcaspar/gpt2-ml and at the places that the article names.
"""

import dataclasses
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from more.bert import legacy_keras  # first: from here on `import keras` means tf_keras

# isort: split

import keras
import numpy as np
import tensorflow as tf
from bert4keras.snippets import AutoRegressiveDecoder
from bert4keras.tokenizers import Tokenizer

from common.harness import cli, datasets, further
from common.harness.reading import InputError, sha256_of_all
from common.harness.vocab import is_han
from common.harness.writing import write_json, write_lines
from more.bert.verse import STOP, load_verse, windows_of

SHA256 = "4a6e5124df8db7ac2bdd902e6191b807a6983a7f5d09fb10ce011f9a073b183e"      # of the article's .data file
PROMPTS = ("今天天气不错", "双十一", "科学空间")                                        # the article's
WINDOW = 128                     # tokens that are trained at once
POSITIONS = 272                  # of a prompt and 256 tokens


# ------------------------------------------------------------------------------------------------------ model

def build_gpt(vocab_size, width=128, depth=4, heads=4, positions=POSITIONS, seed=0):
    """(configuration, GPT2_ML of bert4keras); its .model gives logits, (batch, time, vocabulary)."""
    config = {"vocab_size": vocab_size, "hidden_size": width, "num_hidden_layers": depth,
              "num_attention_heads": heads, "intermediate_size": 4 * width, "hidden_act": "gelu",
              "max_position_embeddings": positions}
    return config, legacy_keras.build("gpt2_ml", config, seed, final_activation="linear")


class Continuation(AutoRegressiveDecoder):
    """Continues texts by a model that gives logits; the whole text goes through it again for each token.

    Args:
        logits: function of numbers (batch, time) → logits (batch, time, vocabulary).
        end, least, most: the number of the token that ends a text, and how many tokens it has.
    """

    def __init__(self, logits, end, least, most):
        super().__init__(start_id=None, end_id=end, maxlen=most, minlen=least)
        self.logits = logits

    @AutoRegressiveDecoder.wraps(default_rtype="logits")
    def predict(self, inputs, output_ids, states):
        return self.logits(np.concatenate([inputs[0], output_ids], axis=1))[:, -1]


# --------------------------------------------------------------------------------------------------- training

def train(gpt, texts, epochs, batch_size, learning_rate, seed):
    """Trains a GPT2_ML on arrays of numbers; returns (tokens so far, nats a token) of tenths of epochs."""
    rng = np.random.default_rng(seed)
    per_epoch = len(windows_of(texts, np.random.default_rng(seed), WINDOW + 1))
    steps = epochs * -(-per_epoch // batch_size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = legacy_keras.cosine_rate(learning_rate, steps)
    gpt.model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss)
    curve, tokens = [], 0
    for epoch in range(epochs):
        windows = windows_of(texts, rng, WINDOW + 1)
        for part in np.array_split(windows, min(10, len(windows))):
            found = gpt.model.fit(part[:, :-1], part[:, 1:], batch_size, verbose=0, shuffle=False)
            tokens += part[:, 1:].size
            curve.append((tokens, found.history["loss"][0]))
        print(f"epoch {epoch + 1}: {tokens:,} tokens, {curve[-1][1]:.3f} nats a token", flush=True)
    return curve


def log_probabilities(gpt, rows, batch_size=256):
    """log p of each number in a row but the first one, given those before it: a list of arrays.

    A row begins with the full stop of the text before it.
    """
    @tf.function(reduce_retracing=True)
    def chosen(tokens):
        logits = gpt.model(tokens[:, :-1], training=False)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(tokens[:, 1:], logits)

    order, found = sorted(range(len(rows)), key=lambda i: len(rows[i])), [None] * len(rows)
    for start in range(0, len(order), batch_size):
        batch = order[start:start + batch_size]
        values = chosen(tf.constant(legacy_keras.padded([rows[i] for i in batch]))).numpy()
        for i, row in zip(batch, values):
            found[i] = row[:len(rows[i]) - 1]
    return found


def perplexities(gpt, numbers, tests):
    """The test metrics: nats a text; perplexity of characters; and of the second lines of couplets, given the
    first, over the Chinese characters that the vocabulary has, as couplet's README counts them. Of texts that
    are longer than there are positions the beginning counts."""
    metrics, unknown = {}, numbers["[UNK]"]
    for name, texts in tests.items():
        texts = [text[:POSITIONS] for text in texts]
        rows = [encode(STOP + text, numbers) for text in texts]
        found = log_probabilities(gpt, rows)
        verse = [np.array(list(map(is_han, text))) for text in texts]
        metrics[f"{name}: nats a text, of its characters"] = np.mean([-p[han].sum() for p, han in
                                                                      zip(found, verse)])
        metrics[f"{name}: nats a text, with its marks"] = np.mean([-p.sum() for p in found])
        metrics[f"{name}: perplexity of characters"] = perplexity([p[han] for p, han in zip(found, verse)])
        metrics[f"{name}: unknown share"] = np.mean(np.concatenate(rows) == unknown)
        if name == "couplets":
            chosen = []
            for text, row, p, han in zip(texts, rows, found, verse):
                second = np.arange(len(text)) > len(text) // 2 - 1
                chosen.append(p[second & han & (row[1:] != unknown)])
            metrics["couplets: perplexity of second lines"] = perplexity(chosen)
    return metrics


def perplexity(values):
    """exp of the mean of −log p."""
    return float(np.exp(-np.concatenate(values).mean()))


def encode(text, numbers):
    """The numbers of a text's characters, as an array."""
    return np.array([numbers.get(character, numbers["[UNK]"]) for character in text], "int32")


# ------------------------------------------------------------------------------------------------------- demo

def speed(logits, prompt, end, count=100):
    """Tokens a second of bert4keras' loop with one continuation, after a short one that compiles."""
    for most in (3, count):
        began = time.perf_counter()
        Continuation(logits, end, most, most).random_sample([prompt], 1, topk=5)
        seconds = time.perf_counter() - began
    return count / seconds


def beside_keras3(run, gpt, config, rows):
    """Writes weights and logits, and returns what gpt2_block.py, on Keras 3, says of them."""
    legacy_keras.save_arrays(run.path("weights.npz"), legacy_keras.arrays_of(gpt))
    write_json(run.path("gpt2_ml.json"), config)
    tokens = np.stack(rows)
    logits = gpt.model.predict(tokens, verbose=0)
    legacy_keras.save_arrays(run.path("logits.npz"), {"tokens": tokens, "logits": logits})
    return json.loads(legacy_keras.keras3("more/bert/gpt2_block.py", "--run", run.folder).splitlines()[-1])


def draw(run, curve, speeds):
    """Nats a token by tokens trained on; tokens a second of three ways to generate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    if curve:
        left.plot(*np.array(curve).T)
    left.set(xlabel="tokens", ylabel="nats a token, in training")
    right.barh(list(speeds), list(speeds.values()))
    right.set(xlabel="tokens a second, one continuation", xscale="log")
    run.draw(figure)


def samples(gpt, tokenizer, prompts, config, start):
    """Continuations of prompts by the article's first rule, five likeliest, and its later one, p = 0.95.

    Args:
        start: what stands before a prompt: nothing in the article, a full stop for windows of verse.
    """
    def logits(tokens):
        return gpt.model.predict(tokens, verbose=0)

    lines = []
    decoder = Continuation(logits, tokenizer.token_to_id(STOP), config.least, config.most)
    for prompt in prompts:
        numbers = tokenizer.encode(start + prompt)[0]
        for rule, options in (("top-k 5", {"topk": 5}), ("top-p 0.95", {"topp": 0.95})):
            for found in decoder.random_sample([numbers], 1, **options):
                lines.append(f"{rule}: {prompt}{tokenizer.decode([int(number) for number in found])}")
    print("\n".join(lines), flush=True)
    return lines


def demo(config):
    """The article's weights, or a small model of verse: samples, perplexities, and speed beside Keras 3."""
    if config.least > config.most:
        raise InputError(f"--least expects at most --most, {config.most}. Received: {config.least}")
    keras.utils.set_random_seed(config.seed)
    if config.weights:
        sizes, numbers, checkpoint = legacy_keras.read_folder(config.weights, SHA256)
        run = further.start(config, "gpt2_ml", legacy_keras.VERSIONS)
        gpt = legacy_keras.build("gpt2_ml", sizes, final_activation="linear")
        legacy_keras.put_weights(gpt, checkpoint)
        tokenizer = Tokenizer(numbers, token_start=None, token_end=None, do_lower_case=True)
        write_lines(run.path("samples.txt"), samples(gpt, tokenizer, PROMPTS, config, ""))
        run.finish({"name": "GPT2_ML", "sha256": SHA256, "builtin": False}, {})
        return
    texts, tests, paths, builtin = load_verse(config.data, config.smoke)
    texts = [texts[row] for row in np.random.default_rng(config.seed).permutation(len(texts))[:config.texts]]
    if config.smoke:
        texts, tests = texts[:400], {name: test[:20] for name, test in tests.items()}
        config = dataclasses.replace(config, epochs=1, width=32, depth=2, least=3, most=6)
    if not texts or not all(tests.values()):
        raise InputError(f"{paths[0]} should hold texts to train on and to test on. "
                         f"Received: {len(texts)} texts")
    run = further.start(config, "gpt2_ml", legacy_keras.VERSIONS)
    numbers = legacy_keras.vocabulary(texts, [STOP], least=2)
    described = datasets.Dataset("verse", str(paths[0]), sha256_of_all(paths), builtin).describe()
    print(f"data: {len(texts):,} training texts, {len(numbers):,} tokens in the vocabulary", flush=True)
    sizes, gpt = build_gpt(len(numbers), config.width, config.depth, seed=config.seed)
    encoded = [encode(text, numbers) for text in texts]
    began = time.time()
    curve = train(gpt, encoded, config.epochs, config.batch_size, config.learning_rate, config.seed)
    metrics = {"training minutes": (time.time() - began) / 60, "parameters": gpt.model.count_params()}
    metrics |= perplexities(gpt, numbers, tests)
    tokenizer = Tokenizer(numbers, token_start=None, token_end=None, do_lower_case=True)
    write_lines(run.path("vocab.txt"), list(numbers))
    write_lines(run.path("samples.txt"), samples(gpt, tokenizer, PROMPTS, config, STOP))

    prompt, end = tokenizer.encode(STOP + PROMPTS[0])[0], numbers[STOP]
    count = 20 if config.smoke else 100
    speeds = {"bert4keras, predict": speed(lambda x: gpt.model.predict(x, verbose=0), prompt, end, count),
              "bert4keras, predict_on_batch": speed(gpt.model.predict_on_batch, prompt, end, count)}
    rows = windows_of(encoded, np.random.default_rng(1), WINDOW)[:8]
    found = beside_keras3(run, gpt, sizes, rows)
    speeds["Keras 3, with a cache"] = found["tokens a second"]
    metrics |= {f"tokens a second, {name}": value for name, value in speeds.items()}
    metrics |= {f"largest difference of logits, {name}": found[name] for name in ("whole", "step by step")}
    draw(run, curve, speeds)
    rows = [[name, value, value / speeds["bert4keras, predict"]] for name, value in speeds.items()]
    run.table(["one continuation of 100 tokens", "tokens a second", "times as fast"], rows)
    run.finish(described | {"train": len(texts)} | {name: len(test) for name, test in tests.items()}, metrics)


def main():
    """The demo, python more/bert/gpt2_ml.py."""
    further.main(
        demo, __doc__,
        texts=(10_000_000, cli.Between(200, 10_000_000), "Training texts at most."),
        epochs=(1, cli.Between(1, 1000), "Passes over the training texts."),
        batch_size=(16, cli.Between(1, 10_000), "Windows of 128 tokens in one step."),
        learning_rate=(2e-3, cli.Between(above=0, most=1), "The peak of the learning rate."),
        width=(128, cli.Between(16, 4096), "Channels of each block, in 4 heads."),
        depth=(4, cli.Between(1, 48), "Blocks of the network."),
        least=(48, cli.Between(1, 128), "Tokens after which a full stop ends a text; the article has 128."),
        most=(96, cli.Between(1, 256), "Tokens of a continuation at most; the article has 256."),
        weights=("", "", "Folder with the article's weights, to use instead of training."))


if __name__ == "__main__":
    main()
