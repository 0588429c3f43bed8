"""Imports of TensorFlow that print nothing which nobody can act on.

    quiet.install()          # before the first import of keras or tensorflow; see __init__.py

TensorFlow's C++ parts say on standard error which instructions they use and that there is no GPU. Most of it
comes before they read TF_CPP_MIN_LOG_LEVEL. So the descriptor 2 is a temporary file while TensorFlow is
imported; what matters of it is printed afterwards, and all of it where the import fails. Who sets
TF_CPP_MIN_LOG_LEVEL to 0 or 1 wants to read it: then nothing is held back.

No Keras in here.
"""

import contextlib
import faulthandler
import importlib.util
import os
import pathlib
import re
import sys
import tempfile

from common.harness.language import in_users_language

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
GPU = pathlib.Path("/dev/nvidia0")
UNUSED = ("note: TensorFlow does not use the NVIDIA GPU of this machine, but the CPU. "
          "pip install 'tensorflow[and-cuda]' installs what TensorFlow needs for the GPU")
CHINESE_UNUSED = ("注意：TensorFlow 没有用上本机的 NVIDIA 显卡，在用 CPU 计算。"
                  "所需的库可用 pip install 'tensorflow[and-cuda]' 安装")
# Lines of level I, and those of a machine without a GPU or with several plugins for one.
IDLE = re.compile(r"WARNING: All log messages before absl::InitializeLog|To enable the following instructions"
                  r"|I\d{4} \d\d:|[-\d]+ [\d:.]+: I |.*(failed call to cuInit"
                  r"|Attempting to register factory for plugin|computation placer already registered)")


class Finder:
    """The first of Python's finders until TensorFlow is imported, which is then found as ever, and its import
    is quiet."""

    searching = False

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow" or self.searching:
            return None
        self.searching = True                      # the other finders are asked, not this one again
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.searching = False
        if spec is not None and hasattr(spec.loader, "exec_module"):
            execute = spec.loader.exec_module

            def exec_module(module):
                sys.meta_path.remove(self)
                with quiet():
                    execute(module)
                tell_unused(module)

            spec.loader.exec_module = exec_module
        return spec


def install():
    """From here on the import of TensorFlow, by whatever module, is quiet."""
    if os.environ.setdefault(LEVEL, "3") in "01" or "tensorflow" in sys.modules:
        return
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


@contextlib.contextmanager
def quiet():
    """Within this, what is written to standard error is kept; afterwards what matters of it is printed, or
    all of it after an exception."""
    try:
        real = os.dup(2)
    except OSError:                                # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as kept:
        traces = faulthandler.is_enabled()
        faulthandler.enable(real)                  # an import that crashes says where
        os.dup2(kept.fileno(), 2)
        matters = is_news
        try:
            yield
        except BaseException:
            matters = bool
            raise
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(real, 2)
            restore_traces(traces)
            os.close(real)
            kept.seek(0)
            os.write(2, b"".join(line for line in kept if matters(line)))


def restore_traces(were_enabled):
    """faulthandler as it was; it may not write to a descriptor that is closed."""
    if were_enabled:
        faulthandler.enable()
    else:
        faulthandler.disable()


def is_news(line):
    """Whether a line of TensorFlow's tells a user something."""
    text = line.decode("utf-8", "replace")
    return bool(text.strip()) and not IDLE.match(text)


def tell_unused(tensorflow):
    """A note where there is a GPU that TensorFlow cannot use: its own words are held back."""
    if GPU.exists() and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1"):
        if not tensorflow.config.list_physical_devices("GPU"):
            print(in_users_language(UNUSED, CHINESE_UNUSED), file=sys.stderr)
