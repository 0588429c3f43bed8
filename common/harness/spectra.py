"""Spectra that a user names: files of wavelength and flux, and folders of them with their classes, on one
grid.

No Keras in here.
"""

import numpy as np

from common.harness.archives import read_arrays
from common.harness.reading import InputError, parse_rows, read_text


def resample(wavelength, flux, grid):
    """The mean of the flux, drawn as straight lines between its points, in the bin around each grid point.

    Args:
        wavelength, flux: (n,), in any order and sampling; points that are not finite are left out.
        grid: wavelengths in ascending order, equally spaced.

    Returns:
        (flux (len(grid),) float32, share of the grid that the spectrum covers). Beyond its ends the flux is
        that of the end.
    """
    good = np.isfinite(wavelength) & np.isfinite(flux)
    order = np.argsort(wavelength[good], kind="stable")
    x, y = wavelength[good][order].astype("float64"), flux[good][order].astype("float64")
    step = grid[1] - grid[0]
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    inner = x[(x > edges[0]) & (x < edges[-1])]
    places = np.unique(np.concatenate([edges, inner]))
    heights = np.interp(places, x, y)
    areas = np.append(0, np.cumsum(np.diff(places) * (heights[1:] + heights[:-1]) / 2))
    means = np.diff(areas[np.searchsorted(places, edges)]) / step
    covered = ((grid >= x[0]) & (grid <= x[-1])).mean()
    return means.astype("float32"), covered


def read_spectrum(path):
    """(wavelength, flux) of a CSV or .npz file, each (n,); wavelengths in Å.

    A CSV file has two numbers in a row, or more under a header that names wavelength and flux, as SDSS's has.
    An .npz file has the arrays wavelength and flux.
    """
    if path.suffix == ".npz":
        try:
            arrays = read_arrays(path, ("wavelength", "flux"))
            x, y = (np.float64(arrays[name]).reshape(-1) for name in ("wavelength", "flux"))
        except InputError:
            raise
        # zipfile and NumPy raise a dozen kinds for a file that is not theirs
        except Exception as error:
            raise InputError(f"{path} should be an .npz file with the arrays wavelength and flux. "
                             f"Received: {type(error).__name__}: {error}") from error
        return x, y
    return columns_of(path, read_text(path))


def columns_of(path, text):
    """The columns wavelength and flux of a CSV text, or the first two where no header names them."""
    lines = [line.replace("\t", ",").replace(";", ",") for line in text.splitlines()]
    header = [name.strip().lower() for name in (lines or [""])[0].split(",")]
    place = (0, 1)
    if "wavelength" in header and "flux" in header:
        place = header.index("wavelength"), header.index("flux")
        lines = lines[1:]
    elif any(name and not is_number(name) for name in header):
        raise InputError(f"{path} should have a header with the columns wavelength and flux, or none. "
                         f"Received: {lines[0][:80]!r}")

    def parse(row):
        cells = row.split(",")
        if len(cells) <= max(place) or not all(is_number(cells[i]) for i in place):
            return None, f"no two numbers in {row[:40]!r}"
        return tuple(float(cells[i]) for i in place), None

    rows = np.array(parse_rows(path, lines, parse, "two numbers in each row, wavelength and flux"))
    return rows[:, 0], rows[:, 1]


def is_number(text):
    """Whether a cell is a number; NaN is one, and its point is left out later."""
    try:
        float(text)
        return True
    except ValueError:
        return False


def checked(path, x, y, ends):
    """Wavelengths and fluxes that can be resampled, or InputError."""
    if x.shape != y.shape:
        raise InputError(f"{path} should hold a flux for each wavelength. "
                         f"Received: {x.size} wavelengths, {y.size} fluxes")
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if len(np.unique(x)) < 10:
        raise InputError(f"{path} should hold at least 10 different wavelengths with fluxes that are finite. "
                         f"Received: {len(np.unique(x))}")
    if x.max() <= ends[0] or x.min() >= ends[1]:
        raise InputError(f"{path} should have wavelengths in Å, some of {ends[0]:g} to {ends[1]:g}: multiply "
                         "nm by 10, and take 10 to the power of logarithms. "
                         f"Received: {x.min():g} to {x.max():g}")
    return x, y


def on_grid(path, points, ends):
    """A file's spectrum on the grid, or InputError where it covers less than half of it."""
    if path.suffix == ".txt":
        flux = contest_flux(path)
        x = np.linspace(*ends, len(flux))
    else:
        x, flux = read_spectrum(path)
    found, covered = resample(*checked(path, x, flux, ends), np.linspace(*ends, points))
    if covered < 0.5:
        raise InputError(f"{path} should cover at least half of {ends[0]:g} to {ends[1]:g} Å. "
                         f"Received: {covered:.0%}")
    return found


def contest_flux(path):
    """The numbers of a file of the contest, one line of fluxes with commas between them."""
    cells = read_text(path).replace("\n", ",").split(",")
    numbers = [float(cell) for cell in cells if cell.strip() and is_number(cell)]
    if len(numbers) < 10 or len(numbers) < sum(bool(cell.strip()) for cell in cells):
        raise InputError(f"{path} should hold fluxes, numbers with commas between them. "
                         f"Received: {len(numbers)} numbers in {len(cells)} cells")
    return np.array(numbers)


def read_folder(folder, classes, points, ends, most, seed):
    """(fluxes, labels) of a folder with index.csv and a file for each id, at most so many of them."""
    names = {name: k for k, name in enumerate(classes)}

    def parse(row):
        cells = [cell.strip() for cell in row.split(",")]
        kind = cells[1].lower() if len(cells) == 2 else ""
        if kind not in names:
            return None, f"no id with one of {', '.join(classes)} in {row[:40]!r}"
        return (cells[0], names[kind]), None

    lines = read_text(folder / "index.csv").splitlines()
    if lines and lines[0].strip().lower() == "id,type":
        lines = lines[1:]
    samples = parse_rows(folder / "index.csv", lines, parse, "rows id,type")
    chosen = np.random.default_rng(seed).permutation(len(samples))[:most]
    flux, labels = [], []
    for row in chosen:
        name, label = samples[row]
        files = [folder / f"{name}{ending}" for ending in (".txt", ".csv", ".npz")]
        found = [file for file in files if "/" not in name and file.is_file()]
        if not found:
            raise InputError(f"{folder} should hold {name}.txt, .csv or .npz, since index.csv names it. "
                             "Received: none of them")
        flux.append(on_grid(found[0], points, ends))
        labels.append(label)
    return np.stack(flux), np.array(labels)
