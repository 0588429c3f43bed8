"""Small files that once took gigabytes, minutes or a crash: what limits.py measures, and ordinary tests use.

BOMBS has for each a name, what reads it ("module:function", a reader of a path) and a function that writes it
into a folder and returns the path. All are at most 10 MB, and all have to be refused.
"""

import contextlib
import functools
import gzip
import io
import json
import math
import pathlib
import sqlite3
import tarfile
import zipfile

import numpy as np

from tests.articles import ROOT
from tests.stress.valid import Y, npz

BIG = 1_500_000_000                    # bytes that a bomb unpacks to; blanks and zeros shrink to 1.5 MB
TABLE, MODEL = "nl2sql.table_files:read_table", "vae.autoencoder:Autoencoder.load"
SHIPPED = ROOT / "vae/weights/vae.keras"
PIECE = 1 << 20
SIZE = 10_000_000                      # bytes of a file at most


# -------------------------------------------------------------------------------------------------- archives

def repeated(piece, size):
    """Some bytes again and again, in pieces of a megabyte, up to a size."""
    whole = piece * (PIECE // len(piece))
    for _ in range(size // len(whole)):
        yield whole


def write_zip(path, members):
    """A zip whose members are given as bytes or as iterables of bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in members.items():
            with archive.open(name, "w", force_zip64=True) as file:
                for part in [content] if isinstance(content, bytes) else content:
                    file.write(part)
    return path


def claim_less(path, name, size=100):
    """Writes into the directory of a zip that one member has only so many bytes, which it has not."""
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\1\2")
    while content[place + 46:place + 46 + len(name)] != name.encode():
        place = content.rindex(b"PK\1\2", 0, place)
    content[place + 24:place + 28] = size.to_bytes(4, "little")
    path.write_bytes(content)
    return path


# ------------------------------------------------------------------------------------------------- workbooks

SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
CELL = '<row r="{row}"><c r="{place}"><v>1</v></c></row>'
FIRST, END = "xl/worksheets/sheet1.xml", b"</sheetData></worksheet>"


def workbook_parts(rows):
    """The members of a small workbook, whose sheet has the rows, as XML."""
    import openpyxl

    buffer = io.BytesIO()
    openpyxl.Workbook().save(buffer)
    with zipfile.ZipFile(buffer) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[FIRST] = SHEET.encode() + rows.encode() + END
    return parts


def workbook(folder, rows="", **parts):
    """A workbook of a header and these rows, or with parts in place of its own."""
    return write_zip(folder / "x.xlsx", workbook_parts(CELL.format(row=1, place="A1") + rows) | parts)


def with_sheets(folder, sheets, states=()):
    """A workbook of sheets, whose rows are given as XML; `states` has what is hidden: {name: "hidden"}."""
    import openpyxl

    buffer, book = io.BytesIO(), openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        book.create_sheet(name).sheet_state = dict(states).get(name, "visible")
    book.save(buffer)
    with zipfile.ZipFile(buffer) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for number, rows in enumerate(sheets.values(), 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = SHEET.encode() + rows.encode() + END
    return write_zip(folder / "x.xlsx", parts)


def far_cell(folder):
    return workbook(folder, CELL.format(row=1048576, place="XFD1048576"))


def far_row(folder):
    return workbook(folder, CELL.format(row=99999999999, place="A99999999999"))


def blank_sheet(folder, lie=False):
    """A sheet of gigabytes of blanks, which its directory may hide."""
    path = workbook(folder, **{FIRST: [SHEET.encode(), *repeated(b" ", BIG), END]})
    return claim_less(path, FIRST) if lie else path


def many_cells(folder):
    row = b"<row>" + b"<c><v>1</v></c>" * 1000 + b"</row>"
    return workbook(folder, **{FIRST: [SHEET.encode(), *repeated(row, 20_000 * len(row)), END]})


KINDS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TEXTS = "xl/sharedStrings.xml"
TEXTS_START = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'


def with_texts(folder, rows, content):
    """A workbook whose cells name texts by their numbers: openpyxl writes texts into the cells instead."""
    parts = workbook_parts(rows)
    added = {
        "[Content_Types].xml": ("</Types>", f'<Override PartName="/{TEXTS}" '
                                f'ContentType="{KINDS}.sharedStrings+xml"/></Types>'),
        "xl/_rels/workbook.xml.rels": (
            "</Relationships>", '<Relationship Id="rId99" Target="sharedStrings.xml" '
                                f'Type="{LINKS}/sharedStrings"/></Relationships>'),
    }
    for name, (end, more) in added.items():
        parts[name] = parts[name].replace(end.encode(), more.encode())
    return write_zip(folder / "x.xlsx", parts | {TEXTS: content})


def many_tags(folder):
    """16 million tags, which are no cells, in 64 MB."""
    return workbook(folder, **{FIRST: [SHEET.encode(), *repeated(b"<a/>", 63 * PIECE), END]})


def long_attribute(folder):
    """One tag of 62 MB: a parser that gets it in pieces begins anew with each."""
    row = [b'<row a="', *repeated(b"x", 59 * PIECE), b'"/>']
    rows = [CELL.format(row=i, place=f"A{i}").encode() for i in (1, 2)]
    return workbook(folder, **{FIRST: [SHEET.encode(), *rows, *row, END]})


def long_text_in_many_cells(folder):
    """A few kB, whose 15,000 cells name one text of 30,000 characters."""
    rows = "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 15_001))
    return with_texts(folder, rows, [TEXTS_START, b"<si><t>", b"ab " * 10_000, b"</t></si></sst>"])


def shared_strings(folder, lie=False):
    """22 million texts that cells may name."""
    cell = '<row r="{0}"><c r="A{0}" t="s"><v>0</v></c></row>'
    texts = [TEXTS_START, *repeated(b"<si><t>abcdefgh</t></si>", 1 << 29), b"</sst>"]
    path = with_texts(folder, cell.format(1) + cell.format(2), texts)
    return claim_less(path, TEXTS) if lie else path


def styles(folder):
    return workbook(folder, **{"xl/styles.xml": [
        b'<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs>',
        *repeated(b'<xf numFmtId="0"/>', 1 << 28), b"</cellXfs></styleSheet>"]})


def entities(folder):
    """Each entity is ten of the one before: a billion laughs."""
    names = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    cell = '<row r="1"><c r="A1" t="str"><v>&e9;</v></c></row>'
    sheet = f'<!DOCTYPE x [<!ENTITY e0 "ha">{names}]>{SHEET}{cell}'
    return workbook(folder, **{FIRST: sheet.encode() + END})


# ------------------------------------------------------------------------------------------------- databases

def database(folder, *statements):
    path = folder / "x.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def generated_column(folder):
    return database(folder, "CREATE TABLE t (a, b AS (hex(zeroblob(400000000))))",
                    "INSERT INTO t VALUES (1), (2)")


def long_generated_texts(folder):
    """A column that is computed: 20,000 texts of 32,000 characters."""
    return database(folder, "CREATE TABLE t (a, b AS (hex(zeroblob(16000))))",
                    f"INSERT INTO t {COUNT.format(20_000)}")


def view_of_zeros(folder):
    return database(folder, "CREATE VIEW v AS SELECT hex(zeroblob(400000000)) AS a UNION ALL SELECT 1")


ENDLESS = "CREATE VIEW v AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT "
COUNT = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {}) SELECT n FROM c"


def endless_view(folder):
    return database(folder, ENDLESS + "n FROM c")


def view_without_rows(folder):
    return database(folder, ENDLESS + "n FROM c WHERE n < 0")


def sorted_view(folder):
    return database(folder, ENDLESS + "n, hex(randomblob(50000)) AS x FROM c ORDER BY x")


def slow_column(folder):
    """A column of a table, not of a view, whose each cell searches a long text in a longer one."""
    searches = [f"instr(hex(zeroblob(100000)), hex(zeroblob({60_000 + i})) || 1)" for i in range(9)]
    return database(folder, f"CREATE TABLE t (a, b AS ({' + '.join(searches)}))",
                    f"INSERT INTO t {COUNT.format(99_000)}")


def many_rows(folder):
    return database(folder, "CREATE TABLE t (a)", f"INSERT INTO t {COUNT.format(700_000)}")


# ----------------------------------------------------------------------------------------- texts and TableQA

def text(folder, name, *parts):
    """A file of pieces of text, or of (piece, how often) pairs."""
    with open(folder / name, "w", encoding="utf-8") as file:
        for part in parts:
            piece, count = (part, 1) if isinstance(part, str) else part
            file.write(piece * count)
    return folder / name


def tableqa(folder, *tables):
    table = {"id": "t", "header": ["a", "b"], "rows": [[1, 2]]}
    lines = [json.dumps(table | changes) + "\n" for changes in tables]
    return text(folder, "x.json", *lines)


# ---------------------------------------------------------------------------------------------------- models

@functools.cache
def model_parts():
    with zipfile.ZipFile(SHIPPED) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def model(folder, **changes):
    """vae.keras with other members: `config`, `weights`, or any name."""
    names = {"config": "config.json", "weights": "model.weights.h5"}
    changed = {names.get(name, name): content for name, content in changes.items()}
    return write_zip(folder / "model.keras", model_parts() | changed)


def edited_model(folder, edit):
    """The same after edit(config), a function that changes config.json."""
    config = json.loads(model_parts()["config.json"])
    edit(config["config"]["layers"])
    return model(folder, config=json.dumps(config, separators=(",", ":")).encode())


def lying_model(folder):
    path = model(folder, config=[*repeated(b" ", BIG), model_parts()["config.json"]])
    return claim_less(path, "config.json")


def wide_layer(folder):
    def edit(layers):
        dense = next(layer for layer in layers if layer["class_name"] == "Dense")
        dense["config"]["units"] = 200_000_000

    return edited_model(folder, edit)


def wide_convolution(folder):
    def edit(layers):
        layers.append({
            "class_name": "Conv1D", "module": "keras.layers", "registered_name": None, "name": "added",
            "config": {"name": "added", "filters": 200_000_000, "kernel_size": 3},
            "build_config": {"input_shape": [None, 9, 100]}, "inbound_nodes": []})

    return edited_model(folder, edit)


def many_layers(folder):
    def edit(layers):
        for i in range(20_000):
            name = f"added{i}"
            layers.append({
                "class_name": "InputLayer", "module": "keras.layers", "registered_name": None, "name": name,
                "config": {"name": name, "batch_shape": [None, 2]}, "inbound_nodes": []})

    return edited_model(folder, edit)


def long_chain(folder):
    """A megabyte of layers, one behind the other."""
    def edit(layers):
        source = layers[0]["name"]
        for i in range(2300):
            history = {"shape": [None, 784], "dtype": "float32", "keras_history": [source, 0, 0]}
            tensor = {"class_name": "__keras_tensor__", "config": history}
            source = f"{i}"
            layers.append({
                "class_name": "ReLU", "module": "keras.layers", "name": source, "config": {"name": source},
                "inbound_nodes": [{"args": [tensor], "kwargs": {}}]})

    return edited_model(folder, edit)


def weights(folder, edit):
    """The same after edit(file), a function that changes the HDF5 file of the weights."""
    import h5py

    buffer = io.BytesIO(model_parts()["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        edit(file)
    return model(folder, weights=buffer.getvalue())


def first_dataset(file):
    import h5py

    found = []

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            found.append(name)

    file.visititems(note)
    return found[0]


def unfinite(value):
    def edit(file):
        file[first_dataset(file)][0] = value

    return edit


def packed_weights(file):
    """A dataset of gigabytes of zeros, packed by HDF5 itself."""
    name = first_dataset(file)
    del file[name]
    packed = file.create_dataset(name, (BIG // 4,), "float32", chunks=(1 << 18,), compression="gzip")
    packed[:1] = 1


# ----------------------------------------------------------------------------------------------------- NumPy

def header(dtype, shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def zeros(dtype, shape):
    """The content of a .npy file of zeros, piece by piece."""
    yield header(dtype, shape)
    size = np.dtype(dtype).itemsize * math.prod(shape)
    yield from repeated(b"\0", size // PIECE * PIECE)
    yield bytes(size % PIECE)


def checkpoint(folder, **members):
    state = json.dumps({"epoch": 0, "best": None, "seconds": 0.0, "log": []})
    with zipfile.ZipFile(io.BytesIO(npz(state=np.array(state), v0=np.ones(3, "float32")))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return write_zip(folder / "checkpoint.npz", parts | {f"{k}.npy": value for k, value in members.items()})


def padded_state(folder):
    blank, blanks = " ".encode("utf-32-le"), BIG // PIECE * PIECE // 4
    state = json.dumps({"epoch": 0, "best": None, "seconds": 0.0, "log": []})
    start, end = header(f"<U{blanks + len(state)}", ()), state.encode("utf-32-le")
    return checkpoint(folder, state=[start, *repeated(blank, 4 * blanks), end])


def images(folder, **members):
    parts = {f"{name}.npy": npy(np.zeros((12, 28, 28), "uint8")) for name in ("x_train", "x_test")}
    return write_zip(folder / "x.npz", parts | {f"{name}.npy": value for name, value in members.items()})


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def idx(folder, images=None, labels=None):
    """MNIST's four files, packed, of which one unpacks to much."""
    small = {"train-images-idx3-ubyte": (12, 28, 28), "train-labels-idx1-ubyte": (12,),
             "t10k-images-idx3-ubyte": (3, 28, 28), "t10k-labels-idx1-ubyte": (3,)}
    for name, shape in small.items():
        size = {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}.get(name)
        shape = (size, *shape[1:]) if size else shape
        with gzip.open(folder / f"{name}.gz", "wb", 6) as file:
            file.write(bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape))
            for part in zeros("u1", shape):
                file.write(part if part[:6] != b"\x93NUMPY" else b"")
    return folder


def tar_header(folder):
    """A tar whose extended header, which is read whole, has gigabytes."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, BIG // 512 * 512
    with gzip.open(folder / "x.tar.gz", "wb", 6) as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        for part in repeated(b" " * 512, BIG):
            file.write(part)
    return folder / "x.tar.gz"


# -------------------------------------------------------------------------------------------------- pictures

def postscript(folder):
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\n{ } loop\n"
    (folder / "x.png").write_bytes(program)
    return folder / "x.png"


def picture(folder, kind="PNG", size=(13_000, 13_000), mode="1"):
    from PIL import Image

    path = folder / f"x.{kind.lower()}"
    Image.new(mode, size).save(path, kind)
    return path


def tiff(folder):
    from PIL import Image

    image = Image.fromarray(np.zeros((5000, 8000), "float32"))
    image.save(folder / "x.tif", compression="tiff_adobe_deflate")
    return folder / "x.tif"


def vectors(folder):
    """A header that claims more vectors than the file can hold."""
    (folder / "x.bin").write_bytes(b"3000000 300\n" + b"a " + bytes(1200))
    return folder / "x.bin"


def model_member(**changes):
    return MODEL, lambda folder: model(folder, **changes)


def csv(*parts):
    return TABLE, lambda folder: text(folder, "x.csv", *parts)


def of_tables(*tables):
    return TABLE, lambda folder: tableqa(folder, *tables)


BLANKS, ZEROS = functools.partial(repeated, b" ", BIG), functools.partial(repeated, b"\0", BIG)
CHECKPOINT, IMAGES = "common.harness.checkpoint:read_checkpoint", "tests.stress.limits:images"
PICTURE, LARGE_ARRAY = "common.harness.images:open_picture", (BIG // 4,)
BOMBS = {
    "xlsx with one cell at XFD1048576": (TABLE, far_cell),
    "xlsx with row 99999999999": (TABLE, far_row),
    "xlsx with a sheet of 1.5 GB of blanks": (TABLE, blank_sheet),
    "the same, called 100 bytes in the directory": (TABLE, lambda folder: blank_sheet(folder, lie=True)),
    "xlsx with 20,000,000 cells": (TABLE, many_cells),
    "xlsx with 22,000,000 shared strings": (TABLE, shared_strings),
    "the same strings, called 100 bytes": (TABLE, lambda folder: shared_strings(folder, lie=True)),
    "xlsx with one text of 30,000 characters in 15,000 cells": (TABLE, long_text_in_many_cells),
    "xlsx with 15,000,000 styles": (TABLE, styles),
    "xlsx with 16,000,000 tags": (TABLE, many_tags),
    "xlsx with entities of entities": (TABLE, entities),
    "SQLite with a generated column of 800 MB": (TABLE, generated_column),
    "SQLite with 20,000 generated texts": (TABLE, long_generated_texts),
    "SQLite with a view of 800 MB": (TABLE, view_of_zeros),
    "SQLite with a view without end": (TABLE, endless_view),
    "SQLite with a view that never has a row": (TABLE, view_without_rows),
    "SQLite with a view that sorts without end": (TABLE, sorted_view),
    "SQLite with a table whose column takes hours": (TABLE, slow_column),
    "SQLite with 700,000 rows": (TABLE, many_rows),
    "CSV with 1,000,000 columns": csv("a,b\n", ("1,", 10**6), "1\n"),
    "CSV with a header of 1,000,000 columns": csv(("a,", 10**6), "a\n", ("1,", 10**6), "1\n"),
    "CSV with 2,000 columns and 1,000,000 short rows": csv(("a,", 1999), "a\n", ("1\n", 1_000_000)),
    "CSV with 3,300,000 rows": csv("a,b\n", ("1,\n", 3_300_000)),
    "CSV with a cell of 9 MB": csv("a,b\n", ("x", 9_000_000), ",1\n"),
    "CSV with an open quotation of 9 MB": csv("a,b\n\"", ("x\n", 4_500_000)),
    "CSV with a header of 9,000,000 brackets": csv(("(", 9_000_000), ",b\n1,2\n"),
    "CSV with 5,000,000 empty lines": csv("a,b\n", ("\n", 5_000_000), "1,2,3\n"),
    "TableQA with a text as header": of_tables({"header": "abc"}),
    "TableQA with texts as rows": of_tables({"rows": ["ab", "cd"]}),
    "TableQA with objects as rows": of_tables({"rows": [{"a": 1, "b": 2}]}),
    "TableQA with lists as cells": of_tables({"rows": [[[1], {"a": 2}]]}),
    "TableQA with two tables of one id": of_tables({}, {}),
    "TableQA with 1,000,000 columns": of_tables({"header": ["a"] * 10**6}),
    "TableQA with 1,000,000 rows": of_tables({"rows": [[1]] * 10**6}),
    "model with 1.5 GB of blanks before its configuration": (
        MODEL, lambda folder: model(folder, config=[*BLANKS(), model_parts()["config.json"]])),
    "the same model, called 100 bytes": (MODEL, lying_model),
    "model with 1.5 GB of zeros behind its weights": (
        MODEL, lambda folder: model(folder, weights=[model_parts()["model.weights.h5"], *ZEROS()])),
    "model with a further member of 1.5 GB": (MODEL, lambda folder: model(folder, more=BLANKS())),
    "model with a further member": model_member(**{"assets/x.txt": b"x"}),
    "model with a layer of 200,000,000 units": (MODEL, wide_layer),
    "model with a layer of 200,000,000 filters": (MODEL, wide_convolution),
    "model with 20,000 layers": (MODEL, many_layers),
    "model with a weight that is NaN": (MODEL, lambda folder: weights(folder, unfinite(float("nan")))),
    "model with a weight that is infinite": (MODEL, lambda folder: weights(folder, unfinite(float("inf")))),
    "model with weights that HDF5 packed": (MODEL, lambda folder: weights(folder, packed_weights)),
    "checkpoint with 1.5 GB of blanks in its state": (CHECKPOINT, padded_state),
    "checkpoint with an array of 1.5 GB": (CHECKPOINT, lambda folder: checkpoint(
        folder, v0=zeros("<f4", LARGE_ARRAY))),
    "checkpoint with 1.5 GB behind an array": (CHECKPOINT, lambda folder: checkpoint(
        folder, v0=[npy(np.ones(3, "float32")), *ZEROS()])),
    "checkpoint with a further member": (CHECKPOINT, lambda folder: checkpoint(folder, more=npy(Y))),
    "npz with images of 1.5 GB": (IMAGES, lambda folder: images(
        folder, x_train=zeros("|u1", (BIG // 784, 28, 28)))),
    "npz with 120,000,000 labels": (IMAGES, lambda folder: images(
        folder, y_train=zeros("|u1", (120_000_000,)))),
    "idx with images of 1.5 GB": (IMAGES, lambda folder: idx(folder, images=BIG // 784)),
    "idx with 250,000,000 labels": (IMAGES, lambda folder: idx(folder, labels=250_000_000)),
    "tar with a header of 1.5 GB": ("gan.data:from_cifar10_archive", tar_header),
    "word vectors that claim 3.6 GB": ("tests.stress.limits:vectors", vectors),
    "PostScript called x.png": (PICTURE, postscript),
    "PNG of 169,000,000 pixels": (PICTURE, picture),
    "TIFF of 40,000,000 floats": (PICTURE, lambda folder: tiff(folder)),
}


def full_table(folder, kind):
    """As many cells as a table may have, of numbers and texts."""
    path, rows = folder / f"x.{kind}", 29_999
    header = [f"c{i}" for i in range(10)]
    lines = [numbers_and_texts(i) for i in range(rows)]
    if kind == "csv":
        return text(folder, path.name, *(",".join(line) + "\n" for line in [header, *lines]))
    if kind == "db":
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE t ({', '.join(header)})")
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * 10)})", lines)
            connection.commit()
        return path
    body = ["<row>" + "".join(map(cell_of, line)) + "</row>" for line in [header, *lines]]
    return workbook(folder, **{FIRST: [SHEET.encode(), *map(str.encode, body), END]})


def numbers_and_texts(i):
    return [f"{7 * i + j}" if j % 2 else f"市{i * j}" for j in range(10)]


def cell_of(value):
    kind = "n" if value.isdigit() else "str"
    return f'<c t="{kind}"><v>{value}</v></c>'


def full_tables(folder):
    """Tables of TableQA with as many cells as a file may have, and a question to one."""
    sql = {"sel": [0], "agg": [0], "cond_conn_op": 0, "conds": []}
    question = {"question": "a", "table_id": "0", "sql": sql}
    text(folder, "questions.json", json.dumps(question, ensure_ascii=False) + "\n")
    rows = [[i, "市"] for i in range(50_000)]
    return tableqa(folder, *({"id": f"{i}", "rows": rows, "types": ["real", "text"]} for i in range(8)))


def full_picture(folder, mode, kind):
    from PIL import Image

    path = folder / f"x.{kind.lower()}"
    options = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
    Image.new(mode, (5000, 5000)).save(path, kind, **options)
    return path


def full_arrays(folder):
    return images(folder, x_train=zeros("|u1", (255_000, 28, 28)))


LARGEST = {
    **{f"{kind} with 300,000 cells": (TABLE, functools.partial(full_table, kind=kind))
       for kind in ("csv", "xlsx", "db")},
    "xlsx with an attribute of 62 MB": (TABLE, long_attribute),
    "TableQA with 800,000 cells": ("tests.stress.limits:tableqa", full_tables),
    **{f"{kind} of 25,000,000 pixels": (PICTURE, functools.partial(full_picture, mode=mode, kind=kind))
       for kind, mode in (("PNG", "RGBA"), ("WEBP", "RGBA"), ("JPEG", "RGB"), ("GIF", "P"), ("TIFF", "F"))},
    "npz with images of 200 MB": (IMAGES, full_arrays),
}


def made(name, folder):
    """(reader, path) of a bomb, written into a folder."""
    reader, make = BOMBS[name]
    return reader, pathlib.Path(make(pathlib.Path(folder)))
