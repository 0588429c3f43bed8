"""python简单实现gillespie模拟, https://kexue.fm/archives/5607

A system of reactions is a Markov chain over numbers of molecules. In a state n, reaction r has the propensity
c_r Π_i C(n_i, s_ri) with s the molecules that it takes; the next event comes after an exponential time with
the sum as its rate, and is reaction r with probability propensity_r / sum. The article's example makes
proteins n from messengers m: ∅ → m at 20, m → m + n at 2.5, m → ∅ and n → ∅ at 1.

    article                        here
    System, add_reaction           System, add_reaction
    evolute                        System.run, of many trajectories at once
    the histogram of proteins      time_weights: a state counts as long as it lasts

    python more/gillespie.py            seconds: the trajectory, its distribution, two ways of counting
    python more/gillespie.py --table    a minute: five seeds, and a thousand trajectories
"""

import numpy as np


class System:
    """Reactions between kinds of molecules, simulated exactly.

    Args:
        kinds: how many kinds of molecules there are.

    Example:
        system = System(2)
        system.add_reaction(1.0, [2, 0], [0, 1])                      # 2A → B, propensity n(n-1)/2
        times, states = system.run([[10, 0]], 100, seed=0)
        print(states[-1])                                             # [[0 5]], where it stops

    Reference: 苏剑林, python简单实现gillespie模拟, https://kexue.fm/archives/5607
    """

    def __init__(self, kinds):
        self.kinds, self.rates, self.takes, self.changes = kinds, [], [], []

    def add_reaction(self, rate, takes, gives):
        """rate: of one set of molecules; takes, gives: molecules of each kind, left and right."""
        takes, gives = np.asarray(takes), np.asarray(gives)
        for name, side in (("takes", takes), ("gives", gives)):
            if side.shape != (self.kinds,) or side.dtype.kind not in "iu" or side.min(initial=0) < 0:
                raise ValueError(f"{name} expects {self.kinds} whole numbers, none negative. "
                                 f"Received: {name}={side.tolist()}")
        if not (rate >= 0 and np.isfinite(rate)):
            raise ValueError(f"rate expects a finite number that is not negative. Received: rate={rate}")
        self.rates.append(float(rate))
        self.takes.append(takes)
        self.changes.append(gives - takes)

    def propensities(self, states):
        """c_r Π_i C(n_i, s_ri) for states (trajectories, kinds), as (trajectories, reactions).

        The binomial coefficients count the sets of molecules that can react: of n molecules A, the reaction
        2A → B has n(n-1)/2, not n².
        """
        columns = []
        for rate, takes in zip(self.rates, self.takes):
            sets = np.full(len(states), rate)
            for kind in np.flatnonzero(takes):
                for drawn in range(takes[kind]):
                    sets = sets * (states[:, kind] - drawn) / (drawn + 1)
            columns.append(sets)
        return np.stack(columns, axis=1)

    def run(self, start, events, seed=0, method="direct", until=np.inf):
        """So many events of each trajectory: (times, states).

        A trajectory in which nothing can happen any more, or that is beyond the time `until`, keeps its
        state; its next time is infinite.

        Args:
            start: molecules (trajectories, kinds).
            method: "direct" draws the waiting time and which reaction it is; "first" draws a time for every
                reaction and takes the earliest. Both have the same distribution.

        Returns:
            times (events + 1, trajectories) of the events, the first of them 0, and states
            (events + 1, trajectories, kinds) from these times on.
        """
        if method not in ("direct", "first"):
            raise ValueError(f"method expects 'direct' or 'first'. Received: method={method!r}")
        rng, state = np.random.default_rng(seed), np.array(start, "int64")
        time, changes = np.zeros(len(state)), np.array(self.changes)
        times, states = [time], [state]
        for _ in range(events):
            rates = self.propensities(state)
            draw = direct if method == "direct" else first_reaction
            waiting, reaction = draw(rates, rng)
            time = time + waiting
            happens = time <= until
            happens &= np.isfinite(waiting)
            state = np.where(happens[:, None], state + changes[reaction], state)
            time = np.where(happens, time, np.inf)
            times.append(time)
            states.append(state)
            if not happens.any():
                break
        return np.array(times), np.array(states)


def direct(rates, rng):
    """Gillespie's direct method: one exponential time of the sum of rates, then a reaction in proportion."""
    edges = rates.cumsum(axis=1)
    waiting = exponential(edges[:, -1], rng)
    aim = rng.random(len(rates)) * edges[:, -1]
    return waiting, np.minimum((edges <= aim[:, None]).sum(axis=1), rates.shape[1] - 1)


def first_reaction(rates, rng):
    """An exponential time of each reaction; the earliest one happens."""
    waiting = exponential(rates, rng)
    return waiting.min(axis=1), waiting.argmin(axis=1)


