"""A BERT with the article's four heads, and the files that BERTs come in.

Two kinds of folder hold a BERT, and `read_bert` reads both:

    bert_config.json  vocab.txt  bert_model.ckpt.*     Google's format: BERT, RoBERTa (chinese_wwm_...), and ALBERT
    bert_config.json  vocab.txt  weights.npz           what pretrain.py and train.py write

weights.npz is a NumPy archive of float16 arrays, half the size of float32 and as good: a trained network does not know its
weights to more than three digits. The arrays have the names of Google's checkpoints (bert/embeddings/word_embeddings, ...);
those of the heads begin with nl2sql/. Nothing in it is pickled, so nothing in it can run. A parser's bert_config.json has an
entry more, "parser", with what the inputs need to know.
"""

from nl2sql import legacy_keras  # first: from here on `import keras` means tf_keras

# isort: split

import io
import json
import pathlib
import warnings
import zipfile

import keras
import numpy as np
import tensorflow as tf

from common import datasets
from common.datasets import InputError
from common.runs import write_json, write_whole
from nl2sql.inputs import Characters

MODELS = ["bert", "albert", "roformer"]
SIZES = {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}
CONFIG = SIZES | {"hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings",
                  "type_vocab_size", "embedding_size", "model"}
HEADS = ("connector", "select", "operator", "column_character", "column_header", "column")
SHARED = "bert/encoder/transformer/group_0/"             # ALBERT has one layer, used again and again


# -------------------------------------------------------------------------------------------------------------- model

