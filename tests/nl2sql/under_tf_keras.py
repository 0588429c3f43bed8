"""The network of nl2sql/, its files, training and answers. test_keras.py runs them in their own process."""

from nl2sql import legacy_keras

# isort: split

import contextlib
import functools
import io
import itertools
import json
import pathlib
import shutil
import types

import bert4keras.backend
import keras
import numpy as np
import pandas
import pytest
import tensorflow as tf

from common.harness import cli, rotary
from common.harness.reading import InputError
from nl2sql import evaluate, predict, pretrain, train
from nl2sql.augment import Samples
from nl2sql.bert import build_bert, load_weights, read_bert, read_weights, save_bert, small_bert
from nl2sql.characters import SPECIAL, Characters
from nl2sql.corpus import load_corpus
from nl2sql.decode import Heads
from nl2sql.encoder import SEGMENTS, Encoder
from nl2sql.labels import nothing
from nl2sql.lines import load_material
from nl2sql.model import HEADS, build_parser, load_parser, parser_loss, save_parser
from nl2sql.parser import WEIGHTS, Parser, ask
from nl2sql.report import measure
from nl2sql.sql import Database
from nl2sql.tables import Table
from nl2sql.training import Checkpoint
from tests import test_scripts
from tests.nl2sql import cases, corpus
from tests.nl2sql.test_sql import INJECTIONS, content

SMALL = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
         "intermediate_size": 48,
         "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
         "type_vocab_size": SEGMENTS, "max_position_embeddings": 20}
VOCAB = Characters([*SPECIAL, *map(chr, range(0x4E00, 0x4E00 + 45))])


