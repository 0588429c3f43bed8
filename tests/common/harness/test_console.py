"""Standard input in the encodings in which it comes, output on terminals that lack characters, and the user's
language."""

import dataclasses
import io
import os
import re
import subprocess
import sys
from typing import Annotated

import pytest

from common.harness import cli, console, datasets, folder, language, paths, reading, writing
from common.harness.reading import InputError
from common.harness.writing import ROOT

TEXT = "江南春\n\n白日依山尽\r\n"


def sends(monkeypatch, content, encoding):
    """Standard input of a console in an encoding, into which a file or a command sends bytes."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding))


@pytest.mark.parametrize("sent, console_encoding", [
    ("utf-8", "utf-8"), ("utf-8", "gbk"), ("gbk", "gbk"), ("utf-8-sig", "gbk"), ("utf-8", "cp936")])
def test_what_comes_is_read_as_utf_8_or_else_as_the_console_has_it(sent, console_encoding, monkeypatch):
    sends(monkeypatch, TEXT.encode(sent), console_encoding)
    assert console.read_all() == TEXT
    sends(monkeypatch, TEXT.encode(sent), console_encoding)
    assert list(console.read_lines()) == ["江南春", "白日依山尽"]


@pytest.mark.parametrize("content, encoding", [
    (TEXT.encode("gbk"), "utf-8"), (b"\xff\xfe\xff", "gbk"), (TEXT.encode("utf-16"), "utf-8")])
def test_what_is_no_text_is_named_with_its_line_or_replaced(content, encoding, monkeypatch):
    sends(monkeypatch, b"first\n" + content, encoding)
    with pytest.raises(InputError, match="UTF-8.*iconv.*Received: line 2="):
        console.read_all()
    sends(monkeypatch, b"first\n" + content, encoding)
    lines = list(console.read_lines(errors="replace"))
    assert lines[0] == "first" and "\ufffd" in lines[1]


def test_a_terminal_is_asked_until_an_empty_line(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("江南\n山\n\n水\n"))
    assert console.is_typed()
    assert list(console.read_lines("上联：")) == ["江南", "山"]
    assert capsys.readouterr().out == "上联：" * 3
    # as Python reads other bytes from terminals
    monkeypatch.setattr(sys, "stdin", Terminal("白\udcff云\n"))
    with pytest.raises(InputError, match="line 1 of standard input should be text that UTF-8 can write"):
        list(console.read_lines("? "))


def test_nothing_is_connected(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert not console.is_typed() and console.read_all() == "" and list(console.read_lines()) == []


def test_characters_that_the_output_lacks_are_noted_once():
    code = """
from common.harness import console
console.prepare_output()
print("你好 😀")
print("é😀 再见")
"""
    environment = {**os.environ, "PYTHONIOENCODING": "gbk", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout.decode("gbk").split("\n")[:2] == ["你好 ?", "é? 再见"]
    [note] = done.stderr.decode("gbk").splitlines()
    assert note.startswith("note: the output is in gbk, which lacks some of these characters")


def test_a_stream_without_an_end_is_refused(monkeypatch):
    class Endless(io.RawIOBase):
        """一 for ever, with or without line ends."""

        def __init__(self, piece):
            self.piece = piece

        def readable(self):
            return True

        def readinto(self, buffer):
            content = (self.piece * (len(buffer) // len(self.piece) + 1))[:len(buffer) // 3 * 3 or 1]
            buffer[:len(content)] = content
            return len(content)

    monkeypatch.setattr(console, "LARGE", 100_000)
    monkeypatch.setattr(console, "PIECE", 10_000)
    for piece in (b"abc", b"ab\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless(piece))))
        with pytest.raises(InputError, match="at most 100,000 bytes. Received: more"):
            console.read_all()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless(b"abc"))))
    with pytest.raises(InputError, match="lines of at most 10,000 characters. Received: more in line 1"):
        next(console.read_lines())


@pytest.mark.parametrize("redirection, code", [(">&-", 0), ("| head -n 1", 0)])
def test_no_output_and_an_output_that_ends_early(redirection, code, tmp_path):
    (tmp_path / "x.py").write_text("""
import dataclasses
from common.harness import cli

@dataclasses.dataclass
class Config:
    pass

def many(config):
    for _ in range(100_000):
        print("一")

