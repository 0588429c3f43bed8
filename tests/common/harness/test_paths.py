"""Paths that no file can have, and files that are none, end in one line whatever names them."""

import dataclasses
import os
import pathlib
import socket

import pytest

from common.harness import cli
from common.harness.paths import is_there, named_path
from common.harness.reading import InputError

WRONG = {
    "x" * 300: "too long",
    "/".join(["x" * 200] * 30): "too long",
    "~nosuchuser/x": "home|no such user",
    "nul\0l": "null",
    "/dev/zero": "a device or socket",
    "/proc": "a file of the system",
    "/proc/self/maps": "a file of the system",
    "/sys": "a file of the system",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_no_path_can_be_is_named(text):
    with pytest.raises(InputError, match=rf"(?is)--data expects .*Received: .*({WRONG[text]})"):
        named_path(text)
    if "dev" not in text and "proc" not in text and "sys" not in text:
        assert not is_there(text)


def test_files_folders_pipes_links_and_nothing_yet_are_paths(tmp_path):
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "pipe", "link", "", "nothing", "file/below"):
        assert named_path(tmp_path / name) == tmp_path / name
    assert named_path("~") == pathlib.Path.home()
    reader, writer = os.pipe()                               # what a shell gives for <(command)
    assert named_path(f"/dev/fd/{reader}") == pathlib.Path(f"/dev/fd/{reader}")
    os.close(reader)
    os.close(writer)


def test_links_in_circles_and_sockets(tmp_path, monkeypatch):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="symbolic links"):
        named_path(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("socket")
        with pytest.raises(InputError, match="a device or socket"):
            named_path("socket")


@dataclasses.dataclass
class Config:
    out: pathlib.Path = pathlib.Path()
    passages: tuple[pathlib.Path, ...] = ()


def test_options_that_are_paths_are_looked_at():
    cli.check(Config(pathlib.Path("runs"), (pathlib.Path("a"),)))
    device = Config(passages=(pathlib.Path("a"), pathlib.Path("/dev/zero")))
    for config in (Config(pathlib.Path("x" * 300)), device):
        with pytest.raises(InputError, match="--(out|passages) expects"):
            cli.check(config)