def exponential(rates, rng):
    """Exponential times; infinite where the rate is zero."""
    times = rng.exponential(size=rates.shape)
    return np.where(rates > 0, times / np.where(rates > 0, rates, 1.0), np.inf)


def time_weights(times, states, skip=0.0):
    """How long each state of one trajectory lasts after the time `skip`: (durations, states).

    The last state is left out, since nobody knows how long it would last.
    """
    starts = np.maximum(times, skip)
    finite = np.isfinite(times[1:])
    return np.diff(starts)[finite], states[:-1][finite]


def moments(values, weights=None):
    """Weighted mean and variance."""
    mean = np.average(values, weights=weights, axis=0)
    return mean, np.average(np.square(values - mean), weights=weights, axis=0)


def gene_expression(made=20.0, translated=2.5):
    """The article's example: kinds m (messengers) and n (proteins)."""
    system = System(2)
    system.add_reaction(made, [0, 0], [1, 0])
    system.add_reaction(translated, [1, 0], [1, 1])
    system.add_reaction(1.0, [1, 0], [0, 0])
    system.add_reaction(1.0, [0, 1], [0, 0])
    return system


# ------------------------------------------------------------------------------------------------------- demo

EXACT = {"mean m": 20.0, "variance m": 20.0, "mean n": 50.0, "variance n": 50.0 * (1 + 2.5 / 2)}
SKIPPED = 20.0                     # units of time until the start, no molecules, is forgotten


def both_countings(events, seed):
    """(times, states, {name: (by time, by events)}) of one trajectory from no molecules."""
    times, states = gene_expression().run([[0, 0]], events, seed)
    durations, visited = time_weights(times[:, 0], states[:, 0], SKIPPED)
    late = durations > 0
    by_time, by_events = moments(visited, durations), moments(visited[late])
    found = {}
    for k, kind in enumerate("mn"):
        found[f"mean {kind}"] = by_time[0][k], by_events[0][k]
        found[f"variance {kind}"] = by_time[1][k], by_events[1][k]
    return times[:, 0], states[:, 0], found


def draw(run, times, states):
    """Left: the trajectory of proteins. Right: how long each number of them lasts, and how often seen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    early = times < 60
    left.step(times[early], states[early, 1], where="post", linewidth=0.6)
    left.set(xlabel="time", ylabel="proteins n", title="one trajectory")
    durations, visited = time_weights(times, states, SKIPPED)
    bins = np.arange(visited[:, 1].max() + 2) - 0.5
    settings = {"bins": bins, "density": True, "histtype": "step"}
    right.hist(visited[:, 1], weights=durations, label="by time", **settings)
    right.hist(visited[durations > 0, 1], label="by events, as in the article", **settings)
    right.set(xlabel="proteins n", title="stationary distribution")
    right.legend(fontsize="small")
    run.draw(figure)


def demo(config):
    """The article's trajectory and both ways of counting; with --table five seeds, and many trajectories."""
    import hashlib

    from scipy.stats import ks_2samp

    from common.harness import further
    from common.harness.reading import InputError

    if config.data:
        raise InputError("--data expects nothing, since this file simulates its data; leave it out. "
                         f"Received: {config.data}")
    run = further.start(config, "gillespie", ("numpy",))
    events = 20_000 if config.smoke else 100_000
    seeds = range(config.seed, config.seed + (5 if config.table else 1))
    results = [both_countings(events, seed) for seed in seeds]
    rows, metrics = [], {}
    for name, exact in EXACT.items():
        both = np.array([found[name] for _, _, found in results])
        rows.append([name, exact, *map(further.mean_and_deviation, both.T)])
        key = name.replace(" ", "_")
        metrics |= {f"{key}_by_time": both[:, 0].mean(), f"{key}_by_events": both[:, 1].mean()}
    run.table(["", "exact", "by time", "by events"], rows)

    count, until = (100, 1.0) if config.smoke else (1000, 10.0)
    start, last = np.zeros((count, 2), int), {}
    for method in ("direct", "first"):                     # n at a time of its own: no weights are needed
        _, states = gene_expression().run(start, 10_000, config.seed + 1, method, until)
        last[method] = states[-1, :, 1]
    metrics["mean_n_many"], metrics["variance_n_many"] = moments(last["direct"])
    metrics["ks_p_value"] = ks_2samp(last["direct"], last["first"]).pvalue
    draw(run, *results[0][:2])
    name = "the article's four reactions"
    digest = hashlib.sha256(repr(EXACT).encode()).hexdigest()
    run.finish({"name": name, "source": "simulated", "sha256": digest, "builtin": True}, metrics)


def main():
    """The demo, python more/gillespie.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import further

    further.main(demo, __doc__)


if __name__ == "__main__":
    main()
