"""What every suite that runs all articles has to know of gan."""

# (script, options): with --smoke in make test
SMOKE = [
    ("train.py", ""),
    ("features.py", ""),
    ("encoders.py", "--width 8"),
]
# the same in make test-slow
MORE = [
    ("train.py", "--objective wgan_gp --vi-regularizer 5 --width 8 --distances"),
    ("train.py", "--objective sgan_sn --size 64 --width 4"),
    ("train.py", "--objective wgan_sn --kernels constraint --width 4"),
    ("train.py", "--objective wgan_sn --kernels regularized --width 4"),
    ("train.py", "--objective wgan_div --size 128 --width 4 --k 1 --p 2 --r mixed"),
    ("train.py", "--objective wgan_gp --one-sided --r within_kind --weight 5 --width 4"),
    ("encoders.py", "--objective aae --width 4 --size 64"),
    ("encoders.py", "--objective ali_swapped --width 4 --size 28 --critic-steps 2"),
]
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "compare.py",
    "evaluate.py",
    "generate.py",
    "toy.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--data digits --epochs 3 --width 4 --samples 100"
# least values of options where the built-in sample needs more than an option's own
LEAST = {}
LOAD = "gan.painter:Painter.load"
WEIGHTS = "model.keras"                    # the file of the model in a run folder
READ = "common.harness.models:load_model"   # what reads that file alone
KERAS = 3
# benchmarks/backends.py: options, and the metric to compare
BACKENDS = ("--data digits --epochs 5 --width 8 --samples 200", "gap")
# (options of Config, message): refused before anything is written. EMPTY is an empty folder, FILE an empty
# file
BAD = [
    ({"size": 30}, "--size expects 28 to 128"),
    ({"data": "EMPTY"}, "at least 10 pictures"),
    ({"data": "digits", "batch_size": 2000}, "images for one update"),
    ({"critic_steps": 0}, "--critic-steps expects 1 to 1,000"),
    ({"devices": 2, "data": "digits"}, "--devices expects"),
    ({"one_sided": True}, "--one-sided expects --objective to be one of wgan_gp. Received: gan_qp_l2"),
    ({"r": "fake"}, "--r expects --objective to be one of wgan_div, wgan_gp"),
    ({"kernels": "constraint"}, "--kernels expects --objective to be one of wgan_sn, sgan_sn"),
    ({"k": 3.0}, "--k expects --objective to be one of wgan_div"),
    ({"objective": "wgan_div", "weight": 3.0}, "--weight expects --objective to be one of gan_qp_l1, gan_qp"),
    ({"objective": "wgan_sn", "kernel_weight": 3.0}, "--kernel-weight expects --kernels regularized"),
    ({"vi_lag": 7}, "--vi-lag expects a --vi-regularizer above 0"),
]


def npz_images():
    from gan.data import load
    from tests.stress.valid import IMAGES, files

    return files(lambda path: load(str(path), 28), "x.npz", x_npz=IMAGES)


def cifar10_archive():
    """With one record in each file."""
    import io
    import tarfile

    from gan.data import CIFAR10_TEST, CIFAR10_TRAIN, RECORD, from_cifar10_archive

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name in [*CIFAR10_TRAIN, *CIFAR10_TEST]:
            member = tarfile.TarInfo(name)
            member.size = RECORD
            archive.addfile(member, io.BytesIO(bytes(RECORD)))

    def read(folder):
        return from_cifar10_archive(folder / "x.tar.gz", records=1)

    return {"x.tar.gz": buffer.getvalue()}, read


# name → function → (valid small files as {name: bytes}, function of a folder that reads them)
READERS = {"gan npz": npz_images, "cifar10 archive": cifar10_archive}