def build_bert(config, seed=0):
    """One of bert4keras' MODELS: its .model reads tokens and segments, (batch, T) each, and gives (batch, T, width).

    Its random weights are drawn here: bert4keras gives the query, key, value and output of an attention one initializer,
    and one initializer of tf_keras draws the same numbers every time.

    Raises:
        InputError: a configuration that describes no BERT.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The initializer TruncatedNormal is unseeded")
            bert = legacy_keras.models.build_transformer_model(
                model=config.get("model", "bert"), return_keras_model=False,
                **{name: config[name] for name in CONFIG - {"model"} if name in config})
    except Exception as error:         # bert4keras raises many kinds for sizes that do not fit together
        raise InputError(f"bert_config.json describes no BERT that can be built: {error!r:.200}") from error
    generator = np.random.default_rng(seed)
    for weight in bert.model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(0.02 * np.clip(generator.standard_normal(weight.shape, "float32"), -2, 2))
    return bert


def build_parser(bert, width=256):
    """The article's network: questions and tables → logits of the four heads.

    Inputs, beside BERT's tokens and segments: positions of the question's characters (batch, Q) and of the columns' [CLS]
    (batch, N), and masks of both. Outputs: connector (batch, 3), select (batch, N, 7), operator (batch, Q, 5) and column
    (batch, Q, N), in which what the masks leave out is −10¹⁰.
    """
    def dense(units, name):
        return keras.layers.Dense(units, kernel_initializer=bert.initializer, name=name)

    characters, headers = (keras.Input((None,), dtype="int32", name=name) for name in ("characters", "headers"))
    character_mask, header_mask = (keras.Input((None,), name=name) for name in ("character_mask", "header_mask"))

    h = bert.model.output                                               # (batch, T, hidden)
    x = tf.gather(h, characters, batch_dims=1)                          # the question, character by character
    y = tf.gather(h, headers, batch_dims=1)                             # the table, column by column

    connector = dense(3, "connector")(h[:, 0])
    select = dense(7, "select")(y)
    operator = dense(5, "operator")(x)

    # Which column a character belongs to. Without the tanh, a softmax of Dense(x) + Dense(y) over the columns would cancel
    # the term of x: each character would choose the same column. The article's first version had that flaw.
    u = dense(width, "column_character")(x)[:, :, None]
    v = dense(width, "column_header")(y)[:, None]
    column = dense(1, "column")(tf.tanh(u + v))[..., 0]
    column -= 1e10 * (1 - header_mask[:, None])

    inputs = [*bert.model.inputs, characters, character_mask, headers, header_mask]
    return keras.Model(inputs, [connector, select, operator, column], name="parser")


def parser_loss(outputs, labels, character_mask, header_mask):
    """The article's loss: four cross-entropies in nats, each the mean over what its mask leaves, added up.

    Args:
        outputs: logits of the four heads.
        labels: connector (batch,), select (batch, N), operator and column (batch, Q), as integers.
        character_mask, header_mask: (batch, Q), (batch, N).
    """
    in_value = character_mask * tf.cast(labels[2] < 4, "float32")       # only there a column is asked for
    masks = [1.0, header_mask, character_mask, in_value]
    total = 0.0
    for logits, label, mask in zip(outputs, labels, masks):
        losses = keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True) * mask
        # A batch may have no condition at all: the article's script then divides 0 by 0.
        total += tf.reduce_sum(losses) / tf.maximum(tf.reduce_sum(mask * tf.ones_like(losses)), 1.0)
    return total


# -------------------------------------------------------------------------------------------------------------- files

def read_bert(folder):
    """(config, Characters, weights) of a folder: weights are a dict of arrays, or the path of a TensorFlow checkpoint.

    Raises:
        InputError: not such a folder, or its files do not belong together.
    """
    folder = pathlib.Path(folder).expanduser()
    if not folder.is_dir():
        raise InputError(f"expected a folder with bert_config.json, vocab.txt and weights. Received: {folder}")
    config = read_config(folder)
    vocabulary = next((path for path in [folder / "vocab.txt", *sorted(folder.glob("vocab*.txt"))] if path.exists()), None)
    if vocabulary is None:
        raise InputError(f"{folder} should hold BERT's vocab.txt. Not found")
    vocab = Characters.load(vocabulary)
    if len(vocab) > config["vocab_size"]:
        raise InputError(f"{vocabulary} does not belong to this BERT, which knows {config['vocab_size']:,} tokens. "
                         f"Received: {len(vocab):,}")
    if (folder / "weights.npz").exists():
        return config, vocab, read_weights(folder / "weights.npz")
    checkpoints = sorted({str(path)[:-len(".index")] for path in folder.glob("*.index")})
    if len(checkpoints) != 1:
        raise InputError(f"{folder} should hold weights.npz, or one TensorFlow checkpoint (bert_model.ckpt.index and "
                         f".data-*). Received: {', '.join(pathlib.Path(c).name for c in checkpoints) or 'none'}")
    try:
        names = [name for name, _ in tf.train.list_variables(checkpoints[0])]
    except Exception as error:         # TensorFlow raises errors of its own for a damaged file
        raise InputError(f"{checkpoints[0]} cannot be read as a TensorFlow checkpoint: {str(error)[:200]}") from error
    config["model"] = "albert" if any(name.startswith(SHARED) for name in names) else "bert"
    return config, vocab, checkpoints[0]


def read_config(folder):
    """bert_config.json, or albert_config_base.json, or what else it is called."""
    paths = sorted(folder.glob("bert_config.json")) or sorted(folder.glob("*bert*.json"))
    if len(paths) != 1:
        raise InputError(f"{folder} should hold one bert_config.json. Received: {', '.join(p.name for p in paths) or 0}")
    try:
        config = json.loads(datasets.read_text(paths[0]))
        if not isinstance(config, dict) or not all(isinstance(config.get(name), int) for name in SIZES):
            raise ValueError(f"expected whole numbers for {', '.join(sorted(SIZES))}")
        if config.get("model", "bert") not in MODELS:
            raise ValueError(f"its model should be one of {', '.join(MODELS)}. Received: {str(config['model'])[:40]}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{paths[0]} should describe a BERT as Google's bert_config.json does: {error}") from error
    return config


def read_weights(path):
    """The arrays of weights.npz, as float32 by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            datasets.check_unpacked(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if wrong := [name for name, array in arrays.items() if array.dtype.kind != "f"]:
            raise ValueError(f"{wrong[0]} holds {arrays[wrong[0]].dtype}, not floating-point numbers")
        return {name: array.astype("float32") for name, array in arrays.items()}
    except InputError:
        raise
    except Exception as error:         # zipfile and NumPy raise a dozen kinds for a damaged file
        raise InputError(f"{path} should be a NumPy archive of weights, but cannot be read as one: {error}") from error


def load_weights(bert, weights, source):
    """Puts the weights that read_bert found into a BERT.

    Raises:
        InputError: one is missing or of another shape.
    """
    try:
        bert.load_weights_from_checkpoint(weights)
    except (KeyError, ValueError, tf.errors.OpError) as error:
        raise InputError(f"{source} does not hold the weights that its configuration describes: {str(error)[:300]}. "
                         f"BERT, RoBERTa and ALBERT are read, with the variables' names in Google's checkpoints") from error


def save(folder, bert, config, vocab, parser=None):
    """Writes bert_config.json, vocab.txt and weights.npz; with the heads where a parser is given.

    Raises:
        InputError: a weight is no finite float16.
    """
    folder, arrays = pathlib.Path(folder), {}
    for layer, names in bert.variable_mapping().items():
        if layer in bert.layers:
            arrays |= {name: weight.numpy() for name, weight in zip(names, bert.layers[layer].trainable_weights)}
    for layer in HEADS if parser else ():
        for name, value in zip(("kernel", "bias"), parser.get_layer(layer).get_weights()):
            arrays[f"nl2sql/{layer}/{name}"] = value
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


def load_parser(folder):
    """(parser, config, Characters) of a folder that train.py wrote.

    Raises:
        InputError: no parser in it.
    """
    config, vocab, weights = read_bert(folder)
    if "parser" not in config or not isinstance(weights, dict):
        raise InputError(f"{folder} holds a BERT but no parser: train one with nl2sql/train.py --bert {folder}")
    asked = config["parser"] if isinstance(config["parser"], dict) else {}
    if any(type(asked.get(name)) is not int or asked[name] < 1 for name in ("max_length", "segments")):
        raise InputError(f"{folder} should hold the bert_config.json of a parser, whose max_length and segments are sizes. "
                         f"Received: {config['parser']!r:.100}")
    bert = build_bert(config)
    load_weights(bert, weights, folder)
    try:
        parser = build_parser(bert, weights["nl2sql/column_character/bias"].shape[0])
        for layer in HEADS:
            parser.get_layer(layer).set_weights([weights[f"nl2sql/{layer}/{name}"] for name in ("kernel", "bias")])
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{folder}/weights.npz holds no parser's heads, or those of another one: {error}") from error
    return parser, config, vocab
