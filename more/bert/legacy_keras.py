"""bert4keras on tf_keras, and the folders and weights of its models: the scripts here import this before
anything else that imports Keras.

What is on Keras 3 stands in files of its own, runs in processes of its own, and gets the weights as .npz.
"""

from common.harness.legacy_keras import SWITCHES, install, speed_up

install("more/bert")

import collections
import io
import itertools
import json
import os
import subprocess
import sys
import warnings

import bert4keras.backend  # puts tf_keras into sys.modules as "keras"
import bert4keras.layers
import bert4keras.models
import bert4keras.snippets
import bert4keras.tokenizers
import keras
import numpy as np
import tensorflow as tf

from common.harness.paths import named_path
from common.harness.reading import InputError, read_text, sha256_of
from common.harness.writing import ROOT, write_whole

speed_up()

VERSIONS = ("tf_keras", "bert4keras", "numpy", "tensorflow")       # for results.json
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}
LARGEST = 64                                                       # GPT2_ML has 48 layers


def build(model, config, seed=0, deviation=None, **options):
    """A model of bert4keras with random weights; its .model is the Keras model.

    The weights are drawn here: bert4keras gives the kernels of an attention one initializer, and one
    initializer of tf_keras draws the same numbers every time.

    Args:
        model: bert4keras' name of it, such as "bert" or "gpt2_ml", or a class derived from its classes.
        config: the sizes, in the words of Google's bert_config.json.
        seed: of the weights.
        deviation: standard deviation of the random kernels and embeddings, by default 1/√width. BERT's 0.02
            is for 768 channels; with it the attention of 128 learns nothing in a pass over the texts.
        **options: what else build_transformer_model takes.

    Raises:
        InputError: sizes that do not fit together.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The initializer TruncatedNormal is unseeded")
            built = bert4keras.models.build_transformer_model(
                model=model, return_keras_model=False, **config, **options)
    except Exception as error:         # bert4keras raises many kinds for sizes that do not fit together
        raise InputError(f"the configuration describes no model that can be built: {error!r:.200}") from error
    rng = np.random.default_rng(seed)
    deviation = deviation or config["hidden_size"] ** -0.5
    for weight in built.model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(deviation * np.clip(rng.standard_normal(weight.shape, "float32"), -2, 2))
    return built


def read_folder(folder, sha256=None):
    """(config, tokens → numbers, path of the checkpoint) of a folder with pretrained weights.

    Args:
        folder: with one .json file, vocab.txt, and one TensorFlow checkpoint, NAME.index and NAME.data-*.
        sha256: what the .data file should have, None where its author names none.

    Raises:
        InputError: no such folder, or other weights than those.
    """
    folder = named_path(folder, "--weights")
    found = {ending: sorted(folder.glob(f"*{ending}")) for ending in (".json", ".index", "vocab.txt")}
    for ending, paths in found.items():
        if len(paths) != 1:
            names = ", ".join(path.name for path in paths) or "none"
            raise InputError(f"--weights expects a folder with one .json file of sizes, vocab.txt and one "
                             f"TensorFlow checkpoint. Received: {folder} with {names} for {ending}")
    config = read_config(found[".json"][0])
    checkpoint = str(found[".index"][0]).removesuffix(".index")
    if sha256:
        data = named_path(f"{checkpoint}.data-00000-of-00001", "--weights")
        digest = sha256_of(data) if data.exists() else "no such file"
        if digest != sha256:
            raise InputError(f"{data} should have the sha256 {sha256}. Received: {digest}. Download it again")
    tokens = [line.rstrip("\r") for line in read_text(found["vocab.txt"][0]).removesuffix("\n").split("\n")]
    return config, {token: number for number, token in enumerate(tokens)}, checkpoint


def read_config(path):
    """The sizes in a .json file, as Google's bert_config.json names them."""
    try:
        config = json.loads(read_text(path))
        if not isinstance(config, dict) or not all(isinstance(config.get(name), int) for name in SIZES):
            raise ValueError(f"expected whole numbers for {', '.join(sorted(SIZES))}")
        if not 0 < config["num_hidden_layers"] <= LARGEST:
            raise ValueError(f"expected 1 to {LARGEST} layers. Received: {config['num_hidden_layers']}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} should describe a model as bert_config.json does: {error}") from error
    return config


def put_weights(model, checkpoint):
    """Puts a TensorFlow checkpoint, or a dict of arrays, into a model of bert4keras.

    Raises:
        InputError: a weight is missing or has another shape.
    """
    try:
        model.load_weights_from_checkpoint(checkpoint)
    except (KeyError, ValueError, tf.errors.OpError) as error:
        where = checkpoint if isinstance(checkpoint, str) else "the archive"
        raise InputError(f"{where} does not hold the weights of this model: {str(error)[:300]}") from error


def arrays_of(model):
    """The weights of a model of bert4keras by their names in the original checkpoints."""
    found = {}
    for layer, names in model.variable_mapping().items():
        if layer in model.layers:
            weights = model.layers[layer].trainable_weights
            found |= {name: weight.numpy() for name, weight in zip(names, weights)}
    return found


def save_arrays(path, arrays):
    """Writes an .npz archive, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def vocabulary(texts, first=(), least=1):
    """Tokens → numbers: special tokens, those of `first`, and the characters that texts have so often at
    least, the frequent ones first."""
    counts = collections.Counter(itertools.chain.from_iterable(texts))
    frequent = sorted((-count, character) for character, count in counts.items() if count >= least)
    tokens = list(dict.fromkeys([*SPECIAL, *first, *(character for _, character in frequent)]))
    return {token: number for number, token in enumerate(tokens)}


def padded(rows, length=None):
    """Rows of numbers as one array (rows, longest or length), filled up with 0."""
    array = np.zeros((len(rows), length or max(map(len, rows))), "int32")
    for target, row in zip(array, rows):
        target[:len(row)] = row
    return array


def cosine_rate(peak, steps):
    """Up to the peak in the first 4 % of the steps, then down to 0 as a cosine; as all our own recipes."""
    warmup = max(1, steps // 25)
    rest = max(1, steps - warmup)
    return keras.optimizers.schedules.CosineDecay(0.0, rest, warmup_target=peak, warmup_steps=warmup)


def keras3(script, *arguments):
    """What a script of this repository that runs on Keras 3 prints, in a process of its own.

    Raises:
        InputError: it ended with an error.
    """
    settings = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    result = subprocess.run(command, env=settings, capture_output=True, text=True)
    if result.returncode:
        raise InputError(f"{script} ended with an error: {result.stderr.strip()[-300:]}")
    return result.stdout
