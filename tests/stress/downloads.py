"""Downloads from a server on loopback that does everything wrong, and a proxy: the right file, or none and
one line."""

import contextlib
import hashlib
import http.server
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.request

from common.harness import download
from common.harness.download import Download, fetch
from common.harness.reading import InputError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HEADER = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT)
REDIRECTION = b"HTTP/1.0 302 Found\r\nLocation: %s\r\n\r\n"

# What the server sends to each path; a number is a pause in seconds, and ... begins again for ever.
ANSWERS = {
    "whole": [HEADER, CONTENT],
    "without length": [b"HTTP/1.0 200 OK\r\n\r\n", CONTENT],
    "in pieces": [
        HEADER,
        *(part for i in range(0, len(CONTENT), 1024) for part in (CONTENT[i : i + 1024], 0.01)),
    ],
    "redirected": [REDIRECTION % b"/whole"],
    "half": [HEADER, CONTENT[: len(CONTENT) // 2]],
    "half without length": [b"HTTP/1.0 200 OK\r\n\r\n", CONTENT[:99]],
    "too much": [b"HTTP/1.0 200 OK\r\n\r\n", CONTENT, b"x"],
    "another": [HEADER, CONTENT[::-1]],
    "empty": [],
    "no body": [b"HTTP/1.0 200 OK\r\n\r\n"],
    "page": [b"HTTP/1.0 200 OK\r\n\r\n<html>Please log in</html>"],
    "not found": [b"HTTP/1.0 404 Not Found\r\n\r\n"],
    "broken": [b"HTTP/1.0 500 Oh\r\n\r\n"],
    "nonsense": [b"\xff\0\r\n\r\n"],
    "no number": [b"HTTP/1.0 200 OK\r\nContent-Length: ten\r\n\r\n", CONTENT[:9]],
    "negative": [b"HTTP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n", CONTENT[:9]],
    "long header": [b"HTTP/1.0 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", CONTENT],
    "bad chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CONTENT],
    "round in circles": [REDIRECTION % b"/round%20in%20circles"],
    "to a file": [REDIRECTION % b"file:///etc/hostname"],
    "to nonsense": [REDIRECTION % b"http://[::1"],
    "to ftp": [REDIRECTION % b"ftp://127.0.0.1:9/x"],
    "silent": [1.5],
    "silent half way": [HEADER, CONTENT[:500], 1.5],
    "silent in the header": [HEADER[:20], 1.5],
    "header one byte at a time": [HEADER[:20], b"x", 0.2, ...],
    "continue for ever": [b"HTTP/1.1 100 Continue\r\n\r\n", 0.01, ...],
    "headers for ever": [HEADER[:17], b"X: x\r\n", 0.2, ...],
    "trailers for ever": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"X: x\r\n", 0.01, ...],
    "one byte at a time": [HEADER, b"x", 0.2, ...],
    "endless": [b"HTTP/1.0 200 OK\r\n\r\n", CONTENT, ...],
}
GOOD = {"whole", "without length", "in pieces", "redirected"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        # a proxy is asked for the whole URL
        steps = ANSWERS[urllib.request.unquote(self.path.rpartition("/")[2])]
        with contextlib.suppress(OSError):
            while True:
                for step in steps:
                    if isinstance(step, bytes):
                        self.wfile.write(step)
                    elif step is not ...:
                        time.sleep(step)
                if ... not in steps:
                    return
                steps = steps[-3:]

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def server():
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    threading.Thread(target=found.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{found.server_port}"
    finally:
        found.shutdown()
        found.server_close()


WRITTEN, WATCHING = [], threading.Event()      # None when the interpreter ends, which opens files still


def _note(event, arguments):
    if WATCHING and WATCHING.is_set() and event in ("open", "os.mkdir", "os.rename", "os.remove"):
        if (
            event != "open"
            or isinstance(arguments[2], int)
            and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        ):
            WRITTEN.append(str(arguments[event == "os.rename"]))


def downloads(place):
    """Every answer once, directly and through a proxy, and one file by two processes at once; figures as in
    processes.py."""
    if not WRITTEN:
        sys.addaudithook(_note)
    faults, accepted, refused = [], 0, 0
    before = download.TIMEOUT, download.WINDOW, download.LARGEST, dict(os.environ)
    download.TIMEOUT, download.WINDOW, download.LARGEST = 0.5, 0.5, 1 << 20
    WATCHING.set()
    try:
        with server() as address:
            cases = [(name, f"{address}/{name.replace(' ', '%20')}", {}) for name in ANSWERS]
            cases += [
                (name, f"http://data.example/{name}", {"http_proxy": address})
                for name in ("whole", "half", "broken")
            ]
            cases += [("proxy that is not there", "http://data.example/whole", {"http_proxy": "http://127.0.0.1:9"})]
            for i, (name, url, environment) in enumerate(cases):
                os.environ.update({"KERAS_HOME": str(place / "keras"), **environment})
                urllib.request.install_opener(None)               # it would remember the proxy
                wanted, start = Download(url, SHA256, f"{i}/file"), time.monotonic()
                try:
                    good = fetch(wanted).read_bytes() == CONTENT
                    if not good or name not in GOOD:
                        faults.append(f"{name}: a wrong file was taken")
                    accepted += 1
                except (InputError, OSError) as error:
                    refused += 1
                    if name in GOOD or "\n" in str(error) or not str(error):
                        faults.append(f"{name}: {error!r}")
                except Exception as error:
                    faults.append(f"{name}: {error!r}")
                if time.monotonic() - start > 20:
                    faults.append(f"{name}: {time.monotonic() - start:.0f} seconds")
                os.environ.pop("http_proxy", None)
            faults += together(address, place)
    finally:
        WATCHING.clear()
        download.TIMEOUT, download.WINDOW, download.LARGEST = before[:3]
        os.environ.clear()
        os.environ.update(before[3])
        urllib.request.install_opener(None)
    cache = str(place / "keras/datasets")
    outside = [p for p in WRITTEN if not p.startswith(cache) and p not in (str(place / "keras"), os.devnull)]
    left = [str(p) for p in (place / "keras").rglob("*") if p.is_file() and p.name != "file"]
    return {
        "downloads": len(cases) + 2,
        "accepted": accepted + 2,
        "refused": refused,
        "faults": faults
        + [f"written outside the cache: {p}" for p in outside]
        + [f"left behind: {p}" for p in left],
    }


def together(address, place):
    """Two processes that fetch one file at the same moment."""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from common.harness.download import Download, "
            "fetch; fetch(Download(*sys.argv[2:]))")
    root = pathlib.Path(__file__).resolve().parents[2]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, root, f"{address}/in%20pieces", SHA256, "together/file"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in both]
    whole = (place / "keras/datasets/together/file").read_bytes() == CONTENT
    return [f"two at once: {text[-500:]}" for text, code in ends if code] + (
        [] if whole else ["two at once: a wrong file"]
    )
