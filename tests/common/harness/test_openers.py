"""What a user names is opened by a few helpers, which have limits: nothing else calls open on it."""

import ast

import pytest

from tests.articles import ARTICLES, ROOT

# what opens files, as the source calls it
OPENERS = {
    "open", "Image.open", "gzip.open", "gzip.GzipFile", "gzip.decompress", "tarfile.open", "bz2.open",
    "lzma.open", "io.open", "os.open", "codecs.open", "zipfile.ZipFile", "zipfile.Path", "h5py.File",
    "sqlite3.connect", "np.load", "np.fromfile", "np.loadtxt", "np.genfromtxt", "np.memmap", "numpy.load",
    "pandas.read_csv", "pandas.read_excel", "pandas.ExcelFile", "openpyxl.load_workbook", "pickle.load",
    "keras.models.load_model", "json.load",
}
METHODS = {"open", "read_text", "read_bytes", "load_word2vec_format"}         # of whatever: ".read_text"
# file → the openers that it may call, and why
HELPERS = {
    "common/harness/reading.py": {"open"},                       # bytes and texts
    "common/harness/streams.py": {"open"},                       # texts larger than memory, by place
    "common/harness/archives.py": {"zipfile.ZipFile", ".open"},  # members are counted
    "common/harness/images.py": {"open", "Image.open"},          # MNIST's files that are not packed; pictures
    "common/harness/models.py": {"h5py.File", "keras.models.load_model"},           # weights in memory
    "gan/data.py": {"tarfile.open"},                             # in a Gzip that is counted
    "nl2sql/table_files.py": {"open", "sqlite3.connect"},        # first bytes; databases under limits
    "dgcnn/vectors.py": {".load_word2vec_format"},               # by gensim, piece by piece
    # what no user names: files of ours, of the system, and those that are written
    "common/harness/writing.py": {"open"}, "common/harness/download.py": {"open"},
    "common/harness/devices.py": {"open"}, "common/harness/provenance.py": {".read_text"},
    "common/harness/memory.py": {".read_text"}, "common/harness/folder.py": {"os.open"},
    "nl2sql/grammar/texts.py": {".read_text"}, "nl2sql/sql.py": {"sqlite3.connect"},
}
FILES = sorted(path for folder in ("common/harness", *ARTICLES) for path in (ROOT / folder).rglob("*.py"))


def openers_in(source):
    """What a source calls of OPENERS and METHODS."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            method = isinstance(node.func, ast.Attribute) and node.func.attr in METHODS
            if name in OPENERS:
                found.add(name)
            elif method:
                found.add(f".{node.func.attr}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_of_users_are_opened_by_the_helpers(path):
    name = str(path.relative_to(ROOT))
    assert openers_in(path.read_text(encoding="utf-8")) - HELPERS.get(name, set()) == set()


def test_the_list_of_helpers_is_up_to_date():
    found = {name: openers_in((ROOT / name).read_text(encoding="utf-8")) for name in HELPERS}
    assert found == HELPERS


@pytest.mark.parametrize("source, name", [
    ("with open(path) as file: pass", "open"), ("x = np.load(path)['a']", "np.load"),
    ("read(path.read_text())", ".read_text"), ("Image.open(path)", "Image.open"),
    ("def f():\n    return (folder / 'a').open()", ".open"), ("zipfile.ZipFile(path)", "zipfile.ZipFile"),
])
def test_openers_are_found(source, name):
    assert openers_in(source) == {name}
    assert not openers_in("Vocab.load(path), read_text(path), opened(path), data.load(path)")
