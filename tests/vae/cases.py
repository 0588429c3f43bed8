"""What every suite that runs all articles has to know of vae."""

# (script, options): with --smoke in make test
SMOKE = [
    ("train.py", "--model dense"),
    ("geometry.py", ""),
]
# the same in make test-slow
MORE = [
    ("train.py", "--model conv --recipe article --validation 0 --iw-images 0"),
    ("train.py", "--model conv --iw-images 0"),
    ("train.py", "--model conditional --binarize --iw-images 0"),
    ("train.py", "--model clustering"),
]
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "evaluate.py",
    "generate.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--data digits --epochs 4 --iw-images 0"
# least values of options where the built-in sample needs more than an option's own
LEAST = {}
LOAD = "vae.autoencoder:Autoencoder.load"
WEIGHTS = "model.keras"                    # the file of the model in a run folder
READ = "common.harness.models:load_model"   # what reads that file alone
KERAS = 3
# benchmarks/backends.py: options, and the metric to compare
BACKENDS = ("--data digits --epochs 5 --iw-images 0", "test_negative_elbo_grey")
# (options of Config, message): refused before anything is written. EMPTY is an empty folder, FILE an empty
# file
BAD = [
    ({"data": "EMPTY"}, "at least 10 pictures"),
    ({"epochs": 0}, "--epochs expects 1 to 1,000,000. Received: 0"),
    ({"batch_size": -3}, "--batch-size expects 1 to 1,000,000. Received: -3"),
    ({"learning_rate": 0.0}, "--learning-rate expects more than 0 and at most 1,000,000. Received: 0"),
    ({"seed": -1}, "--seed expects 0 to 4,294,967,295. Received: -1"),
    ({"latent_dim": 0}, "--latent-dim expects"),
    ({"clusters": 1, "model": "clustering"}, "--clusters expects"),
    ({"validation": -1}, "--validation expects"),
    ({"resume": "EMPTY"}, "--resume expects the folder of a run"),
    ({"data": "digits", "out": "FILE"}, "--out expects a folder that can be written"),
    ({"devices": -1, "data": "digits"}, "--devices expects 0 to 1,024"),
]


def load_images(path):
    from common.harness import datasets

    return datasets.load_images(str(path))


def npz_images():
    from tests.stress.valid import IMAGES, files

    return files(load_images, "x.npz", x_npz=IMAGES)


def idx_images():
    from tests.stress.valid import IDX

    return IDX, load_images


def pictures():
    from tests.stress.valid import picture

    kinds = ("png", "jpeg", "bmp", "gif", "webp")
    return {f"{i}.{kind}": picture(kind) for kind in kinds for i in range(2)}, load_images


# name → function → (valid small files as {name: bytes}, function of a folder that reads them)
READERS = {
    "npz": npz_images,
    "idx": idx_images,
    "pictures": pictures,
}