@pytest.fixture(scope="module")
def tableqa(tmp_path_factory):
    return corpus.write(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(tableqa, tmp_path_factory):
    """A pre-trained BERT and a parser on top of it, both far too small."""
    out = tmp_path_factory.mktemp("out")
    shared = {"data": str(tableqa), "out": out, "epochs": 1, "batch_size": 32}
    bert = pretrain.pretrain(cli.settle(pretrain.Config(**shared, width=32, depth=1, max_length=96)))
    return bert, train.train(cli.settle(train.Config(**shared, learning_rate=2e-3, max_length=96)))


@pytest.fixture(scope="module")
def parser(trained):
    return Parser.load(trained[1].folder)


def random_batch(rows=3, length=18, characters=6, columns=4, seed=0):
    generator = np.random.default_rng(seed)
    return {"Input-Token": generator.integers(5, 50, (rows, length)),
            "Input-Segment": generator.integers(0, 2, (rows, length)),
            "characters": np.tile(np.arange(1, 1 + characters), (rows, 1)),
            "character_mask": np.ones((rows, characters), "float32"),
            "headers": np.tile(np.arange(characters + 2, characters + 2 + 2 * columns, 2), (rows, 1)),
            "header_mask": np.ones((rows, columns), "float32")}


# ------------------------------------------------------------------------------------------ BERT from outside

def gelu(x):
    return 0.5 * x * (1 + np.vectorize(__import__("math").erf)(x / np.sqrt(2)))


def normed(x, v, name, epsilon=1e-12):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    return x * v[f"{name}/gamma"] + v[f"{name}/beta"]


def dense(x, v, name):
    return x @ v[f"{name}/kernel"] + v[f"{name}/bias"]


def forward(v, config, tokens, segments, albert):
    """BERT and ALBERT in NumPy, float64, head by head, from the papers: shares no code with bert4keras."""
    v = {name: value.astype("float64") for name, value in v.items()}
    x = v["bert/embeddings/word_embeddings"][tokens] + v["bert/embeddings/token_type_embeddings"][segments]
    x = normed(x + v["bert/embeddings/position_embeddings"][:tokens.shape[1]], v, "bert/embeddings/LayerNorm")
    if albert:
        x = dense(x, v, "bert/encoder/embedding_hidden_mapping_in")
    size = config["hidden_size"] // config["num_attention_heads"]
    visible = (tokens > 0)[:, None]
    for i in range(config["num_hidden_layers"]):
        base = "bert/encoder/transformer/group_0/inner_group_0" if albert else f"bert/encoder/layer_{i}"
        attention = f"{base}/attention_1" if albert else f"{base}/attention"
        q, k, z = (dense(x, v, f"{attention}/self/{name}") for name in ("query", "key", "value"))
        parts = []
        for head in range(config["num_attention_heads"]):
            part = slice(head * size, (head + 1) * size)
            scores = np.where(visible, q[..., part] @ k[..., part].transpose(0, 2, 1) / np.sqrt(size),
                              -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            parts.append(weights / weights.sum(-1, keepdims=True) @ z[..., part])
        epsilon = 1e-7 if albert else 1e-12
        x = normed(x + dense(np.concatenate(parts, -1), v, f"{attention}/output/dense"), v,
                   f"{base}/LayerNorm" if albert else f"{base}/attention/output/LayerNorm", epsilon)
        up, down = f"{base}/intermediate/dense", f"{base}/output/dense"
        if albert:
            up, down = f"{base}/ffn_1/intermediate/dense", f"{base}/ffn_1/intermediate/output/dense"
        x = normed(x + dense(gelu(dense(x, v, up)), v, down), v,
                   f"{base}/LayerNorm_1" if albert else f"{base}/output/LayerNorm", epsilon)
    return x


def google_variables(config, albert, seed=0):
    """Random variables with the names and shapes of Google's checkpoints."""
    generator, found = np.random.default_rng(seed), {}
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    narrow = config.get("embedding_size", hidden)

    def add(name, *shape):
        found[name] = generator.normal(0, 0.3, shape).astype("float32")

    def layer(name, rows, columns):
        add(f"{name}/kernel", rows, columns)
        add(f"{name}/bias", columns)

    def norm(name, size):
        add(f"{name}/beta", size)
        found[f"{name}/gamma"] = generator.uniform(0.5, 1.5, size).astype("float32")

    add("bert/embeddings/word_embeddings", config["vocab_size"], narrow)
    add("bert/embeddings/token_type_embeddings", config["type_vocab_size"], narrow)
    add("bert/embeddings/position_embeddings", config["max_position_embeddings"], narrow)
    norm("bert/embeddings/LayerNorm", narrow)
    if albert:
        layer("bert/encoder/embedding_hidden_mapping_in", narrow, hidden)
    for i in range(1 if albert else config["num_hidden_layers"]):
        base = "bert/encoder/transformer/group_0/inner_group_0" if albert else f"bert/encoder/layer_{i}"
        attention = f"{base}/attention_1" if albert else f"{base}/attention"
        for name in ("self/query", "self/key", "self/value", "output/dense"):
            layer(f"{attention}/{name}", hidden, hidden)
        layer(f"{base}/ffn_1/intermediate/dense" if albert else f"{base}/intermediate/dense", hidden, inner)
        layer(f"{base}/ffn_1/intermediate/output/dense" if albert else f"{base}/output/dense", inner, hidden)
        norm(f"{base}/LayerNorm" if albert else f"{base}/attention/output/LayerNorm", hidden)
        norm(f"{base}/LayerNorm_1" if albert else f"{base}/output/LayerNorm", hidden)
    layer("bert/pooler/dense", hidden, hidden)                      # in every checkpoint, and not needed here
    add("bert/pooler/dense/kernel/adam_m", hidden, hidden)
    add("cls/predictions/output_bias", config["vocab_size"])
    return found


def write_google(folder, config, variables, name="bert_model.ckpt", config_name="bert_config.json"):
    """A folder as Google's downloads are, written by TensorFlow 1's own Saver."""
    folder.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for key, value in variables.items():
            tf.compat.v1.get_variable(key, initializer=value)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / name), write_meta_graph=False)
    (folder / "checkpoint").unlink(missing_ok=True)
    (folder / config_name).write_text(json.dumps(config))
    VOCAB.save(folder / "vocab.txt")
    return folder


@pytest.mark.parametrize("albert", [False, True], ids=["bert", "albert"])
def test_a_google_checkpoint_gives_the_hidden_states_of_a_numpy_forward_pass(tmp_path, albert):
    config = SMALL | {"directionality": "bidi"}
    if albert:
        config |= {"embedding_size": 8, "num_hidden_groups": 1}
    variables = google_variables(config, albert)
    names = {"name": "model.ckpt-best", "config_name": "albert_config_base.json"} if albert else {}
    read, vocab, weights = read_bert(write_google(tmp_path, config, variables, **names))
    assert read["model"] == ("albert" if albert else "bert") and len(vocab) == 50
    bert = build_bert(read)
    load_weights(bert, weights, tmp_path)
    tokens = np.random.default_rng(1).integers(5, 50, (3, 12))
    tokens[1, 8:] = tokens[2, 3:] = 0
    segments = np.random.default_rng(2).integers(0, 2, (3, 12))
    found = bert.model([tokens, segments], training=False).numpy()
    expected = forward(variables, config, tokens, segments, albert)
    np.testing.assert_allclose(found[tokens > 0], expected[tokens > 0], atol=2e-5)
    # the same weights in this repository's own format, rounded to 16 bits
    save_bert(tmp_path / "ours", bert, read, vocab)
    again = build_bert(read_bert(tmp_path / "ours")[0], seed=1)
    load_weights(again, read_bert(tmp_path / "ours")[2], tmp_path)
    rounded = {name: value.astype("float16").astype("float32") for name, value in variables.items()}
    expected = forward(rounded, config, tokens, segments, albert)
    found = again.model([tokens, segments], training=False).numpy()
    np.testing.assert_allclose(found[tokens > 0], expected[tokens > 0], atol=2e-5)


