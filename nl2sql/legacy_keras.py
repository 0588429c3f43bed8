"""Keras 2 in Keras' place: every script here imports this before anything else that imports Keras.

bert4keras knows Keras 2 alone, which lives on as the package tf_keras. With the two variables below, set
before TensorFlow is imported, `tf.keras` is tf_keras; importing bert4keras then makes `import keras` mean it
too, in this whole process. The framework-free files of common/harness serve nl2sql as they are; the layers in
common/ need Keras 3 and do not. And no process can run nl2sql beside another article.
"""

import importlib.util
import logging
import os
import sys

from common.harness import launch

PACKAGES = {
    "tensorflow": "pip install -r requirements.txt",
    "tf_keras": "pip install -r requirements.txt",
    "distutils": "pip install setuptools",             # Python 3.12 took it out, setuptools brings it back
    "bert4keras": "pip install --no-deps bert4keras==0.11.5",
}


def missing():
    """What must be installed first, as one line, or None."""
    if importlib.util.find_spec("setuptools"):
        importlib.import_module("setuptools")
    for name, command in PACKAGES.items():
        if importlib.util.find_spec(name) is None:
            return f"error: nl2sql needs the package {name}: {command}"
    return None


def refused():
    """Why this process cannot run nl2sql, as one line, or None."""
    if launch.COORDINATOR in os.environ:
        return "error: bert4keras runs in one process: start nl2sql without common.harness.launch"
    return missing()


if getattr(sys.modules.get("keras"), "__version__", "2").startswith("3"):
    raise ImportError("nl2sql runs on bert4keras and tf_keras, in a process of its own: Keras 3 is already "
                      "imported here.")
if message := refused():
    print(message, file=sys.stderr)
    raise SystemExit(2)
os.environ["TF_KERAS"] = os.environ["TF_USE_LEGACY_KERAS"] = "1"
# tf_keras names what TensorFlow calls deprecated, line by line
logging.getLogger("tensorflow").setLevel("ERROR")

import bert4keras.backend  # puts tf_keras into sys.modules as "keras"
import bert4keras.layers
import bert4keras.models

layers, models = bert4keras.layers, bert4keras.models
