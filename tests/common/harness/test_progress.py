"""Progress of long work: a bar on a terminal, whole lines in a log, and nothing of what ends at once."""

import io
import sys
import time

import keras
import numpy as np
import pytest

from common.harness import progress
from common.harness.models import PredictionBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """Standard error, as a file; what SOON and MINUTE are is over at once."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.setenv(name, "C")
    monkeypatch.setattr(progress, "SOON", 0.02)
    monkeypatch.setattr(progress, "MINUTE", 0.02)

    def start(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return start


def work(count):
    for _ in range(count):
        time.sleep(0.01)
        yield


def test_a_log_has_whole_lines(shown):
    log = shown(io.StringIO())
    assert len(list(progress.bar(work(10), total=10, unit=(" lines", " 行")))) == 10
    lines = log.getvalue().split("\n")
    assert 2 <= len(lines) <= 8 and lines.pop() == ""
    assert all("/10 [" in line and " lines/s]" in line and "\r" not in line for line in lines)


def test_a_terminal_has_a_bar_that_goes_when_the_work_is_done(shown):
    terminal = shown(Terminal())
    with progress.bar(total=10, unit=(" lines", " 行")) as bar:
        for _ in work(10):
            bar.update()
    text = terminal.getvalue()
    assert "\n" not in text and text.count("\r") > 2 and text.split("\r")[-2].strip() == ""


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_of_short_work_nothing_is_shown(shown, monkeypatch, stream):
    monkeypatch.setattr(progress, "SOON", 60)
    monkeypatch.setattr(progress, "MINUTE", 60)
    stream = shown(stream())
    assert list(progress.bar(range(100))) == list(range(100))
    assert stream.getvalue() == ""


def test_the_unit_is_in_the_users_language(shown, monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.delenv("LC_ALL")
    monkeypatch.delenv("LC_MESSAGES")
    log = shown(io.StringIO())
    list(progress.bar(work(10), unit=(" lines", " 行")))
    assert " 行/s]" in log.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_bar_can_be_left_out(shown, stream):
    stream = shown(stream())
    assert len(list(progress.bar(work(10), disable=True))) == 10
    assert stream.getvalue() == ""


def test_without_standard_error_the_work_is_done(shown):
    shown(None)
    assert len(list(progress.bar(work(10)))) == 10


def test_predict_shows_its_batches(shown):
    class Slow(keras.callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            time.sleep(0.01)

    x = keras.Input((2,))
    model = keras.Model(x, keras.layers.Dense(1)(x))
    log = shown(io.StringIO())
    model.predict(np.zeros((40, 2)), batch_size=4, verbose=0, callbacks=[Slow(), PredictionBar()])
    assert "/10 [" in log.getvalue() and " batches/s]" in log.getvalue()
