"""Fuzzing of everything that reads a user's file: whatever stands in it, the reader takes it or says what is wrong.

hypothesis draws edits of a valid file: flipped bits, cuts, pieces moved, replaced by what parsers stumble over; inside
archives as well, where a checksum would end it early; and in JSON values exchanged for values of other types. An error may
be InputError with a message; anything else is a fault, and hypothesis looks for the smallest such input.
"""

import collections
import contextlib
import copy
import dataclasses
import gzip
import importlib
import io
import json
import os
import pathlib
import pickle
import shutil
import sqlite3
import struct
import tempfile
import traceback
import zipfile

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from common import datasets
from common.datasets import InputError

TOKENS = [token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass") for token in (
    *"\0\t\n\r ,:;'\"/\\[]{}#<>-_.0", "\r\n", "\n\n\n", "  ", "\u3000", "\ufeff", "\u2028", "\u200b", "\ud800",
    "\U0002a6b7", "e\u0301", "，", "。", "春风", "null", "true", "NaN", "Infinity", "-1", "1e999", "0" * 400, "9" * 5000,
    "\\ud800", "\\u0000", '"id"', "[" * 2000, "{}", "[]", "../../x", "a" * 3000, b"\xff", b"\x80", b"\xfe\xff",
    b"\xed\xa0\x80", b"PK\3\4", b"\x89PNG", b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")]
VALUES = [None, True, 0, -1, 2**70, 1e308, float("nan"), "", " ", "x", "春", "\ud800", "a" * 999, [], {}, [[]], [None],
          {"a": 1}, "0", 1.5, ["春", "风"], {"": ""}]
PLACE = st.floats(0, 1, exclude_max=True)
EDIT = st.one_of(
    st.tuples(st.just("flip"), PLACE, st.integers(0, 7)), st.tuples(st.just("cut"), PLACE, st.just(0)),
    st.tuples(st.just("copy"), PLACE, PLACE), st.tuples(st.just("drop"), PLACE, st.integers(1, 40)),
    st.tuples(st.just("put"), PLACE, st.sampled_from(TOKENS) | st.binary(max_size=8)),
    st.tuples(st.just("over"), PLACE, st.sampled_from(TOKENS) | st.binary(max_size=8)))
PLACES = 16      # where the same edits are tried: to draw them takes ten times as long as to read the file
EDITS = st.tuples(PLACE, st.booleans(), st.lists(EDIT, min_size=1, max_size=4), st.lists(
    st.tuples(PLACE, st.sampled_from(VALUES)), max_size=3))


def edited(content, edits):
    """Bytes after some edits at relative places."""
    for kind, place, what in edits:
        i = int(place * len(content))
        if kind == "flip" and content:
            content = content[:i] + bytes([content[i] ^ 1 << what]) + content[i + 1:]
        elif kind == "cut":
            content = content[:i]
        elif kind == "copy":
            content = content[:i] + content[int(what * len(content)):][:64] + content[i:]
        elif kind == "drop":
            content = content[:i] + content[i + what:]
        elif kind in ("put", "over"):
            content = content[:i] + what + content[i + len(what) * (kind == "over"):]
    return content


def exchanged(content, changes):
    """JSON, one value a line, with some of its values, at relative places among all of them, replaced; as bytes."""
    tree = [json.loads(line) for line in content.splitlines()]
    for place, value in changes:
        slots, stack = [], [tree]
        while stack:
            node = stack.pop()
            for key in list(node) if isinstance(node, dict) else range(len(node)):
                slots.append((node, key))
                if isinstance(node[key], (dict, list)):
                    stack.append(node[key])
        node, key = slots[int(place * len(slots))]
        node[key] = copy.deepcopy(value)
    return "\n".join(map(json.dumps, tree)).encode()


def spoiled(name, content, shift, inside, edits, changes):
    """A file's content after the edits: of its bytes, or of what stands inside an archive or in JSON. All their places are
    moved on by shift, a share of the whole."""
    edits = [(kind, (place + shift) % 1, what) for kind, place, what in edits]
    changes = [((place + shift) % 1, value) for place, value in changes]
    if inside and changes and name.endswith(".json"):
        return exchanged(content, changes)
    if inside and name.endswith(".gz"):
        return gzip.compress(edited(gzip.decompress(content), edits), 1)
    if inside and name.endswith((".npz", ".xlsx")):
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
            chosen = int(edits[0][1] * len(old.namelist()))
            for i, part in enumerate(old.namelist()):
                data = old.read(part)        # of an array mostly the header: the rest is any bytes anyway
                new.writestr(part, edited(data[:128], edits) + data[128:] if i == chosen else data)
        return buffer.getvalue()
    return edited(content, edits)


# --------------------------------------------------------------------------------------------------------- valid files

def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def picture(kind):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(X[0]).save(buffer, kind)
    return buffer.getvalue()


def dumped(value):
    return json.dumps(value, ensure_ascii=False).encode()


X, Y = np.arange(12 * 784, dtype="uint32").astype("uint8").reshape(12, 28, 28), np.arange(12) % 10
IMAGES = npz(x_train=X, y_train=Y, x_test=X[:3], y_test=Y[:3])
LABELS = Y.astype("uint8")
IDX = {"train-images-idx3-ubyte": idx(X), "train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
       "t10k-images-idx3-ubyte.gz": gzip.compress(idx(X[:3])), "t10k-labels-idx1-ubyte": idx(LABELS[:3])}
VOCAB, WORDS = dumped({"padding": 0, "unknown": 1, "first": 2, "characters": "春风山水花"}), "春风\n山水\n".encode()
PAIRS = [(f"{a}风吹绿水", f"{b}月照青山") for a, b in zip("春秋夏冬东西南北上下来去", "明清晓晚古今远近高低长短")]
COUPLETS = "".join(f"{a}\t{b}\n" for a, b in PAIRS).encode()
LINES = "".join(f"{a}，{b}。\n" for a, b in PAIRS).encode()
IN_OUT = {"in_txt": "春 风\n明 月\n".encode() * 9, "out_txt": "秋 月\n清 风\n".encode() * 9}
SENTENCES = "".join(f"我们  去  {place}  散步  。\n" for place in ["公园", "海边", "山上", "城里"] * 3).encode()
POEMS = dumped([{"author": "某", "paragraphs": ["春風吹綠水，明月照青山。"]}] * 3)
OURS = dumped([{"id": str(i), "question": f"第{i}座山有多高？", "passages": [
    {"answer": f"{i}米", "passage": f"这座山高{i}米，在南方。"}, {"answer": "", "passage": "山很远。"}]} for i in range(30)])
SQUAD = dumped({"version": "1", "data": [{"title": "山", "paragraphs": [{"context": f"这座山高{i}米。", "qas": [
    {"id": f"q{i}", "question": "山有多高？", "answers": [{"text": f"{i}米", "answer_start": 4}]}]}]} for i in range(30)]})
TABLE = {"id": "t0", "name": "t", "title": "电影", "header": ["片名", "票房（万元）", "年份"],
         "types": ["text", "real", "text"], "rows": [["春风", 120, "2018年"], ["山水", 99.5, "2019年"], ["花", None, ""]]}
ASKED = {"question": "2018年票房超过100万的电影有哪些", "table_id": "t0", "sql": {
    "sel": [0], "agg": [0], "cond_conn_op": 1, "conds": [[1, 0, "100"], [2, 2, "2018年"]]}}
TABLES = b"\n".join(dumped({**TABLE, "id": f"t{i}"}) for i in range(2))
RECORDS = b"\n".join(dumped({**ASKED, "table_id": f"t{i}"}) for i in range(2))
CHARACTERS = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"春风山水"]).encode()
CSV = "片名,票房（万元）,年份\n春风,120,2018年\n\"山,水\",99.5,2019年\n花,,\n".encode()
VECTORS = "4 3\n的 0.1 0.2 0.3\n山 1 2 3\n水 -1 0 1e-3\n风 4 5 6\n".encode()
BINARY = b"2 3\n" + b"".join(word.encode() + b" " + np.arange(3, dtype="<f4").tobytes() + b"\n" for word in "山水")


