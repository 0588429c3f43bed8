"""Files from their own homes: fetched once into the cache, whole, with the sha256 that they must have.

No Keras in here.
"""

import http.client
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from common.harness.reading import InputError, sha256_of

# seconds of silence, bytes a second after those, bytes of a download
TIMEOUT, SLOWEST, LARGEST = 20, 1000, 1 << 30


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
            raise InputError(f"{path} is damaged or another version: expected sha256 {download.sha256}, "
                             f"received {found}. Move it away to download it again, or name your file with "
                             "--data. Nothing was changed.")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with urllib.request.urlopen(download.url, timeout=TIMEOUT) as response, open(part, "wb") as file:
            _receive(response, file, download, path)
        found = sha256_of(part)
        if found != download.sha256:
            raise InputError(f"{download.url} sent something else than expected: sha256 {found} instead of "
                             f"{download.sha256}. Get the file elsewhere and put it at {path}, or use "
                             "--data.")
        os.replace(part, path)
    # ValueError: to what is no URL
    except (http.client.HTTPException, urllib.error.HTTPError, ValueError) as error:
        raise OSError(f"broken answer: {error!r}") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _receive(response, file, download, path):
    """Writes what comes to the file, with a bar of progress on a terminal, as long as it is neither too slow
    nor too much."""
    from tqdm import tqdm

    length = response.headers.get("Content-Length", "")
    total, received, start = int(length) if length.isdecimal() else 0, 0, time.monotonic()
    with tqdm(total=total, unit="B", unit_scale=True, desc=path.name, disable=not sys.stderr.isatty()) as bar:
        while block := response.read1(1 << 20):   # what has come, where read() would wait for the whole of it
            file.write(block)
            bar.update(len(block))
            received, seconds = received + len(block), time.monotonic() - start
            if seconds > TIMEOUT and received < SLOWEST * seconds:
                raise TimeoutError(f"{received:,} bytes in {seconds:.0f} seconds")
            if received > LARGEST:
                raise InputError(f"{download.url} sent more than {LARGEST:,} bytes. Get the file elsewhere "
                                 f"and put it at {path}, or use --data.")
    if received < total:
        raise OSError(f"the connection ended after {received:,} of {total:,} bytes")
