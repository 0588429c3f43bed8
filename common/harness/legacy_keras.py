"""Keras 2 in Keras' place, for the scripts on bert4keras.

bert4keras knows Keras 2 alone, which lives on as the package tf_keras. With two variables, set before
TensorFlow is imported, `tf.keras` is tf_keras; importing bert4keras then makes `import keras` mean it too, in
this whole process. So such a script uses the files of common/harness that need no framework, and nothing that
is on Keras 3.

    legacy_keras.install("nl2sql")          # before TensorFlow, Keras or bert4keras are imported

No Keras in here.
"""

import importlib.util
import logging
import os
import sys

from common.harness import autotune, launch
from common.harness.language import in_users_language

PACKAGES = {
    "tensorflow": "pip install -r requirements.txt",
    "tf_keras": "pip install -r requirements.txt",
    "distutils": "pip install setuptools",             # Python 3.12 took it out, setuptools brings it back
    "bert4keras": "pip install --no-deps bert4keras==0.11.5",
}
SWITCHES = ("TF_KERAS", "TF_USE_LEGACY_KERAS")


def install(name):
    """From here on Keras is tf_keras in this process. Where it cannot be, the process ends with one line.

    Args:
        name: who asks, for the messages.

    Raises:
        ImportError: Keras 3 is imported already.
    """
    if getattr(sys.modules.get("keras"), "__version__", "2").startswith("3"):
        raise ImportError(f"{name} runs on bert4keras and tf_keras, in a process of its own: Keras 3 is "
                          "already imported here.")
    if message := refused(name):
        print(message, file=sys.stderr)
        raise SystemExit(2)
    os.environ |= dict.fromkeys(SWITCHES, "1")
    # tf_keras names what TensorFlow calls deprecated, line by line
    logging.getLogger("tensorflow").setLevel("ERROR")


def speed_up():
    """What makes bert4keras faster, to be called after it is imported: see autotune.py and rotary.py."""
    import bert4keras.layers
    from tf_keras.src.engine.data_adapter import GeneratorDataAdapter

    from common.harness import rotary

    GeneratorDataAdapter.get_dataset = autotune.never(GeneratorDataAdapter.get_dataset)
    bert4keras.layers.apply_rotary_position_embeddings = rotary.rotate


def refused(name):
    """Why this process cannot run on bert4keras, as one line, or None."""
    if launch.COORDINATOR in os.environ:
        return in_users_language(
            f"error: bert4keras runs in one process: start {name} without common.harness.launch",
            f"错误：bert4keras 只能单进程运行：启动 {name} 时不要用 common.harness.launch")
    if importlib.util.find_spec("setuptools"):
        importlib.import_module("setuptools")
    for package, command in PACKAGES.items():
        if importlib.util.find_spec(package) is None:
            return in_users_language(f"error: {name} needs the package {package}: {command}",
                                     f"错误：{name} 需要 {package} 包：{command}")
    return None
