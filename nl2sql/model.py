"""The article's network: a BERT with four heads, its loss, and its files, which are those of bert.py."""

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import keras
import tensorflow as tf

from common.harness.reading import InputError
from nl2sql.bert import build_bert, load_weights, read_bert, save_bert

HEADS = ("connector", "select", "operator", "column_character", "column_header", "column")


def build_parser(bert, width=256):
    """The article's network: questions and tables → logits of the four heads.

    Inputs, beside BERT's tokens and segments: positions of the question's characters (batch, Q) and of the
    columns' [CLS] (batch, N), and masks of both. Outputs: connector (batch, 3), select (batch, N, 7),
    operator (batch, Q, 5) and column (batch, Q, N), in which what the masks leave out is −10¹⁰.
    """
    def dense(units, name):
        return keras.layers.Dense(units, kernel_initializer=bert.initializer, name=name)

    characters = keras.Input((None,), dtype="int32", name="characters")
    character_mask = keras.Input((None,), name="character_mask")
    headers = keras.Input((None,), dtype="int32", name="headers")
    header_mask = keras.Input((None,), name="header_mask")

    h = bert.model.output                                               # (batch, T, hidden)
    x = tf.gather(h, characters, batch_dims=1)                          # the question, character by character
    y = tf.gather(h, headers, batch_dims=1)                             # the table, column by column

    connector = dense(3, "connector")(h[:, 0])
    select = dense(7, "select")(y)
    operator = dense(5, "operator")(x)

    # Which column a character belongs to. Without the tanh, a softmax of Dense(x) + Dense(y) over the columns
    # would cancel the term of x: each character would choose the same column. The article's first version had
    # that flaw.
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


# ------------------------------------------------------------------------------------------------------ files

def save_parser(folder, bert, config, vocab, parser):
    """Writes the files of a parser; see bert.save_bert."""
    heads = {}
    for layer in HEADS:
        for name, value in zip(("kernel", "bias"), parser.get_layer(layer).get_weights()):
            heads[f"nl2sql/{layer}/{name}"] = value
    save_bert(folder, bert, config, vocab, heads)


def load_parser(folder):
    """(parser, config, Characters) of a folder that train.py wrote.

    Raises:
        InputError: no parser in it.
    """
    config, vocab, weights = read_bert(folder)
    if "parser" not in config or not isinstance(weights, dict):
        raise InputError(f"{folder} holds a BERT but no parser: train one with nl2sql/train.py "
                         f"--bert {folder}")
    asked = config["parser"] if isinstance(config["parser"], dict) else {}
    if any(type(asked.get(name)) is not int or asked[name] < 1 for name in ("max_length", "segments")):
        raise InputError(f"{folder} should hold the bert_config.json of a parser, whose max_length and "
                         f"segments are sizes. Received: {config['parser']!r:.100}")
    bert = build_bert(config)
    load_weights(bert, weights, folder)
    try:
        parser = build_parser(bert, weights["nl2sql/column_character/bias"].shape[0])
        for layer in HEADS:
            kernel, bias = weights[f"nl2sql/{layer}/kernel"], weights[f"nl2sql/{layer}/bias"]
            parser.get_layer(layer).set_weights([kernel, bias])
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{folder}/weights.npz holds no parser's heads, or those of another one: "
                         f"{error}") from error
    return parser, config, vocab