# ------------------------------------------------------------------------------------------------------------- readers

def module(name):
    return importlib.import_module(name)


def config_of(article):
    """(config.json of a run with the defaults, reader): what --resume reads first."""
    from common import runs

    config = module(f"{article}.train").Config()
    content = dumped(runs.as_json(config))
    return {"config.json": content}, lambda folder: runs.settle(dataclasses.replace(config, resume=folder))


def checkpoint():
    from common import runs

    state = {"epoch": 1, "best": 0.5, "seconds": 1.0, "log": [{"epoch": 1, "loss": 1.0, "seconds": 1.0}]}
    content = npz(state=np.array(json.dumps(state)), v0=X[:1].astype("float32"), v1=Y)
    return {"checkpoint.npz": content}, lambda folder: runs.read_checkpoint(folder / "checkpoint.npz")


def excel():
    import pandas

    buffer = io.BytesIO()
    pandas.DataFrame(TABLE["rows"], columns=TABLE["header"]).to_excel(buffer, index=False)
    return buffer.getvalue()


def sqlite():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute('CREATE TABLE t ("片名" TEXT, "票房" REAL, "年份" TEXT)')
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", TABLE["rows"])
        connection.commit()
        return connection.serialize()


def images(path):
    return datasets.load_images(str(path))


