"""What a user names is opened by the helpers of the harness alone, which have limits on size, time and
format: no other file calls open or one of its kind."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ["common", "demo", "more", *sorted(path.parent.name for path in ROOT.glob("*/train.py"))]
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

# calls by the last part of their names
OPENERS = {
    "open", "fdopen", "read_text", "read_bytes",
    "fromfile", "genfromtxt", "loadtxt", "memmap", "open_memmap",                       # numpy
    "read_csv", "read_excel", "read_json", "read_parquet", "read_pickle", "read_table", "read_xml",
    "BZ2File", "GzipFile", "LZMAFile", "TarFile", "ZipFile", "unpack_archive",
    "connect",                                                                          # sqlite3
    "imread", "load_img",
    "load_model", "load_weights", "load_word2vec_format", "load_weights_from_checkpoint",
    "list_variables", "load_checkpoint", "load_variable",                               # TensorFlow
}
# and calls by their whole names, whose last part others have too
WHOLE = {"h5py.File", "joblib.load", "np.load", "numpy.load", "torch.load"}
HARNESS = ("archives", "images", "models", "reading", "table_files")      # whose own calls are fine

HELPERS = {
    "common/harness/archives.py": "archives, with limits on what they unpack to",
    "common/harness/download.py": "writes what it downloads",
    "common/harness/images.py": "pictures and idx files, with a list of formats",
    "common/harness/memory.py": "what the system says of its memory",
    "common/harness/models.py": "models, whose members are looked at before Keras opens them",
    "common/harness/reading.py": "text and bytes",
    "common/harness/streams.py": "keeps a file open of which batches read parts",
    "common/harness/writing.py": "writes",
    "nl2sql/databases.py": "databases, of which it only reads",
    "nl2sql/table_files.py": "tables",
    "nl2sql/workbooks.py": "workbooks",
}
EXCEPTIONS = {
    ("common/harness/cli.py", "os.open"): "the null device",
    ("common/harness/devices.py", "open"): "the null device",
    ("common/harness/further.py", "Image.open"): "a picture that was drawn, in memory",
    ("common/harness/folder.py", "os.open"): "the run folder, to lock it",
    ("common/harness/provenance.py", "pathlib.Path('/proc/cpuinfo').read_text"): "what the processor is",
    ("demo/table_process.py", "os.fdopen"): "its own standard output",
    ("dgcnn/vectors.py", "KeyedVectors.load_word2vec_format"): "gensim reads the binary form of word2vec",
    ("gan/data.py", "tarfile.open"): "of a Gzip of archives.py",
    ("more/bert/legacy_keras.py", "model.load_weights_from_checkpoint"): "TensorFlow reads its checkpoints",
    ("more/word_discovery.py", "np.memmap"): "its own sorted runs, in a folder of its own",
    ("nl2sql/bert.py", "bert.load_weights_from_checkpoint"): "TensorFlow reads its checkpoints",
    ("nl2sql/bert.py", "tf.train.list_variables"): "TensorFlow reads its checkpoints",
    ("nl2sql/grammar/texts.py", "(FOLDER / 'schemas.txt').read_text"): "a file of this repository",
    ("nl2sql/grammar/texts.py", "(FOLDER / name).read_text"): "a file of this repository",
    ("nl2sql/sql.py", "sqlite3.connect"): "a database in memory",
}


def openings(source):
    """The calls in a file that open something, as they are written."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            ours = (node.module or "").split(".")[0] in FOLDERS
            found += [alias.name for alias in node.names if not ours and alias.name in OPENERS]
        elif isinstance(node, ast.Call) and is_opening(node.func):
            found.append(ast.unparse(node.func))
    return found


def is_opening(function):
    """Whether a called function opens something; a name without a module is ours, but for open."""
    if isinstance(function, ast.Name):
        return function.id == "open"
    if not isinstance(function, ast.Attribute):
        return False
    owner = ast.unparse(function.value)
    opens = function.attr in OPENERS or f"{owner}.{function.attr}" in WHOLE
    return opens and owner not in HARNESS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_opened_by_the_helpers(path):
    name = str(path.relative_to(ROOT))
    if name not in HELPERS:
        assert [call for call in openings(path.read_text()) if (name, call) not in EXCEPTIONS] == []


@pytest.mark.parametrize("name", sorted({name for name, _ in EXCEPTIONS}))
def test_exceptions_are_needed(name):
    calls = openings((ROOT / name).read_text())
    assert {call for file, call in EXCEPTIONS if file == name} <= set(calls)


def test_helpers_are_there():
    assert all((ROOT / name).is_file() for name in HELPERS)


@pytest.mark.parametrize("source", [
    "open(path)", "with open(path) as file: pass", "pathlib.Path(path).read_text()", "json.load(path.open())",
    "np.load(path)", "h5py.File(path)", "gzip.open(path)", "pandas.read_csv(path)", "Image.open(path)",
    "from gzip import open", "from zipfile import ZipFile", "keras.models.load_model(path)",
    "paths[0].read_bytes()"])
def test_what_opens_a_file(source):
    assert len(openings(source)) == 1


@pytest.mark.parametrize("source", [
    "read_text(path)", "reading.read_text(path)", "from common.harness.models import load_model",
    "load_model(path)", "from common.harness.reading import read_text", "json.loads(text)",
    "Vocab.load(path)", "config.open", "class Gzip(gzip.GzipFile): pass"])
def test_what_does_not(source):
    assert openings(source) == []
