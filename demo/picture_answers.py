"""What the tabs of pictures answer: plain values in, PIL images out, from the shipped models."""

import statistics

import numpy as np
from PIL import Image

from common.harness import plots
from common.harness.reading import InputError
from demo.shared import MODELS

GRID, SIDE, SCALE = 15, 28, 2        # digits in a row of the VAE's plane, pixels of one, their size
STEPS = 10                           # pictures of a walk
EDGE = 0.02                          # quantile at the edges of what can be clicked
CANVAS = 14                          # the capsules' pictures have a multiple of it as sides: few shapes
NORMAL = statistics.NormalDist()


# -------------------------------------------------------------------------------------------------------- VAE

def plane():
    """What the decoder makes of the plane of codes: GRID × GRID digits."""
    with MODELS["autoencoder"] as autoencoder:
        return plots.sheet_of(autoencoder.decode(plots.quantile_grid(GRID)), GRID, SCALE)


def code_at(place):
    """The code at a place (x, y) of plane(), as shares of its width and height from the upper left corner.

    The digits there have in their middles the codes of quantile_grid."""
    def coordinate(share):
        return NORMAL.inv_cdf(min(1 - EDGE, max(EDGE, 0.05 + 0.9 * (share * GRID - 0.5) / (GRID - 1))))

    numbers = isinstance(place, list) and all(isinstance(share, int | float) for share in place)
    if not numbers or len(place) != 2:
        raise InputError(f"a place of the plane expects two numbers. Received: {str(place)[:60]}")
    x, y = place
    return coordinate(x), -coordinate(y)


def digit_and_walk(start, end):
    """The digit at the second of two places of the plane, large, and the walk to it from the first one, which
    is none where they are the same place."""
    codes = plots.interpolate(np.array(code_at(start)), np.array(code_at(end)), STEPS)
    with MODELS["autoencoder"] as autoencoder:
        images = autoencoder.decode(codes)
    walk = None if start == end else plots.sheet_of(images, STEPS, 3)
    return plots.sheet_of(images[-1:], 1, 8), walk


# ----------------------------------------------------------------------------------------------- NICE and GAN

def flow(temperature, seed):
    """(samples, walks between some of their codes) of NICE."""
    if not 0 <= temperature <= 2:
        raise InputError(f"the temperature expects 0 to 2. Received: {temperature}")
    with MODELS["sampler"] as sampler:
        codes = sampler.codes(64, temperature, int(seed))
        lines = [plots.interpolate(start, end, STEPS) for start, end in zip(codes[:4], codes[4:8])]
        samples, walks = sampler.decode(codes), sampler.decode(np.concatenate(lines))
    return plots.sheet_of(samples, 8), plots.sheet_of(walks, STEPS, 2)


def gan_walk(seed, other, rows=4):
    """Walks on great circles from the codes of one seed to those of another."""
    from gan.painter import walk

    with MODELS["painter"] as painter:
        starts, ends = (painter.sample_codes(rows, int(one)) for one in (seed, other))
        codes = [walk(start, end, STEPS) for start, end in zip(starts, ends)]
        images = painter.paint(np.concatenate(codes))
    return plots.sheet_of(images, STEPS, 2)


# --------------------------------------------------------------------------------------------------- capsules

def digits(drawing):
    """[(map of the votes over the drawing, caption), ...] for the digits in a drawing, the likeliest first.

    Args:
        drawing: a PIL image, dark on bright; what is transparent counts as white.
    """
    from capsule.pairs import NAMED
    from capsule.pictures import as_mnist

    if drawing is None:
        raise InputError("expected a drawing of two digits. Received: none")
    drawing = drawing.convert("RGBA")
    white = Image.new("RGBA", drawing.size, "white")
    image = as_mnist(Image.alpha_composite(white, drawing), "the drawing")
    missing = [-length % CANVAS for length in image.shape]
    image = np.pad(image, [(0, length) for length in missing])
    with MODELS["classifier"] as classifier:
        scores, _, shares = classifier.vote_maps(image[None])
    order = np.argsort(-scores[0], kind="stable")
    there = [j for j in order if scores[0, j] > NAMED] or order[:1]
    return [(votes_over(image, shares[0, j]), f"{j} ({scores[0, j]:.2f})") for j in there[:4]]


def votes_over(image, shares, scale=8):
    """A drawing in grey with the places that vote for a class in red."""
    height, width = image.shape
    heat = Image.fromarray(np.maximum(shares, 0).astype("float32"))
    heat = np.asarray(heat.resize((width, height), Image.Resampling.BILINEAR))
    heat = heat / max(heat.max(), 1e-9)
    grey = image / 255
    pixels = np.stack([np.maximum(grey, heat), grey * (1 - heat / 2), grey * (1 - heat)], axis=-1)
    return plots.sheet_of(pixels[None], 1, scale)