def vectors(path):
    return module("dgcnn.vectors").load_vectors(path, collections.Counter("山水"), 100)


def gensim_vectors():
    from gensim.models import KeyedVectors

    found = KeyedVectors(3)
    found.add_vectors(["山", "水"], np.eye(2, 3, dtype="float32"))
    return pickle.dumps(found)


def files(reader, name="", **contents):
    """Files with the contents, whose names have _ for their point, and a reader of the folder or of one file in it."""
    return {key.replace("_", "."): content for key, content in contents.items()}, lambda folder: reader(folder / name)


READERS = {      # name → (article, whose train.py the process has imported; function → (files, reader of a folder))
    "npz": ("vae", lambda: files(images, "x.npz", x_npz=IMAGES)), "idx": ("vae", lambda: (IDX, images)),
    "pictures": ("vae", lambda: ({f"{i}.{kind}": picture(kind) for i in range(2) for kind in (
        "png", "jpeg", "bmp", "gif", "webp")}, images)),
    "checkpoint": ("vae", checkpoint),
    "gan npz": ("gan", lambda: files(lambda path: module("gan.data").load(str(path), 28), "x.npz", x_npz=IMAGES)),
    "sentences": ("crf", lambda: files(module("crf.data").load_corpus, "x.txt", x_txt=SENTENCES)),
    "user words": ("crf", lambda: files(module("crf.predict").read_words, "x.txt", x_txt=WORDS + b" 3 n\n")),
    "word features": ("crf", lambda: files(module("crf.data").Features.load, vocab_json=VOCAB, bigrams_txt=WORDS,
                                           words_txt=WORDS)),
    "vocab": ("couplet", lambda: files(module("common.vocab").Vocab.load, "vocab.json", vocab_json=VOCAB)),
    "couplets": ("couplet", lambda: files(module("couplet.data").load_couplets, "x.tsv", x_tsv=COUPLETS)),
    "couplets in and out": ("couplet", lambda: files(module("couplet.data").load_couplets, **IN_OUT)),
    "poems": ("poetry_vae", lambda: files(module("poetry_vae.data").load_poems, "x.txt", x_txt=LINES)),
    "chinese-poetry": ("poetry_vae", lambda: files(module("poetry_vae.data").load_poems, poems_json=POEMS)),
    "questions": ("dgcnn", lambda: files(module("dgcnn.data").load_questions, "x.json", x_json=OURS)),
    "squad": ("dgcnn", lambda: files(module("dgcnn.data").load_questions, "x.json", x_json=SQUAD)),
    "known words": ("dgcnn", lambda: files(lambda path: module("dgcnn.data").Encoder.load(path, 7, 4, False),
                                           vocab_json=VOCAB, words_txt=WORDS)),
    "vectors": ("dgcnn", lambda: files(vectors, "x.txt", x_txt=VECTORS)),
    "binary vectors": ("dgcnn", lambda: files(vectors, "x.bin", x_bin=BINARY)),
    "pickled vectors": ("dgcnn", lambda: files(vectors, "x.kv", x_kv=gensim_vectors())),
    # TableQA, and tables of one's own. Nothing of nl2sql that imports Keras 2.
    "tableqa": ("nl2sql", lambda: files(module("nl2sql.data").read_tableqa, train_json=RECORDS, train_tables_json=TABLES,
                                        val_json=RECORDS, val_tables_json=TABLES)),
    "csv": ("nl2sql", lambda: files(module("nl2sql.data").read_table, "x.csv", x_csv=CSV)),
    "excel": ("nl2sql", lambda: files(module("nl2sql.data").read_table, "x.xlsx", x_xlsx=excel())),
    "sqlite": ("nl2sql", lambda: files(module("nl2sql.data").read_table, "x.db", x_db=sqlite())),
    "characters": ("nl2sql", lambda: files(module("nl2sql.inputs").Characters.load, "vocab.txt", vocab_txt=CHARACTERS)),
    **{f"config of {article}": (article, lambda article=article: config_of(article)) for article in (
        "vae", "flow_nice", "crf", "couplet", "poetry_vae", "dgcnn", "gan", "capsule")},
}


