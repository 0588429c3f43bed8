"""A server that sends something for ever, but no file, holds no script up."""

import contextlib
import hashlib
import socketserver
import threading
import time

import pytest

from common.harness import download
from common.harness.download import Download, fetch

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
# what comes first, and what comes again and again
ENDLESS = {
    "headers, byte by byte": (OK, b"X"),
    "header after header": (OK, b"X: x\r\n"),
    "continue after continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailer after trailer": (CHUNKED, b"X: x\r\n"),
    "the body, byte by byte": (OK + b"Content-Length: 1000\r\n\r\n", b"x"),
    "chunk after chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.fixture
def server():
    """Answers GET /name with what ENDLESS has of that number, ten pieces a second."""
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            number = int(self.rfile.readline().split()[1][1:])
            first, again = list(ENDLESS.values())[number]
            with contextlib.suppress(OSError):
                self.wfile.write(first)
                while not ended.wait(0.1):
                    self.wfile.write(again)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    ended = threading.Event()
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        ended.set()
        server.shutdown()


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_given_up(name, server, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(download, "WINDOW", 0.4)
    start = time.monotonic()
    number = list(ENDLESS).index(name)
    with pytest.raises(TimeoutError, match="bytes in 0.4 seconds"):
        fetch(Download(f"{server}/{number}", hashlib.sha256(b"hello").hexdigest(), "file"))
    assert time.monotonic() - start < 10                # without an end it would be for ever
    assert not list((tmp_path / "datasets").iterdir())
