"""Trained models as .keras files: saved whole and without the optimizer, loaded in Keras' safe mode."""

import pathlib
import re
import zipfile

import keras

from common.harness.reading import InputError
from common.harness.writing import replacing


def save_model(model, path):
    """Saves a functional model as one whole .keras file, without the optimizer's state: it is three times the
    model.

    A model of mixed precision has float32 weights, and is saved as the float32 model that has them."""
    # a list of one would come back as a list
    outputs = model.outputs[0] if len(model.outputs) == 1 else model.outputs
    model = keras.Model(model.inputs, outputs, name=model.name)
    architecture = model.to_json()
    if "mixed_" in architecture:
        weights = model.get_weights()
        model = keras.models.model_from_json(re.sub("mixed_b?float16", "float32", architecture))
        model.set_weights(weights)
    with replacing(path) as part:
        model.save(part)


def load_model(path):
    """A trained model from a .keras file, or from the run folder that holds it.

    Raises:
        InputError: no such file, or not a model of this repository.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "model.keras"
    if not path.is_file():
        raise InputError(f"expected a run folder with model.keras or a .keras file. Received: {path}")
    try:
        # the older .h5 files know no safe mode; a sum for each part shows damage
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"its part {damaged} does not have the checksum that it was saved with")
        return keras.models.load_model(path, compile=False, safe_mode=True)
    # Keras raises many kinds, from zipfile's to TypeError, for a file that is not its own
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is not a model of this script or is damaged: {reason[:200]}") from error
