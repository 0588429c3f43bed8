"""Trained models that many visitors use: each is loaded once, and answers one visitor at a time."""

import functools
import threading

from common.harness.writing import ROOT

LONGEST = 20_000        # characters that a visitor may send at once


class Shared:
    """A model that is loaded when it is first needed. In a `with` it belongs to one thread alone.

    Args:
        load: a function without arguments that gives the model.
    """

    def __init__(self, load):
        self.load, self.lock, self.model = load, threading.Lock(), None

    def __enter__(self):
        self.lock.acquire()
        try:
            if self.model is None:
                self.model = self.load()
            return self.model
        except BaseException:
            self.lock.release()
            raise

    def __exit__(self, *error):
        self.lock.release()


def segmenter(name):
    from crf.segmenter import WEIGHTS, Segmenter

    return Segmenter.load(WEIGHTS / name)


def segmenters():
    """The names of the shipped segmenters: one for each standard of what is a word, and the fast one."""
    return sorted(path.parent.name for path in (ROOT / "crf/weights").glob("*/model.keras"))


def robot():
    from couplet.robot import SCORER, WEIGHTS, Robot, companion
    from couplet.scorer import Scorer

    robot = Robot.load(WEIGHTS, scorer=Scorer.load(SCORER), other=companion(WEIGHTS))
    robot.prior = robot.log_prior()        # for every visitor's rules
    return robot


def poet():
    from poetry_vae.poet import Poet

    return Poet.load(ROOT / "poetry_vae/weights/poetry.keras")


def reader():
    from dgcnn.reader import Reader

    return Reader.load(ROOT / "dgcnn/weights/dgcnn.keras")


def autoencoder():
    from vae.autoencoder import Autoencoder

    return Autoencoder.load(ROOT / "vae/weights/vae.keras")


def sampler():
    from flow_nice.sampler import Sampler

    return Sampler.load(ROOT / "flow_nice/weights/nice-small.keras")


def painter():
    from gan.painter import Painter

    return Painter.load(ROOT / "gan/weights/gan_qp.keras")


def classifier():
    from capsule.classifier import Classifier

    return Classifier.load(ROOT / "capsule/weights/dynamic.keras")


MODELS = {function.__name__: Shared(function) for function in
          (robot, poet, reader, autoencoder, sampler, painter, classifier)}
MODELS |= {name: Shared(functools.partial(segmenter, name)) for name in segmenters()}


def load_all():
    """Loads every model, so that no visitor waits for one."""
    for model in MODELS.values():
        with model:
            pass
