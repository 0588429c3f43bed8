"""Files from their own homes: fetched once into the cache, whole, with the sha256 that they must have.

No Keras in here.
"""

import http.client
import os
import pathlib
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from common.harness import progress
from common.harness.language import in_users_language
from common.harness.reading import InputError, sha256_of

TIMEOUT = 20            # seconds of silence
WINDOW = 60             # seconds in which a download must bring SLOWEST bytes a second, headers included
SLOWEST = 1000
LARGEST = 1 << 30       # bytes of a download


@dataclass
class Download:
    """A file at its home, the sha256 that it must have, and its place below the cache folder."""

    url: str
    sha256: str
    path: str


def cache_folder():
    """~/.keras/datasets, or the folder below KERAS_HOME: where Keras itself puts data sets."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def fetch(download):
    """Returns the path of a download in the cache, fetching it where it is not there yet.

    The file appears whole or not at all. A cached file or a download with another sha256 is an InputError,
    and a cached one is left as it is. A network that fails, stalls, crawls or stops half way raises OSError.
    """
    path = cache_folder() / download.path
    if path.exists():
        found = sha256_of(path)
        if found != download.sha256:
            raise InputError(in_users_language(
                f"{path} is damaged or another version: expected sha256 {download.sha256}, received {found}. "
                "Move it away to download it again, or name your file with --data. Nothing was changed.",
                f"{path} 已损坏，或是另一版本：sha256 应为 {download.sha256}，收到 {found}。"
                "请把它移走以便重新下载，或用 --data 指定你的文件。原文件没有改动。"))
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    transfer = Transfer(download.url, part)
    try:
        transfer.start()
        _watch(transfer, download, path)
        found = sha256_of(part)
        if found != download.sha256:
            raise InputError(in_users_language(
                f"{download.url} sent another file than expected: its sha256 is {found} instead of "
                f"{download.sha256}. Get the file elsewhere and put it at {path}, or use --data.",
                f"{download.url} 传来的不是所要的文件：sha256 是 {found}，应为 {download.sha256}。"
                f"请另行下载，存为 {path}，或用 --data。"))
        os.replace(part, path)
    # ValueError: to what is no URL
    except (http.client.HTTPException, urllib.error.HTTPError, ValueError) as error:
        raise OSError(f"broken answer: {error!r}") from error
    finally:
        transfer.given_up = True
        part.unlink(missing_ok=True)
    return path


class Transfer(threading.Thread):
    """Writes what a URL sends to a file, in the background: a server that sends headers, "100 Continue" or
    trailers for ever holds up this thread, and not the script."""

    def __init__(self, url, path):
        super().__init__(daemon=True)
        self.url, self.path = url, path
        self.received, self.total = 0, 0                # bytes
        self.error, self.given_up = None, False

    def _opened(self):
        """The file, unless the transfer was given up while the server kept it waiting."""
        if self.given_up:
            raise TimeoutError("given up")
        return open(self.path, "wb")

    def run(self):
        try:
            with urllib.request.urlopen(self.url, timeout=TIMEOUT) as response, self._opened() as file:
                length = response.headers.get("Content-Length", "")[:20]
                self.total = int(length) if length.isdecimal() else 0
                while block := response.read1(1 << 20):    # what has come; read() would wait for all of it
                    if self.given_up:
                        return
                    file.write(block)
                    self.received += len(block)
            if self.received < self.total:
                raise OSError(f"the connection ended after {self.received:,} of {self.total:,} bytes")
        except Exception as error:              # raised again by _watch
            self.error = error


def _watch(transfer, download, path):
    """Returns when the transfer is whole, with its progress; raises where it fails, is too slow or too
    much."""
    before, end = 0, time.monotonic() + WINDOW
    with progress.bar(unit=("B", "B"), unit_scale=True, desc=path.name) as bar:
        while transfer.is_alive():
            transfer.join(0.1)
            bar.total = transfer.total or None
            bar.update(transfer.received - bar.n)
            if transfer.received > LARGEST:
                break
            if time.monotonic() > end:
                if transfer.received - before < SLOWEST * WINDOW:
                    raise TimeoutError(f"{transfer.received - before:,} bytes in {WINDOW} seconds")
                before, end = transfer.received, time.monotonic() + WINDOW
    if transfer.received > LARGEST:
        raise InputError(in_users_language(
            f"{download.url} sent more than {LARGEST:,} bytes. Get the file elsewhere and put it at {path}, "
            "or use --data.",
            f"{download.url} 传来的超过 {LARGEST:,} 字节。请另行下载，存为 {path}，或用 --data。"))
    if transfer.error:
        raise transfer.error