@pytest.mark.parametrize("spoil, message", [
    (lambda f: shutil.rmtree(f), "expected a folder with bert_config.json"),
    (lambda f: (f / "bert_config.json").unlink(), "should hold one bert_config.json"),
    (lambda f: (f / "bert_config.json").write_text("{}"), "expected whole numbers"),
    (lambda f: (f / "bert_config.json").write_text("no json"), "should describe a BERT"),
    (lambda f: (f / "bert_config.json").write_text(json.dumps({**SMALL, "num_attention_heads": 0})),
     "describes no BERT"),
    (lambda f: (f / "bert_config.json").write_text(json.dumps({**SMALL, "hidden_act": "none"})),
     "describes no BERT"),
    (lambda f: (f / "vocab.txt").unlink(), "BERT's vocab.txt. Not found"),
    (lambda f: (f / "vocab.txt").write_text("[PAD]\n[UNK]\n"), "Missing: \\[CLS\\]"),
    (lambda f: (f / "vocab.txt").write_text("\n".join([*SPECIAL, *map(str, range(100))])),
     "which knows 50 tokens"),
    (lambda f: (f / "bert_model.ckpt.index").unlink(), "or one TensorFlow checkpoint"),
    (lambda f: shutil.copy(f / "bert_model.ckpt.index", f / "b.index"), "Received: b, bert_model.ckpt"),
    (lambda f: (f / "bert_model.ckpt.index").write_bytes(b"damaged"),
     "cannot be read as a TensorFlow checkpoint"),
    (lambda f: (f / "weights.npz").write_bytes(b"damaged"), "should be a NumPy archive"),
    (lambda f: np.savez(f / "weights.npz", a=np.array([{}], object)),
     "should be a NumPy archive"),      # a pickle in it
    (lambda f: np.savez(f / "weights.npz", a=np.zeros(3)), "does not hold the weights"),
    (lambda f: (f / "bert_config.json").write_text(json.dumps({**SMALL, "intermediate_size": 40})),
     "does not hold"),
    (lambda f: (f / "bert_config.json").write_text(json.dumps({**SMALL, "num_hidden_layers": 3})),
     "does not hold"),
])
def test_what_is_no_bert(tmp_path, spoil, message):
    folder = write_google(tmp_path / "bert", SMALL, google_variables(SMALL, False))
    spoil(folder)
    with pytest.raises(InputError, match=message):
        config, _, weights = read_bert(folder)
        load_weights(build_bert(config), weights, folder)


# ---------------------------------------------------------------------------------------- the article's heads

def test_two_characters_can_choose_different_columns_and_the_head_is_the_formula():
    bert = build_bert(SMALL)
    parser, batch = build_parser(bert, 16), random_batch()
    generator = np.random.default_rng(3)
    weights = {}
    for name in HEADS:
        layer = parser.get_layer(name)
        weights[name] = [generator.normal(0, 1, w.shape) for w in layer.get_weights()]
        layer.set_weights(weights[name])
    batch["header_mask"][0, 3] = 0
    column = parser(batch, training=False)[3].numpy()
    h = bert.model([batch["Input-Token"], batch["Input-Segment"]], training=False).numpy()
    x = np.stack([row[places] for row, places in zip(h, batch["characters"])])
    y = np.stack([row[places] for row, places in zip(h, batch["headers"])])
    (w1, b1), (w2, b2), (w3, b3) = (weights[name] for name in ("column_character", "column_header", "column"))
    expected = np.empty(column.shape)
    for b, q, n in np.ndindex(column.shape):
        expected[b, q, n] = (np.tanh(x[b, q] @ w1 + b1 + y[b, n] @ w2 + b2) @ w3 + b3)[0]
    np.testing.assert_allclose(column[1:], expected[1:], atol=1e-4)
    assert (column[0, :, 3] < -1e9).all() and (column[0].argmax(-1) < 3).all()
    assert any(len(set(row)) > 1 for row in column.argmax(-1).tolist())
    # the first published form, a sum without tanh: every character of a question has the same softmax
    flat = (x @ w1)[:, :, None] + (y @ w2)[:, None]
    flat = np.exp((flat @ w3)[..., 0])
    flat /= flat.sum(-1, keepdims=True)
    np.testing.assert_allclose(flat, np.broadcast_to(flat[:, :1], flat.shape), rtol=1e-6)


