"""Peak memory of training on text of any size: a sample of the repository, repeated to so many megabytes.

    python benchmarks/memory.py --megabytes 20 1000
    python benchmarks/memory.py --articles crf --megabytes 20 1000 --steps 200

Each run is a process of its own that ends after so many steps and prints the most memory that it held
(VmHWM). A file is read batch by batch from reading.LARGE bytes on; here from the first byte on, so that small
files show the same code.
"""

import contextlib
import pathlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import tyro

ROOT = pathlib.Path(__file__).resolve().parents[1]
SAMPLES = {"couplet": "couplet/samples/couplets.tsv", "poetry_vae": "poetry_vae/samples/couplets.txt",
           "crf": "crf/samples/sentences.txt"}
RUN = """
import pathlib, sys
sys.path.insert(0, {root!r})
import keras
from common.harness import cli, training
from common.harness import reading
from {article} import train as script

class Stop(BaseException):
    pass

def stop(self, batch, logs=None):
    if batch + 1 >= {steps}:
        raise Stop

reading.LARGE = 0
training.Checkpoint.on_train_batch_end = stop
try:
    script.train(cli.settle(script.Config(data={data!r}, out=pathlib.Path({out!r}), epochs=1)))
except Stop:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@dataclass
class Config:
    articles: tuple[str, ...] = tuple(SAMPLES)
    """Articles to run."""
    megabytes: tuple[int, ...] = (20, 1000)
    """Sizes of the corpora in MB."""
    steps: int = 100
    """Steps of the optimizer."""


def peak(article, megabytes, steps):
    """The most memory that training held, in MB."""
    sample = (ROOT / SAMPLES[article]).read_bytes().rstrip(b"\n") + b"\n"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "corpus.txt")
        with path.open("wb") as file:
            for _ in range(megabytes * 10 ** 6 // len(sample)):
                file.write(sample)
        code = RUN.format(root=str(ROOT), article=article, steps=steps, data=str(path), out=folder)
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        with contextlib.suppress(TypeError):
            return int(re.search(r"VmHWM:\s+(\d+) kB", result.stdout)[1]) / 1024
    raise SystemExit(f"{article} did not train:\n{result.stdout[-1000:]}{result.stderr[-3000:]}")


def main(config):
    print(f"| article | {' | '.join(f'corpus of {size} MB' for size in config.megabytes)} |")
    print("|---" * (1 + len(config.megabytes)) + "|")
    for article in config.articles:
        cells = [f"{peak(article, size, config.steps):.0f} MB" for size in config.megabytes]
        print(f"| {article} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
