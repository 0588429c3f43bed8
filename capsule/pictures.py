"""Pictures of digits, of whatever size and colour, as images of MNIST. No Keras in here."""

import numpy as np
from PIL import Image, ImageOps

from common.harness.images import open_picture
from common.harness.reading import InputError

SIDE, DIGIT, MARGIN = 28, 20, 4         # pixels of an image of MNIST, of the digit in it and around it
LEAST, LONGEST = 8, 28 * 20
CONTRAST, INK = 30, 64                  # greys: of a picture that shows something, of a pixel with ink


def read(path):
    """A picture file as MNIST has them, see as_mnist."""
    return as_mnist(open_picture(path), path)


def as_mnist(image, path):
    """A picture as MNIST has them: bright on black, digits of 20 pixels, 4 black ones around each; uint8
    (height, width).

    Args:
        image: a PIL image, as open_picture gives it.
        path: what errors call it.

    The digits' size is that of the largest gapless stretch of rows or columns with ink. Wide gaps become
    narrow: what the models see in empty places is a little of every digit.
    """
    image = bright_on_black(image.convert("L"), path)
    ink = np.asarray(image) > INK
    size = max(longest(ink.any(axis=0)), longest(ink.any(axis=1)))
    if size < LEAST:
        raise InputError(f"{path} should show digits of at least {LEAST} pixels. Received: {size}")
    if not 0.8 < DIGIT / size < 1.25:                                 # else as they are: resizing blurs
        width, height = (max(1, round(length * DIGIT / size)) for length in image.size)
        resized = image.resize((width, height), Image.Resampling.LANCZOS)
        image = ImageOps.autocontrast(resized)                        # thin strokes fade
    pixels = without_gaps(np.pad(np.asarray(image), MARGIN))
    if max(pixels.shape) > LONGEST:
        raise InputError(f"{path} should show at most {LONGEST // SIDE} digits in a row. "
                         f"Received: {max(pixels.shape)} pixels after digits were scaled to {DIGIT}")
    around = [max(0, SIDE - length) for length in pixels.shape]
    return np.pad(pixels, [(missing // 2, missing - missing // 2) for missing in around])


def bright_on_black(image, path):
    """A grey image with its contrast stretched, inverted where the ground, seen at the edge, is bright."""
    low, high = image.getextrema()
    if high - low < CONTRAST:
        raise InputError(f"{path} should show digits, bright on dark or dark on bright. "
                         f"Received: one grey from {low} to {high}")
    image = ImageOps.autocontrast(image)
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return ImageOps.invert(image) if np.median(edge) > 127 else image


def without_gaps(pixels):
    """Without the rows and the columns that are more than MARGIN away from any ink."""
    ink = pixels > INK
    near = np.ones(2 * MARGIN + 1)
    rows = np.convolve(ink.any(axis=1), near, "same") > 0
    columns = np.convolve(ink.any(axis=0), near, "same") > 0
    return pixels[np.ix_(rows, columns)]


def longest(mask):
    """The length of the longest run of True."""
    ends = np.flatnonzero(np.diff(np.pad(mask.astype(int), 1)))
    return int((ends[1::2] - ends[::2]).max(initial=0))
