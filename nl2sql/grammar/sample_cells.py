"""The type and the cells of a column of a sample table, by the kind of the column."""

import math
import re

from nl2sql.grammar.texts import draw_cell

IN_QUOTES = {"film", "book", "docu", "play", "cartoon", "webnovel", "audiobook", "show"}
MINUTES = [0, 5, 10, 15, 20, 30, 30, 40, 45, 55]
DATE_STYLES = ["{}-{:02}-{:02}", "{}-{:02}-{:02}", "{}/{}/{}", "{}年{}月{}日", "{}.{}.{}"]


def make_cells(spec, size, rng):
    """(type, cells) of a column: names of rows differ, other words repeat."""
    if spec.kind == "number":
        return "real", number_cells(spec, size, rng)
    if spec.kind == "year":
        return year_cells(spec, size, rng)
    if spec.kind == "date":
        return "text", date_cells(spec, size, rng)
    if spec.kind == "time":
        return "text", time_cells(spec, size, rng)
    return "text", text_cells(spec, size, rng)


def number_cells(spec, size, rng):
    """Numbers with as many decimals as the lower end of the column's range has."""
    low, high = spec.cells.split("..")
    decimals, low, high = len(low.partition(".")[2]), float(low), float(high)
    if low > 0 and high / low > 20:                 # spread over powers of ten, as money and people are
        ends = math.log(low), math.log(high)
        cells = [round(math.exp(rng.uniform(*ends)), decimals) for _ in range(size)]
        if not decimals and high >= 10_000:
            cells = [round(number, 3 - int(math.log10(number))) for number in cells]
    else:
        cells = [round(rng.uniform(low, high), decimals) for _ in range(size)]
    if not decimals:
        return [int(number) for number in cells]
    return cells


def year_cells(spec, size, rng):
    """(type, cells): years as numbers in half of the columns, else as texts, 2018 or 2018年."""
    low, high = ends_of(spec)
    years = rng.sample(range(low, high + 1), min(rng.randint(4, 9), high + 1 - low))
    if spec.adverb:
        years = sorted(years[:4])
    style = rng.choice(["real", "real", "{}", "{}年"])
    if spec.adverb:
        cells = in_turn(years, size)
    else:
        cells = [rng.choice(years) for _ in range(size)]
    if style == "real":
        return "real", cells
    return "text", [style.format(year) for year in cells]


def date_cells(spec, size, rng):
    """Days of the years in the column's range, all in one style."""
    low, high = ends_of(spec)
    style = rng.choice(DATE_STYLES)
    days = [(rng.randint(low, high), rng.randint(1, 12), rng.randint(1, 28)) for _ in range(size)]
    return [style.format(*day) for day in days]


def time_cells(spec, size, rng):
    """Times of day between the hours of the column's range."""
    low, high = ends_of(spec)
    return [f"{rng.randint(low, high):02}:{rng.choice(MINUTES):02}" for _ in range(size)]


def text_cells(spec, size, rng):
    """Words from a list, =甲 乙, or by the grammar of words.txt; names of rows and codes do not repeat."""
    choices = [f"<{spec.cells}>"]
    if spec.cells.startswith("="):
        choices = spec.cells[1:].split(" ")
    if spec.adverb:
        return in_turn(choices, size)
    if spec.key or all("##" in choice for choice in choices):
        cells = in_turn(draw_pool(choices, size, rng), size)
    else:
        wanted = rng.randint(max(3, size // 3), max(4, size * 2 // 3))
        pool = draw_pool(choices, wanted, rng)
        cells = [rng.choice(pool) for _ in range(size)]
    if spec.cells in IN_QUOTES and rng.random() < 0.2:
        return [f"《{cell}》" for cell in cells]
    return cells


def draw_pool(choices, wanted, rng):
    """So many different words, or fewer where there are not so many."""
    limit = wanted
    if not any(re.search("[<#]", choice) for choice in choices):            # a list, of which all is known
        limit = min(wanted, len(choices))
    pool = []
    for _ in range(20 * wanted):
        if len(pool) == limit:
            break
        cell = draw_cell(rng.choice(choices), rng)
        if cell not in pool and not re.match(r"(.)\1高速", cell):            # no 京京高速
            pool.append(cell)
    return pool


def in_turn(values, size):
    """The values one after the other, and again."""
    return [values[i % len(values)] for i in range(size)]


def ends_of(spec):
    low, high = map(int, spec.cells.split(".."))
    return low, high