def test_shapes_and_initial_weights():
    bert = build_bert(SMALL)
    parser = build_parser(bert)
    outputs = parser(random_batch(), training=False)
    assert [output.shape for output in outputs] == [(3, 3), (3, 4, 7), (3, 6, 5), (3, 6, 4)]
    kernels = [w.numpy() for w in bert.model.trainable_weights if w.shape == (24, 24)]
    assert len(kernels) == 8
    assert all(np.abs(a - b).max() > 0.01 for a, b in itertools.combinations(kernels, 2))
    kernels = [parser.get_layer(name).get_weights()[0] for name in ("column_character", "column_header")]
    assert not np.allclose(*kernels)


def test_padding_changes_nothing():
    parser = build_parser(build_bert(SMALL))
    batch = random_batch(rows=1, length=14, columns=3)
    added = {name: 4 if "Input" in name else 2 for name in batch}
    longer = {name: np.pad(array, [(0, 0), (0, added[name])]) for name, array in batch.items()}
    short, long = parser(batch, training=False), parser(longer, training=False)
    np.testing.assert_allclose(short[0], long[0], atol=1e-5)
    np.testing.assert_allclose(short[1], long[1][:, :3], atol=1e-5)
    np.testing.assert_allclose(short[2], long[2][:, :6], atol=1e-5)
    np.testing.assert_allclose(short[3], long[3][:, :6, :3], atol=1e-5)


def test_loss_by_a_loop_in_float64():
    generator = np.random.default_rng(0)
    shapes = [(2, 3), (2, 4, 7), (2, 6, 5), (2, 6, 4)]
    logits = [generator.normal(0, 2, shape) for shape in shapes]
    labels = [generator.integers(0, 3, 2), generator.integers(0, 7, (2, 4)), generator.integers(0, 5, (2, 6)),
              generator.integers(0, 3, (2, 6))]
    characters = np.array([[1, 1, 1, 1, 0, 0], [1] * 6], "float32")
    headers = np.array([[1, 1, 1, 0], [1] * 4], "float32")
    logits[3][0, :, 3] = -1e10

    def nats(scores, label):
        return np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[label]

    terms = [[], [], [], []]
    for b in range(2):
        terms[0].append(nats(logits[0][b], labels[0][b]))
        terms[1] += [nats(logits[1][b, n], labels[1][b, n]) for n in range(4) if headers[b, n]]
        for q in range(6):
            if characters[b, q]:
                terms[2].append(nats(logits[2][b, q], labels[2][b, q]))
                if labels[2][b, q] < 4:
                    terms[3].append(nats(logits[3][b, q], labels[3][b, q]))
    logits = [tf.constant(array, "float32") for array in logits]
    labels = [tf.constant(array, "int32") for array in labels]
    found = parser_loss(logits, labels, characters, headers)
    assert float(found) == pytest.approx(sum(map(np.mean, terms)), rel=1e-5)
    labels[2] = tf.fill([2, 6], 4)              # no condition in the whole batch: 0/0 in the article's script
    assert np.isfinite(float(parser_loss(logits, labels, characters, headers)))


def test_the_articles_learning_rate():
    rate = train.ArticleRate(5e-5, 100)
    for step, expected in [(0, 0), (50, 2.5e-5), (100, 5e-5), (150, 3e-5), (200, 1e-5), (1000, 1e-5)]:
        assert float(rate(step)) == pytest.approx(expected, rel=1e-5)