cli.main(many, Config, "")
""")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} x.py {redirection}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "Traceback" not in done.stderr and done.returncode == code


@dataclasses.dataclass
class Config:
    word: str = ""
    words: tuple[str, ...] = ()


@pytest.mark.parametrize("config, name", [
    (Config("\udcff"), "--word"), (Config("a", ("b", "c\udcff")), "--words")])
def test_options_of_bytes_that_are_no_text_are_refused(config, name):
    with pytest.raises(InputError, match=f"{name} should be text that UTF-8 can write"):
        cli.check(config)


@pytest.mark.parametrize("variables, expected", [
    ({"LANG": "zh_CN.UTF-8"}, "字"), ({"LANG": "en_US.UTF-8"}, "word"),
    ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "word"), ({"LC_MESSAGES": "zh_TW", "LANG": "C"}, "字"),
])
def test_messages_are_in_the_users_language(variables, expected, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language.in_users_language("word", "字") == expected


def test_without_variables_the_locale_of_the_system_decides(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(language.locale, "getlocale", lambda: ("Chinese (Simplified)_China", "936"))
    assert language.in_users_language("word", "字") == "字"


@dataclasses.dataclass
class Training(cli.BaseConfig):
    width: Annotated[int, cli.Between(2, 4096)] = 128
    rate: Annotated[float, cli.Between(above=0)] = 1.0


def train(config):
    raise InputError("坏了")


def finish(tmp_path):
    run = folder.open_run(folder.RunFolder, Training(out=tmp_path), "x", "y")
    run.state["epoch"] = 3
    folder.print_start(run, "keras")
    run.finish({}, {})


def read_standard_input(monkeypatch):
    sends(monkeypatch, b"a\n\xff\xff", "utf-8")
    console.read_all()


@pytest.mark.parametrize("says, expected, received", [
    (lambda p, m: cli.check(Training(width=1)), "--width 应在 2 到 4,096 之间", "收到：1"),
    (lambda p, m: cli.check(Training(rate=0.0)), "--rate 应大于 0", "收到：0.0"),
    (lambda p, m: cli.settle(Training(resume=p)), "--resume 需要这个脚本中途停下的运行目录", "收到：{}"),
    (lambda p, m: folder.open_run(folder.RunFolder, Training(out=p / "file"), "x", "y"),
     "--out 需要可以写入的目录", "收到：{}/file/x"),
    (lambda p, m: reading.read_text(p / "none"), "需要文本文件", "收到：{}/none"),
    (lambda p, m: reading.read_text(p / "file"), "{}/file 应是 UTF-8 文本", "第 2 行"),
    (lambda p, m: reading.parse_rows("f", ["a"], lambda row: (None, "太短"), "诗句"), "f 的内容应是诗句",
     "收到：第 1 行：太短"),
    (lambda p, m: paths.named_path("/dev/null"), "--data 需要文件或目录", "收到：/dev/null，是设备"),
    (lambda p, m: datasets.load_images("/none"), "--data 需要 mnist, fashion_mnist, digits", "收到：/none"),
    (lambda p, m: datasets.find_text("/none", [], "", ""), "--data 需要 sample 或存在的路径", "收到：/none"),
    (lambda p, m: writing.write_json(p / "file" / "x", 1), "{}/file/x 无法写入", "原有文件没有改动"),
    (lambda p, m: read_standard_input(m), "标准输入需要 UTF-8 文本", "收到：第 2 行=b'\\xff"),
    (lambda p, m: cli.main(train, Training, ""), "错误：", "坏了"),
    (lambda p, m: finish(p), "运行目录：{}/x/y-", "从第 3 轮之后继续"),
    (lambda p, m: finish(p), "图片、模型和 results.json 在 {}/x/y-", ""),
    (lambda p, m: datasets.load_images("digits"), "数据：digits，训练图 1,500 张", "来自 scikit-learn"),
])
def test_everyday_messages_are_chinese_under_such_a_locale(says, expected, received, monkeypatch,
                                                            tmp_path, capsys):
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.setattr(sys, "argv", ["x.py"])
    (tmp_path / "file").write_bytes("一\n".encode() + b"\xff")
    message = ""
    try:
        says(tmp_path, monkeypatch)
    except InputError as error:
        message = str(error)
    except SystemExit as ended:
        assert ended.code == 2
    message += "".join(capsys.readouterr())
    assert expected.format(tmp_path) in message and received.format(tmp_path) in message
    assert not re.search("expect|should|Received|error:", message)
