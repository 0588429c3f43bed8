"""What every suite that runs all articles has to know of capsule."""

# (script, options): with --smoke in make test
SMOKE = [
    ("train.py", "--routing dynamic --digits 2"),
]
# the same in make test-slow
MORE = [
    ("train.py", "--routing none --recipe article --validation 0"),
    ("train.py", "--routing em --routings 3"),
    ("train.py", "--routing dynamic --weights full"),
    ("train.py", "--routing dynamic --reconstruction 0.0005 --images 250"),
]
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "evaluate.py",
    "predict.py",
    "compare.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--data digits --epochs 2 --routing none"
# least values of options where the built-in sample needs more than an option's own
LEAST = {}
LOAD = "capsule.classifier:Classifier.load"
WEIGHTS = "model.keras"                    # the file of the model in a run folder
READ = "common.harness.models:load_model"   # what reads that file alone
KERAS = 3
# benchmarks/backends.py: options, and the metric to compare
BACKENDS = ("--data digits --epochs 12 --shift 0", "test_accuracy_one_digit")
# (options of Config, message): refused before anything is written. EMPTY is an empty folder, FILE an empty
# file
BAD = [
    ({"digits": 0}, "--digits expects 1 to 100. Received: 0"),
    ({"digits": 11, "data": "digits"}, "--digits expects at most 10, one of each class.*Received: 11"),
    ({"routings": 0}, "--routings expects 1 to 100. Received: 0"),
    ({"routing": "em", "weights": "full"}, "--weights expects --routing dynamic. Received: em"),
    ({"routing": "none", "routings": 2}, "--routings expects --routing dynamic or em"),
    ({"shift": 28}, "--shift expects 0 to 27. Received: 28"),
    ({"validation": -1}, "--validation expects 0 to 1,000,000,000. Received: -1"),
    ({"images": -1}, "--images expects 0 to 1,000,000,000. Received: -1"),
    ({"images": 1, "digits": 2, "data": "digits"}, "--digits expects at most 1, one of each class"),
    ({"reconstruction": 1.5}, "--reconstruction expects 0 to 1. Received: 1.5"),
    ({"reconstruction": 0.1, "routing": "em"}, "--reconstruction expects --routing dynamic.*Received: em"),
    ({"reconstruction": 0.1, "digits": 2}, "--reconstruction expects --digits 1.*Received: 2"),
]
# name → function → (valid small files as {name: bytes}, function of a folder that reads them)
READERS = {}                               # it reads what vae reads