def test_files_hold_what_was_saved_in_half_the_size(tmp_path):
    bert = build_bert(SMALL)
    parser = build_parser(bert, 16)
    save_parser(tmp_path, bert, {**SMALL, "parser": {"max_length": 20, "segments": 4}}, VOCAB, parser)
    with np.load(tmp_path / "weights.npz") as file:
        assert {file[name].dtype for name in file.files} == {np.dtype("float16")}
        assert sum(file[name].size for name in file.files) == parser.count_params()
    loaded, config, vocab = load_parser(tmp_path)
    assert vocab.tokens == VOCAB.tokens and config["parser"]["segments"] == 4
    for ours, theirs in zip(parser.get_weights(), loaded.get_weights()):
        np.testing.assert_array_equal(ours.astype("float16"), theirs)
    batch = random_batch()
    for ours, theirs in zip(parser(batch, training=False), loaded(batch, training=False)):
        np.testing.assert_allclose(ours, theirs, atol=5e-3)
    content, rng = (tmp_path / "weights.npz").read_bytes(), np.random.default_rng(0)
    for bit in rng.integers(8 * len(content), size=300):               # refused, or a byte that means nothing
        wrong = bytearray(content)
        wrong[bit // 8] ^= 1 << bit % 8
        (tmp_path / "weights.npz").write_bytes(wrong)
        with contextlib.suppress(InputError):
            assert read_weights(tmp_path / "weights.npz").keys() <= {*np.load(io.BytesIO(content)).files}
    (tmp_path / "weights.npz").write_bytes(content)
    for edit in [{"parser": "x"}, {"parser": {"max_length": 20}}, {"num_attention_heads": 0},
                 {"hidden_act": "gemu"},
                 {"parser": {"max_length": "20", "segments": 4}}, {"model": "gpt"}]:
        (tmp_path / "bert_config.json").write_text(json.dumps(config | edit))
        with pytest.raises(InputError, match="bert_config.json"):
            load_parser(tmp_path)
    parser.get_layer("select").set_weights([w + np.nan for w in parser.get_layer("select").get_weights()])
    with pytest.raises(InputError, match="no finite numbers"):
        save_parser(tmp_path, bert, SMALL, VOCAB, parser)
    save_bert(tmp_path / "bert", bert, SMALL, VOCAB)
    with pytest.raises(InputError, match="a BERT but no parser"):
        load_parser(tmp_path / "bert")


# --------------------------------------------------------------------------------------------------- training

def test_hidden_characters(tableqa):
    settings = types.SimpleNamespace(seed=0)
    encoder = Encoder(Characters.from_texts(["城市"]), 96)
    lines = load_material(str(tableqa)).lines(encoder)
    masked = pretrain.MaskedBatches(types.SimpleNamespace(config=settings, epoch=0), lines, encoder.vocab, 16)
    kept = hidden = marks = same = 0
    for i in range(len(masked)):
        batch, = masked[i]
        for row, index in enumerate(masked.rows[i]):
            line, tokens = lines[index], batch["Input-Token"][row]
            places = batch["places"][row][batch["answers"][row] > 0]
            assert [line.tokens[p] for p in places] == batch["answers"][row][:len(places)].tolist()
            assert set(places) <= set(line.places)
            untouched = np.setdiff1d(np.arange(len(line.tokens)), places)
            np.testing.assert_array_equal(tokens[untouched], np.array(line.tokens)[untouched])
            kept, hidden = kept + len(line.places), hidden + len(places)
            marks += int((tokens[places] == encoder.vocab.mask).sum())
            same += int((tokens[places] == np.array(line.tokens)[places]).sum())
    assert hidden / kept == pytest.approx(0.15, abs=0.02) and marks / hidden == pytest.approx(0.8, abs=0.04)
    assert same / hidden == pytest.approx(0.1, abs=0.03)
    # the same when asked again
    assert all((masked[0][0][name] == masked[0][0][name]).all() for name in masked[0][0])


def test_pretraining_on_any_text(tmp_path):
    lines = ["春眠不觉晓处处闻啼鸟夜来风雨声花落知多少" * 12, "白日依山尽黄河入海流", "", "  "] * 8
    (tmp_path / "texts.txt").write_text("\n".join(lines), "utf-8")
    config = pretrain.Config(data=str(tmp_path / "texts.txt"), out=tmp_path / "out", epochs=1, width=16,
                             depth=1,
                             max_length=64)
    run = pretrain.pretrain(cli.settle(config))
    results = json.loads(run.path("results.json").read_text())
    assert results["metrics"]["val_masked_nats"] > 0 and results["data"]["name"] == "texts.txt"
    config, vocab, weights = read_bert(run.folder)
    load_weights(build_bert(config), weights, run.folder)
    assert "cls/predictions/transform/dense/kernel" in weights and "眠" in vocab.numbers
    with pytest.raises(InputError, match="at least 10 lines"):
        (tmp_path / "short.txt").write_text("一\n二\n", "utf-8")
        config = pretrain.Config(data=str(tmp_path / "short.txt"), out=tmp_path / "none")
        pretrain.pretrain(cli.settle(config))
    assert not (tmp_path / "none").exists()


def test_training_begins_with_what_was_pretrained(trained, tableqa):
    bert, run = trained
    assert pathlib.Path(json.loads(run.path("config.json").read_text())["bert"]).name == bert.folder.name
    results = json.loads(run.path("results.json").read_text())
    assert {"test_logical_form", "test_execution", "test_operator", "test_refused"} <= set(results["metrics"])
    assert results["versions"]["tf_keras"].startswith("2.")
    assert {"bert4keras", "tensorflow"} <= set(results["versions"])
    assert {"config.json", "log.csv", "weights.npz", "vocab.txt", "bert_config.json", "loss.png"} <= {
        path.name for path in run.folder.iterdir()}


def test_a_parser_learns_a_few_questions_by_heart(tableqa):
    records = load_corpus(str(tableqa)).train[::13][:24]
    vocab = Characters.from_texts(text for r in records for text in (r.question, *r.table.header))
    encoder = Encoder(vocab, 64)
    samples = Samples(records, encoder)
    config = small_bert(vocab, 64, 1, 64)
    bert = build_bert({**config, "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0})
    parser = build_parser(bert, 64)
    training = train.build_training(parser)
    training.compile(keras.optimizers.Adam(2e-3, global_clipnorm=1.0))
    batch = samples.batch(range(len(samples)))
    losses = [training.train_on_batch(batch) for _ in range(80)]
    assert losses[-1] < 0.1 < losses[0]
    found, _ = measure(Parser(parser, encoder), records)
    assert found["logical_form"] > 0.9 and found["execution"] > 0.9


def test_a_stopped_training_continues(tableqa, tmp_path, monkeypatch):
    config = train.Config(data=str(tableqa), out=tmp_path, epochs=3, batch_size=64, bert="none", width=16,
                          depth=1,
                          max_length=64, recipe="article", learning_rate=1e-3)

    def killed(self, epoch, logs=None, original=Checkpoint.on_epoch_end):
        if epoch == 1:
            raise SystemError("killed")
        original(self, epoch, logs)

    with monkeypatch.context() as patch, pytest.raises(SystemError):
        patch.setattr(Checkpoint, "on_epoch_end", killed)
        train.train(cli.settle(config))
    folder, = (tmp_path / "nl2sql").iterdir()
    assert folder.joinpath("weights.npz").exists() and not folder.joinpath("results.json").exists()
    run = train.train(cli.settle(train.Config(resume=folder)))
    assert [row["epoch"] for row in run.state["log"]] == [1, 2, 3]
    assert folder.joinpath("results.json").exists()
    config = json.loads(folder.joinpath("bert_config.json").read_text())
    assert config["parser"] == {"max_length": 64, "segments": 1}


@pytest.mark.parametrize("options, message", cases.BAD)
def test_bad_options_are_named_before_anything_is_written(tmp_path, options, message):
    test_scripts.test_bad_options_are_named_before_anything_is_written(tmp_path, "nl2sql", options, message)


@pytest.mark.parametrize("script", sorted(test_scripts.scripts_of("nl2sql")))
def test_options_at_both_ends_and_one_step_outside(script):
    module = f"nl2sql.{script.removesuffix('.py')}"
    test_scripts.test_every_number_has_a_least_and_a_greatest_value(module)
    test_scripts.test_options_at_both_ends_and_one_step_outside(module)


@pytest.mark.slow
@pytest.mark.parametrize("script, options", cases.SMOKE)
def test_models_of_the_least_and_the_greatest_sizes(script, options, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "load_corpus", functools.cache(train.load_corpus))       # six seconds
    monkeypatch.setattr(pretrain, "load_material", functools.cache(pretrain.load_material))
    command = ("nl2sql", script, f"{options} --smoke")
    test_scripts.test_a_model_of_the_least_sizes_takes_a_step(*command, tmp_path)
    if script == "train.py":                       # pretrain.py has the same sizes
        test_scripts.test_a_model_of_the_greatest_sizes_is_built_if_it_fits(*command, tmp_path, monkeypatch)


def test_a_resumed_training_needs_the_same_vocabulary(tableqa, tmp_path):
    config = train.Config(data=str(tableqa), out=tmp_path, epochs=1, bert="none", width=16, depth=1,
                          max_length=64)
    folder = train.train(cli.settle(config)).folder
    folder.joinpath("results.json").unlink()                      # as if it had been stopped
    Characters([*SPECIAL, "\u5e7f"]).save(folder / "vocab.txt")
    with pytest.raises(InputError, match="changed since .* began. Start a new run"):
        train.train(cli.settle(train.Config(resume=folder)))


# ---------------------------------------------------------------------------------------------------- answers

def test_one_or_many_at_a_time_is_the_same(parser, tableqa):
    pairs = [(record.question, record.table) for record in load_corpus(str(tableqa)).test[::9]]
    together = parser.parse_all(pairs)
    alone = [parser.parse_all([pair])[0] for pair in pairs]
    assert [parse.query for parse in together] == [parse.query for parse in alone]
    np.testing.assert_allclose([p.confidence for p in together], [p.confidence for p in alone], atol=1e-4)


@pytest.mark.parametrize("dialect", ["everyday", "tableqa"])
@pytest.mark.parametrize("question", INJECTIONS)
def test_sql_in_a_question_is_a_question(parser, question, dialect):
    table = Table(["城市", 'x"; DROP TABLE "table', "额"], [["广州", question, 1], ["深圳", "b", 2]])
    with Database(table) as database:
        before = content(database)
        found = ask(parser, database, f"城市是{question[:40]}的额是多少", dialect)
        json.dumps(found)
        assert found["sql"] is None or found["sql"].startswith("SELECT ")
        assert content(database) == before


def always(parser, monkeypatch, select, operators=None):
    """Makes a parser select these columns, whatever is asked."""
    def heads(lines):
        found = []
        for line in lines:
            answer = nothing(line)
            for column, aggregate in select:
                answer.select[line.columns.index(column)] = aggregate
            for start, end, operator, column in operators or ():
                answer.operator[start:end] = [operator] * (end - start)
                answer.column[start:end] = [line.columns.index(column)] * (end - start)
            found.append(Heads(np.eye(3)[answer.connector], np.eye(7)[answer.select],
                               np.eye(5)[answer.operator],
                                       np.eye(len(line.columns))[answer.column]))
        return found

    monkeypatch.setattr(parser, "heads", heads)


def test_an_answer_for_people_and_for_programs(parser, trained, tmp_path, monkeypatch, capsys):
    rows = "城市,年份,销售额（万元）\n广州,2018,120.5\n深圳,2019,300\n北京,2019,80\n"
    (tmp_path / "sales.csv").write_bytes(rows.encode("gbk"))
    always(parser, monkeypatch, [(0, 0)], [(0, 5, 2, 1), (11, 15, 0, 2)])
    monkeypatch.setattr(Parser, "load", lambda folder: parser)
    question = "2019年销售额超过了一共100万的城市有哪些"
    options = {"run": trained[1].folder, "dialect": "tableqa"}
    predict.predict(predict.Config(tmp_path / "sales.csv", question, **options))
    printed = capsys.readouterr().out
    sql = 'SELECT "城市" FROM "sales" WHERE "年份" = 2019 AND "销售额（万元）" > 100'
    assert printed.splitlines() == [sql, "城市", "深圳", "(1 row)"]
    predict.predict(predict.Config(tmp_path / "sales.csv", question, json=True, **options))
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == [["深圳"]] and found["values"] == [2019.0, 100.0]
    assert found["statement"].count("?") == 2
    assert found["columns"] == ["城市"] and found["query"]["conds"] == [[1, 2, "2019"], [2, 0, "100"]]


def test_interactive(parser, trained, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.csv").write_text("城市,额\n广州,1\n", "utf-8")
    always(parser, monkeypatch, [(1, 5)])
    monkeypatch.setattr(Parser, "load", lambda folder: parser)
    monkeypatch.setattr("sys.stdin", io.StringIO("额一共多少\n\n？？\n" + "长" * 500 + "\n额\n"))
    options = {"run": trained[1].folder, "dialect": "tableqa"}
    predict.predict(predict.Config(tmp_path / "a.csv", interactive=True, json=True, **options))
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["sql"] is not None for answer in answers] == [True, False, False, True]
    assert answers[0]["rows"] == [[1.0]] and answers[0]["columns"] == ["SUM(额)"]
    assert "expects words" in answers[1]["notes"][0] and "at most 64 characters" in answers[2]["notes"][0]
    names = {"question", "rows", "columns", "query", "confidence", "notes"}
    assert all(set(answer) >= names for answer in answers)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("额一共多少\n".encode("gbk")), "utf-8"))
    predict.predict(predict.Config(tmp_path / "a.csv", json=True, **options))
    # --interactive is not needed where nobody types; an answer that shows why, and no traceback
    assert "\ufffd" in json.loads(capsys.readouterr().out)["question"]


def test_nothing_asked_and_too_many_columns(parser, monkeypatch, capsys):
    table = Table([f"指标{i}" for i in range(300)], [[1] * 300])
    always(parser, monkeypatch, [])
    with Database(table) as database:
        found = ask(parser, database, "今天天气怎么样", "tableqa")
        assert found["sql"] is None and found["rows"] == [] and "does not seem to answer" in found["notes"][0]
        predict.show(found, 20)
        assert capsys.readouterr().out.startswith("note: this table does not seem to answer that")
        always(parser, monkeypatch, [(299, 0)])
        found = ask(parser, database, "指标299是多少", "tableqa")
        assert found["columns"] == ["指标299"]
        assert "300 columns are more than the model reads" in found["notes"][0]
    one = Table(["城市"], [["广州"]])
    always(parser, monkeypatch, [(0, 4)])
    with Database(one) as database:
        assert ask(parser, database, "多少个城市", "tableqa")["rows"] == [[1]]


@pytest.mark.parametrize("options, message", [
    ({}, "expected --question, --interactive, or questions on standard input, one a line. Received: none"),
    ({"question": "x", "interactive": True}, "Received: both"),
    ({"question": "x", "rows": -1}, "--rows expects 0 to 1,000,000,000. Received: -1"),
    ({"question": "x", "table": pathlib.Path("/nowhere.csv")}, "--table expects"),
    ({"question": "x", "run": pathlib.Path("/nowhere")}, "expected a folder with"),
    ({"question": "。"}, "a question expects words"),
    ({"question": "长" * 999}, "at most 64 characters. Received: 999"),
])
def test_what_cannot_be_asked(trained, tmp_path, monkeypatch, options, message):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    pandas.DataFrame({"城市": ["广州"]}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match=message):
        options = {"table": tmp_path / "a.csv", "run": trained[1].folder, **options}
        predict.predict(cli.settle(predict.Config(**options)))


def test_evaluation_with_ablations(trained, tableqa, tmp_path, capsys):
    for without in ("", "matching", "repair", "both"):
        config = evaluate.Config(str(tableqa), trained[1].folder, without=without, limit=100, errors=1,
                                 out=tmp_path)
        found = evaluate.evaluate(config)
        assert all(0 <= value <= 1 for value in found.values()) and "refused" in found
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == 100 and set(lines[0]) == {"question", "table_id", "confidence", "sql"}
    assert "expected" in capsys.readouterr().out


def test_the_shipped_model():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 20e6
    rows = [["广州", 2018, 120.5], ["深圳", 2019, 300], ["北京", 2019, 80]]
    table = Table(["城市", "年份", "销售额（万元）"], rows, name="sales")
    parser = Parser.load(WEIGHTS)
    with Database(table) as database:
        for dialect in ("everyday", "tableqa"):
            question = "2019年销售额超过100万的城市有哪些"
            assert ask(parser, database, question, dialect)["rows"] == [["深圳"]]
            assert ask(parser, database, "今天天气怎么样", dialect)["sql"] is None


def test_keras_here_is_tf_keras():
    assert keras.__name__.endswith("keras") and not hasattr(keras, "ops")
    assert legacy_keras.models.__name__ == "bert4keras.models"
    assert isinstance(build_bert(SMALL).model, keras.Model)


def test_rotary_positions_by_products_are_those_of_bert4keras():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 2, 7, 3, 8)).astype("float32")
    positions = rng.normal(size=(1, 7, 8)).astype("float32")
    ours = rotary.rotate(*map(tf.constant, (positions, x, y)))
    theirs = bert4keras.backend.apply_rotary_position_embeddings(*map(tf.constant, (positions, x, y)))
    assert np.array_equal(ours, theirs)
    turned = np.empty_like(x)                                  # the formula, pair by pair
    sin, cos = positions[:, :, None, ::2], positions[:, :, None, 1::2]
    turned[..., ::2] = x[..., ::2] * cos - x[..., 1::2] * sin
    turned[..., 1::2] = x[..., 1::2] * cos + x[..., ::2] * sin
    assert np.allclose(ours[0], turned, atol=1e-6)
    assert bert4keras.layers.apply_rotary_position_embeddings is rotary.rotate


def test_the_input_of_fit_is_not_tuned():
    class Batches(keras.utils.Sequence):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return np.zeros((2, 3)), np.zeros(2)

    from tf_keras.src.engine.data_adapter import KerasSequenceAdapter

    dataset = KerasSequenceAdapter(Batches()).get_dataset()
    assert not dataset.options().autotune.enabled and len(list(dataset.take(2))) == 2


class Counted:
    """A network that counts how often Python calls it: once for each trace of a compiled function."""

    def __init__(self, network):
        self.network, self.inputs, self.calls = network, network.inputs, 0

    def __call__(self, *arguments, **options):
        self.calls += 1
        return self.network(*arguments, **options)


def test_questions_and_tables_of_any_length_are_one_trace():
    network, config, vocab = load_parser(WEIGHTS)
    counted = Counted(network)
    parser = Parser(counted, Encoder(vocab, config["parser"]["max_length"], config["parser"]["segments"]))
    for count, rows in ((1, 1), (3, 2), (7, 5)):
        table = Table([f"列{i}" for i in range(count)], [list(range(count))] * rows)
        parser.parse_all([("列0" + "很" * count + "多少", table)] * rows)
    assert counted.calls == 1
