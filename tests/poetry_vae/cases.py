"""What every suite that runs all articles has to know of poetry_vae."""

# (script, options): with --smoke in make test
SMOKE = [
    ("train.py", "--annealing 0.2 --free-bits 0.1 --iw-couplets 10"),
]
# the same in make test-slow
MORE = [
    ("train.py", "--recipe article --convolution relu --iw-couplets 10"),
    ("train.py", "--network deep --annealing 0.5 --iw-couplets 10"),
]
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "generate.py",
    "evaluate.py",
    "convert.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--data sample --epochs 3 --width 16 --iw-couplets 0"
# least values of options where the built-in sample needs more than an option's own
LEAST = {}
LOAD = "poetry_vae.poet:Poet.load"
WEIGHTS = "model.keras"                    # the file of the model in a run folder
READ = "common.harness.models:load_model"   # what reads that file alone
KERAS = 3
# benchmarks/backends.py: options, and the metric to compare
BACKENDS = ("--data sample --epochs 5 --iw-couplets 0", "test_negative_elbo")
# (options of Config, message): refused before anything is written. EMPTY is an empty folder, FILE an empty
# file
BAD = [
    ({"data": "EMPTY"}, "an empty folder"),
    ({"latent_dim": 1}, "--latent-dim expects 2 to 65,536"),
    ({"annealing": 1.5}, "--annealing expects 0 to 1"),
    ({"free_bits": -0.1}, "--free-bits expects 0 to 1,000"),
]


def _poems():
    from poetry_vae.data import load_poems
    from tests.stress.valid import files

    ends = zip("春秋夏冬东西南北上下来去", "明清晓晚古今远近高低长短")
    lines = [f"{a}风吹绿水，{b}月照青山。\n" for a, b in ends]
    return files(load_poems, "x.txt", x_txt="".join(lines).encode())


def _chinese_poetry():
    from poetry_vae.data import load_poems
    from tests.stress.valid import dumped, files

    poem = {"author": "某", "paragraphs": ["春風吹綠水，明月照青山。"]}
    return files(load_poems, poems_json=dumped([poem] * 3))


# name → function → ({file name: valid bytes}, reader of their folder): the fuzzers edit the bytes
READERS = {"poems": _poems, "chinese-poetry": _chinese_poetry}
