"""What a training script gives to model.fit, without the training."""

import keras
import pytest

from common.harness import cli


class Stopped(Exception):
    """Raised in place of a training."""


def configured(monkeypatch, script, out, **settings):
    """(model, batches, options of fit) of a script on its built-in data, stopped before the first step."""
    def fit(self, batches, **options):
        raise Stopped(self, batches, options)

    monkeypatch.setattr(keras.Model, "fit", fit)
    with pytest.raises(Stopped) as stopped:
        script.train(cli.settle(script.Config(data=script.Config.builtin, out=out, **settings)))
    return stopped.value.args
