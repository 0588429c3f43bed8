"""Opens a page in the browser on which every article can be tried, with the shipped models and no network.

    python demo/page.py                          on this machine alone, at http://127.0.0.1:7860
    python demo/page.py --port 8000 --quiet      prints the address, opens nothing
    python demo/page.py --host 0.0.0.0           for all who reach this machine, see the note that it prints
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import os
import socket
import tempfile
import threading
import webbrowser
from dataclasses import dataclass
from typing import Annotated

from common.harness import cli
from common.harness.reading import InputError

HERE = ("127.0.0.1", "localhost", "::1")
OPEN = ("note: everybody who reaches port {} of this machine can use this page: there is no password, and "
        "no encryption. What they upload is read by the programs of this repository, with their limits, and "
        "removed within the hour. Put it behind a proxy with TLS and a password before you tell others.")


@dataclass
class Config:
    host: str = "127.0.0.1"
    """The address to listen at. 0.0.0.0: all networks of this machine; a note then says what that means."""
    port: Annotated[int, cli.Between(0, 65535)] = 7860
    """The port; 0: any that is free."""
    quiet: bool = False
    """Do not open a browser."""


def serve(config):
    listening = listen(config.host, config.port)
    host, port = listening.getsockname()[:2]
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    with tempfile.TemporaryDirectory(prefix="kexue-demo-") as folder:
        prepare(folder)
        try:
            import uvicorn

            from demo.app import application
        except ImportError as error:
            raise InputError(f"the page needs the package {error.name}: make demo, or "
                             "pip install -r requirements-demo.txt") from error
        if host not in HERE:
            print(OPEN.format(port), file=sys.stderr)
        app = application()
        print(f"page: {address}   (Ctrl-C ends it)", flush=True)
        if not config.quiet and can_open():
            threading.Timer(1, webbrowser.open, [address]).start()
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


def listen(host, port):
    """A socket that listens there, or an InputError: another program may have the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)                    # whoever asks before the page is ready waits for it
    except OSError as error:
        raise InputError(f"--host and --port expect an address that is free ({error.strerror or error}). "
                         f"Received: {host}:{port}; --port 0 takes any free port") from error
    return listening


def prepare(folder):
    """What the page's library writes goes into this folder, and it asks nobody in the network."""
    os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False", GRADIO_RUN_HISTORY="False",
                      HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", HF_HOME=folder, MPLCONFIGDIR=folder)


def can_open():
    """Whether there is a desktop with a browser; else one in the terminal would start."""
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in
                                                      ("DISPLAY", "WAYLAND_DISPLAY"))


if __name__ == "__main__":
    cli.main(serve, Config, __doc__)
