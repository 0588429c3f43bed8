"""What every suite that runs all articles has to know of flow_nice."""

# (script, options): with --smoke in make test
SMOKE = [
    ("train.py", "--protocol paper --recipe article --validation 0"),
]
# the same in make test-slow
MORE = [
    ("train.py", ""),
]
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "evaluate.py",
    "generate.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--data digits --epochs 3 --width 64 --hidden 2"
# least values of options where the built-in sample needs more than an option's own
LEAST = {}
LOAD = "flow_nice.sampler:Sampler.load"
WEIGHTS = "model.keras"                    # the file of the model in a run folder
READ = "common.harness.models:load_model"   # what reads that file alone
KERAS = 3
# benchmarks/backends.py: options, and the metric to compare
BACKENDS = ("--data digits --epochs 5 --width 100", "test_loss_without_noise")
# (options of Config, message): refused before anything is written. EMPTY is an empty folder, FILE an empty
# file
BAD = [
    ({"blocks": 0}, "--blocks expects 1 to 100. Received: 0"),
    ({"temperature": -1.0}, "--temperature expects more than 0 and at most 10. Received: -1"),
    ({"dropout": 1.5}, "--dropout expects at least 0 and less than 1. Received: 1.5"),
    ({"draws": 0, "protocol": "paper"}, "--draws expects"),
]


# name → function → (valid small files as {name: bytes}, function of a folder that reads them)
READERS = {}
