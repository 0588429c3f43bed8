"""BERT: how it is built, a small one of our own, and the files that BERTs come in.

Two kinds of folder hold a BERT, and `read_bert` reads both:

    bert_config.json  vocab.txt  bert_model.ckpt.*    Google's: BERT, RoBERTa (chinese_wwm_...), and ALBERT
    bert_config.json  vocab.txt  weights.npz          what pretrain.py and train.py write

weights.npz is a NumPy archive of float16 arrays, half the size of float32 and as good: a trained network does
not know its weights to more than three digits. The arrays have the names of Google's checkpoints
(bert/embeddings/word_embeddings, ...); those of the heads begin with nl2sql/. Nothing in it is pickled, so
nothing in it can run. A parser's bert_config.json has an entry more, "parser": how its lines are encoded.
"""

from nl2sql import legacy_keras  # first: from here on `import keras` means tf_keras

# isort: split

import io
import json
import pathlib
import warnings

import numpy as np
import tensorflow as tf

from common.harness.archives import read_arrays
from common.harness.paths import named_path
from common.harness.reading import InputError, read_text
from common.harness.writing import write_json, write_whole
from nl2sql.characters import Characters
from nl2sql.encoder import SEGMENTS

MODELS = ["bert", "albert", "roformer"]
SIZES = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}
OPTIONS = SIZES | {"hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "embedding_size",
                   "max_position_embeddings", "type_vocab_size"}
HEAD_SIZE = 32                                           # channels of an attention head of a small BERT
SHARED = "bert/encoder/transformer/group_0/"             # ALBERT has one layer, used again and again


# ------------------------------------------------------------------------------------------------------ model

def build_bert(config, seed=0):
    """One of bert4keras' MODELS: its .model reads tokens and segments (batch, T) and gives (batch, T, width).

    Its random weights are drawn here: bert4keras gives the query, key, value and output of an attention one
    initializer, and one initializer of tf_keras draws the same numbers every time.

    Raises:
        InputError: a configuration that describes no BERT, or one too large for this machine.
    """
    options = {name: config[name] for name in OPTIONS if name in config}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The initializer TruncatedNormal is unseeded")
            bert = legacy_keras.models.build_transformer_model(
                model=config.get("model", "bert"), return_keras_model=False, **options)
    except InputError:                 # of common/harness/memory.py: weights that the memory cannot hold
        raise
    except Exception as error:         # bert4keras raises many kinds for sizes that do not fit together
        raise InputError(f"bert_config.json describes no BERT that can be built: {error!r:.200}") from error
    rng = np.random.default_rng(seed)
    for weight in bert.model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(0.02 * np.clip(rng.standard_normal(weight.shape, "float32"), -2, 2))
    return bert


