"""Pictures that several articles draw: image sheets and animations of them, latent scatter, loss curves; and
the codes that sheets decode.

No Keras in here.
"""

import json
import pathlib
import statistics

import numpy as np

from common.harness.writing import shown, write_figure


def save_sheet(images, path, columns=None, scale=2):
    """Images side by side in one picture file, see sheet_of."""
    picture = sheet_of(images, columns, scale)
    write_figure(path, lambda file: picture.save(file, "PNG", optimize=True))


def sheet_of(images, columns=None, scale=2):
    """Images (n, height, width[, 3]) with values in [0, 1] side by side, row by row, as a PIL image.

    Args:
        columns: images in a row; the square root of n by default.
        scale: picture pixels for an image pixel.
    """
    from PIL import Image

    images = np.asarray(images)
    columns = columns or max(1, round(len(images) ** 0.5))
    rows = -(-len(images) // columns)
    images = np.concatenate([images, np.zeros((rows * columns - len(images), *images.shape[1:]))])
    height, width = images.shape[1:3]
    sheet = images.reshape(rows, columns, *images.shape[1:]).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, *images.shape[3:])
    picture = Image.fromarray((sheet.clip(0, 1) * 255).round().astype("uint8"))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def save_sheets(sheets, folder, columns):
    """A picture for each of the sheets, name → images, and its path as a line of text."""
    for name, images in sheets.items():
        path = pathlib.Path(folder) / f"{name}.png"
        save_sheet(images, path, columns)
        print(shown(path))


def save_animation(frames, path, columns=None, scale=2, milliseconds=80):
    """A GIF that repeats itself: each of the frames (n, height, width[, 3]) is a sheet, see sheet_of. Sixteen
    levels of each colour, which make it a quarter of the size."""
    pictures = []
    for images in frames:
        levels = (np.asarray(images).clip(0, 1) * 15).round() / 15
        pictures.append(sheet_of(levels, columns, scale))
    write_figure(path, lambda file: pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0))


def print_paths(paths, as_json=False):
    """Where pictures are, a line each, or for programs as one line of JSON."""
    names = [str(shown(path)) for path in paths]
    print(json.dumps({"files": names}, ensure_ascii=False) if as_json else "\n".join(names))


def save_scatter(points, labels, path, title):
    """Points (n, 2) coloured by label, or in one colour where labels is None; points (n, 1) as a
    histogram."""
    from matplotlib.figure import Figure  # a second, which most commands do not need

    figure = Figure(figsize=(6, 5.5), layout="constrained")
    draw_scatter(figure.subplots(), points, labels, title)
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))


def draw_scatter(axes, points, labels, title):
    """The same on given matplotlib axes."""
    axes.set_title(title)
    if points.shape[1] == 1:
        draw_histogram(axes, points[:, 0], labels)
        return
    if labels is None:
        axes.scatter(*points.T, s=3)
    else:
        few = labels.max() < 10
        colours = axes.scatter(*points.T, c=labels, cmap="tab10" if few else "viridis", s=3)
        entries = colours.legend_elements(num=None if few else 8)
        axes.legend(*entries, fontsize="small", loc="upper right")
    axes.set_aspect("equal", adjustable="datalim")


def draw_histogram(axes, values, labels):
    """How many of the values (n,) are where, the labels' counts one upon the other."""
    edges = np.histogram_bin_edges(values, 60)
    if labels is None:
        axes.hist(values, edges)
        return
    import matplotlib

    classes = np.unique(labels)
    colours = matplotlib.colormaps["tab10" if len(classes) <= 10 else "viridis"].resampled(len(classes))
    parts = [values[labels == label] for label in classes]
    axes.hist(parts, edges, stacked=True, label=classes.tolist(), color=colours(range(len(classes))))
    if len(classes) <= 10:
        axes.legend(fontsize="small", loc="upper right")


def save_curves(log, path):
    """Every loss in the rows of log.csv against the epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    epochs, marker = [row["epoch"] for row in log], "." if len(log) < 5 else ""
    for name in filter(lambda name: name.endswith("loss"), log[0]):
        axes.plot(epochs, [row[name] for row in log], marker=marker, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("nats")
    axes.legend()
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))


def quantile_grid(count):
    """count × count codes on the quantiles 5 % to 95 % of the two-dimensional standard normal, (count², 2).

    Rows from top to bottom have the second coordinate falling, as a plot of the plane has."""
    quantiles = [statistics.NormalDist().inv_cdf(p) for p in np.linspace(0.05, 0.95, count)]
    return np.array([(x, y) for y in quantiles[::-1] for x in quantiles])


def interpolate(start, end, steps):
    """Codes on the straight line from start to end, both included, (steps, dim)."""
    return start + np.linspace(0, 1, steps)[:, None] * (np.asarray(end) - np.asarray(start))
