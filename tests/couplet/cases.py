"""What every suite that runs all articles has to know of couplet."""

# (script, options): with --smoke in make test
SMOKE = [
    ("train.py", ""),
    ("train_scorer.py", ""),
]
# the same in make test-slow
MORE = [
    ("train.py", "--mixer bilstm --recipe article"),
    ("train.py", "--mixer attention"),
]
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "predict.py",
    "evaluate.py",
    "baseline.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--data sample --epochs 3 --width 16 --blocks 2"
# least values of options where the built-in sample needs more than an option's own
LEAST = {"max_length": 4}
LOAD = "couplet.robot:Robot.load"
WEIGHTS = "model.keras"                    # the file of the model in a run folder
READ = "common.harness.models:load_model"   # what reads that file alone
KERAS = 3
# benchmarks/backends.py: options, and the metric to compare
BACKENDS = ("--data sample --epochs 5", "test_perplexity")
# (options of Config, message): refused before anything is written. EMPTY is an empty folder, FILE an empty
# file
BAD = [
    ({"data": "EMPTY"}, "an empty folder"),
    ({"width": 1}, "--width expects 2 to 65,536"),
    ({"dropout": 1.0}, "--dropout expects at least 0 and less than 1"),
    ({"data": "sample", "max_length": 1}, "at least 10 couplets of at most 1 characters"),
    ({"data": "sample", "extra": "/nowhere"}, "--extra expects verse"),
]


def _couplets():
    from couplet.data import load_couplets
    from tests.stress.valid import files

    ends = zip("春秋夏冬东西南北上下来去", "明清晓晚古今远近高低长短")
    lines = [f"{a}风吹绿水\t{b}月照青山\n" for a, b in ends]
    return files(load_couplets, "x.tsv", x_tsv="".join(lines).encode())


def _in_and_out():
    from couplet.data import load_couplets
    from tests.stress.valid import files

    return files(load_couplets, in_txt="春 风\n明 月\n".encode() * 9, out_txt="秋 月\n清 风\n".encode() * 9)


# name → function → ({file name: valid bytes}, reader of their folder): the fuzzers edit the bytes
READERS = {"couplets": _couplets, "couplets in and out": _in_and_out}