@contextlib.contextmanager
def scratch():
    """A folder for an input's files: in memory where there is such a file system, they are hundreds of thousands."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="kexue-fuzz-", dir=memory) as folder:
        yield pathlib.Path(folder)


def attempt(read, folder, contents):
    """Whether the reader takes these files; False where it says what is wrong. Anything else is raised: a fault."""
    shutil.rmtree(folder)
    folder.mkdir()
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            read(folder)
        return True
    except InputError as error:
        assert str(error).strip(), repr(error)
        return False


def fuzz(name, count, start=0):
    """Reads at least `count` spoiled inputs: {"inputs", "refused", "taken", "faults"}. In rounds, each with its seed."""
    valid, read = READERS[name][1]()
    found = {"inputs": 0, "refused": 0, "taken": 0, "faults": []}
    with scratch() as folder:

        def burst(chosen, *edits):
            file = list(valid)[int(chosen * len(valid))]
            for content in dict.fromkeys(spoiled(file, valid[file], i / PLACES, *edits) for i in range(PLACES)):
                found["inputs"] += 1
                try:
                    found["taken" if attempt(read, folder, {**valid, file: content}) else "refused"] += 1
                except Exception as error:
                    error.add_note(f"{file} of {len(content)} bytes, {content[:200]!r}")
                    raise

        assert attempt(read, folder, valid), "what is valid is refused"
        round_ = start
        while found["inputs"] < count and not found["faults"]:
            test = settings(max_examples=min(1000, -(-(count - found["inputs"]) // PLACES)), deadline=None, database=None,
                            report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
                            phases=[Phase.generate, Phase.shrink])(
                seed(round_)(given(EDITS)(lambda edits: burst(*edits))))
            try:
                test()
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                found["faults"].append(f"{error!r:.200} at {place.filename}:{place.lineno}, "
                                       + "; ".join(getattr(error, "__notes__", []))[:600])
            round_ += 1
    return found