def small_bert(vocab, width, depth, max_length, dropout=0.1):
    """The configuration of a BERT for two CPU cores, in Google's words.

    A RoFormer (kexue.fm 8265): positions turn queries and keys, so that "the character before" is learnt once
    and not anew for each position, which takes long from random weights.
    """
    if width % (HEAD_SIZE if width > HEAD_SIZE else 2):
        raise InputError(f"--width expects a multiple of {HEAD_SIZE}, the size of an attention head. "
                         f"Received: {width}")
    return {
        "model": "roformer", "vocab_size": len(vocab), "type_vocab_size": SEGMENTS,
        "hidden_size": width, "intermediate_size": 4 * width,
        "num_attention_heads": max(1, width // HEAD_SIZE),
        "num_hidden_layers": depth, "max_position_embeddings": max_length,
        "hidden_act": "gelu", "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout,
    }


# ------------------------------------------------------------------------------------------------------ files

def read_bert(folder):
    """(config, Characters, weights) of a folder; weights are a dict of arrays, or a checkpoint's path.

    Raises:
        InputError: not such a folder, or its files do not belong together.
    """
    folder = named_path(folder, "--bert")
    if not folder.is_dir():
        raise InputError("expected a folder with bert_config.json, vocab.txt and weights. "
                         f"Received: {folder}")
    config = read_config(folder)
    vocabularies = [folder / "vocab.txt", *sorted(folder.glob("vocab*.txt"))]
    vocabulary = next((path for path in vocabularies if path.exists()), None)
    if vocabulary is None:
        raise InputError(f"{folder} should hold BERT's vocab.txt. Not found")
    vocab = Characters.load(vocabulary)
    if len(vocab) > config["vocab_size"]:
        raise InputError(f"{vocabulary} does not belong to this BERT, which knows {config['vocab_size']:,} "
                         f"tokens. Received: {len(vocab):,}")
    if (folder / "weights.npz").exists():
        return config, vocab, read_weights(folder / "weights.npz")
    checkpoint = find_checkpoint(folder)
    config["model"] = "albert" if any(name.startswith(SHARED) for name in names_in(checkpoint)) else "bert"
    return config, vocab, checkpoint


def read_config(folder):
    """bert_config.json, or albert_config_base.json, or what else it is called."""
    paths = sorted(folder.glob("bert_config.json")) or sorted(folder.glob("*bert*.json"))
    if len(paths) != 1:
        names = ", ".join(path.name for path in paths) or 0
        raise InputError(f"{folder} should hold one bert_config.json. Received: {names}")
    try:
        config = json.loads(read_text(paths[0]))
        if not isinstance(config, dict) or not all(isinstance(config.get(name), int) for name in SIZES):
            raise ValueError(f"expected whole numbers for {', '.join(sorted(SIZES))}")
        if config.get("model", "bert") not in MODELS:
            raise ValueError(f"its model should be one of {', '.join(MODELS)}. "
                             f"Received: {str(config['model'])[:40]}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{paths[0]} should describe a BERT as Google's bert_config.json does: "
                         f"{error}") from error
    return config


def read_weights(path):
    """The arrays of weights.npz, as float32 by name."""
    try:
        arrays = read_arrays(path, model=True)
        if wrong := [name for name, array in arrays.items() if array.dtype.kind != "f"]:
            raise ValueError(f"{wrong[0]} holds {arrays[wrong[0]].dtype}, not floating-point numbers")
        if wrong := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
            raise ValueError(f"{wrong[0]} holds numbers that are not finite")
        return {name: array.astype("float32") for name, array in arrays.items()}
    except InputError:
        raise
    except Exception as error:         # zipfile and NumPy raise a dozen kinds for a damaged file
        raise InputError(f"{path} should be a NumPy archive of weights, but cannot be read as one: "
                         f"{error}") from error


def find_checkpoint(folder):
    """The one TensorFlow checkpoint in a folder, by the path without its endings."""
    found = sorted({str(path).removesuffix(".index") for path in folder.glob("*.index")})
    if len(found) != 1:
        names = ", ".join(pathlib.Path(path).name for path in found) or "none"
        raise InputError(f"{folder} should hold weights.npz, or one TensorFlow checkpoint "
                         f"(bert_model.ckpt.index and .data-*). Received: {names}")
    return found[0]


def names_in(checkpoint):
    """The names of the variables in a TensorFlow checkpoint."""
    try:
        return [name for name, _ in tf.train.list_variables(checkpoint)]
    except Exception as error:         # TensorFlow raises errors of its own for a damaged file
        raise InputError(f"{checkpoint} cannot be read as a TensorFlow checkpoint: "
                         f"{str(error)[:200]}") from error


def load_weights(bert, weights, source):
    """Puts the weights that read_bert found into a BERT.

    Raises:
        InputError: one is missing or of another shape.
    """
    try:
        bert.load_weights_from_checkpoint(weights)
    except (KeyError, ValueError, tf.errors.OpError) as error:
        raise InputError(f"{source} does not hold the weights that its configuration describes: "
                         f"{str(error)[:300]}. BERT, RoBERTa and ALBERT are read, with the variables' names "
                         "in Google's checkpoints") from error


def save_bert(folder, bert, config, vocab, heads=None):
    """Writes bert_config.json, vocab.txt and weights.npz.

    Args:
        heads: further arrays by name, those of a parser.

    Raises:
        InputError: a weight is no finite float16.
    """
    folder = pathlib.Path(folder)
    arrays = arrays_of(bert) | (heads or {})
    with np.errstate(over="ignore"):
        arrays = {name: array.astype("float16") for name, array in arrays.items()}
    if wrong := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise InputError(f"the weights {wrong[0]} are no finite numbers of 16 bits: the training diverged. "
                         f"Try a smaller --learning-rate.")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_json(folder / "bert_config.json", {name: config[name] for name in sorted(config)})
    vocab.save(folder / "vocab.txt")
    write_whole(folder / "weights.npz", buffer.getvalue())


def arrays_of(bert):
    """The weights of a BERT by their names in Google's checkpoints."""
    found = {}
    for layer, names in bert.variable_mapping().items():
        if layer in bert.layers:
            weights = bert.layers[layer].trainable_weights
            found |= {name: weight.numpy() for name, weight in zip(names, weights)}
    return found
