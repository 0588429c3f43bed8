"""Fuzzing of everything that reads a user's file: whatever stands in it, the reader takes it or says what is
wrong.

hypothesis draws edits of a valid file: flipped bits, cuts, pieces moved, replaced by what parsers stumble
over; inside archives as well, where a checksum would end it early; and in JSON values exchanged for values of
other types. An error may be InputError with a message; anything else is a fault, and hypothesis looks for the
smallest such input.
"""

import contextlib
import copy
import dataclasses
import gzip
import importlib
import io
import json
import os
import pathlib
import shutil
import tempfile
import traceback
import zipfile

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from common.harness import cli
from common.harness.checkpoint import read_checkpoint
from common.harness.folder import as_json
from common.harness.reading import InputError
from common.harness.vocab import Vocab
from tests.articles import CASES
from tests.stress.valid import VOCAB, X, Y, dumped, files, npz

TOKENS = [
    token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    for token in (
        *"\0\t\n\r ,:;'\"/\\[]{}#<>-_.0",
        "\r\n",
        "\n\n\n",
        "  ",
        "\u3000",
        "\ufeff",
        "\u2028",
        "\u200b",
        "\ud800",
        "\U0002a6b7",
        "e\u0301",
        "，",
        "。",
        "春风",
        "null",
        "true",
        "NaN",
        "Infinity",
        "-1",
        "1e999",
        "0" * 400,
        "9" * 5000,
        "\\ud800",
        "\\u0000",
        '"id"',
        "[" * 2000,
        "{}",
        "[]",
        "../../x",
        "a" * 3000,
        b"\xff",
        b"\x80",
        b"\xfe\xff",
        b"\xed\xa0\x80",
        b"PK\3\4",
        b"\x89PNG",
        b"\xff" * 8,
        b"\0" * 8,
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\x7f",
    )
]
VALUES = [
    None,
    True,
    0,
    -1,
    2**70,
    1e308,
    float("nan"),
    "",
    " ",
    "x",
    "春",
    "\ud800",
    "a" * 999,
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    "0",
    1.5,
    ["春", "风"],
    {"": ""},
]
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
    """JSON, one value a line, with some of its values, at relative places among all of them, replaced; as
    bytes."""
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
    """A file's content after the edits: of its bytes, or of what stands inside an archive or in JSON. All
    their places are moved on by shift, a share of the whole."""
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


# ---------------------------------------------------------------------------------------------------- readers

def config_of(article):
    """(config.json of a run with the defaults, reader): what --resume reads first."""
    config = importlib.import_module(f"{article}.train").Config()
    content = {"config.json": dumped(as_json(config))}
    return content, lambda folder: cli.settle(dataclasses.replace(config, resume=folder))


def checkpoint():
    state = {"epoch": 1, "best": 0.5, "seconds": 1.0, "log": [{"epoch": 1, "loss": 1.0, "seconds": 1.0}]}
    content = npz(state=np.array(json.dumps(state)), v0=X[:1].astype("float32"), v1=Y)
    return {"checkpoint.npz": content}, lambda folder: read_checkpoint(folder / "checkpoint.npz")


def vocab():
    return files(Vocab.load, "vocab.json", vocab_json=VOCAB)


# name → (article, whose train.py the process has imported; function → (files, reader of a folder))
READERS = {
    "checkpoint": ("vae", checkpoint),
    "vocab": ("couplet", vocab),
}
for article, cases in CASES.items():
    assert not READERS.keys() & cases.READERS.keys(), f"two readers of {article} and of another have one name"
    READERS |= {name: (article, make) for name, make in cases.READERS.items()}
    if cases.KERAS == 3:                            # the Config of nl2sql needs the other Keras
        READERS[f"config of {article}"] = (article, lambda article=article: config_of(article))


@contextlib.contextmanager
def scratch():
    """A folder for an input's files: in memory where there is such a file system, they are hundreds of
    thousands."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="kexue-fuzz-", dir=memory) as folder:
        yield pathlib.Path(folder)


def attempt(read, folder, contents):
    """Whether the reader takes these files; False where it says what is wrong. Anything else is raised: a
    fault."""
    shutil.rmtree(folder)
    folder.mkdir()
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    try:
        with (
            open(os.devnull, "w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            read(folder)
        return True
    except InputError as error:
        assert str(error).strip(), repr(error)
        return False


def fuzz(name, count, start=0):
    """Reads at least `count` spoiled inputs: {"inputs", "refused", "taken", "faults"}. In rounds, each with
    its seed."""
    valid, read = READERS[name][1]()
    found = {"inputs": 0, "refused": 0, "taken": 0, "faults": []}
    with scratch() as folder:

        def burst(chosen, *edits):
            file = list(valid)[int(chosen * len(valid))]
            for content in dict.fromkeys(
                spoiled(file, valid[file], i / PLACES, *edits) for i in range(PLACES)
            ):
                found["inputs"] += 1
                try:
                    found["taken" if attempt(read, folder, {**valid, file: content}) else "refused"] += 1
                except Exception as error:
                    error.add_note(f"{file} of {len(content)} bytes, {content[:200]!r}")
                    raise

        assert attempt(read, folder, valid), "what is valid is refused"
        round_ = start
        while found["inputs"] < count and not found["faults"]:
            test = settings(
                max_examples=min(1000, -(-(count - found["inputs"]) // PLACES)),
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, Phase.shrink],
            )(seed(round_)(given(EDITS)(lambda edits: burst(*edits))))
            try:
                test()
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                found["faults"].append(f"{error!r:.200} at {place.filename}:{place.lineno}, "
                                       + "; ".join(getattr(error, "__notes__", []))[:600])
            round_ += 1
    return found
