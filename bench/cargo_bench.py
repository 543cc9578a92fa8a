"""What `cargo bench` measures: how late requests start, how the engine grows with its workers, and what a
run of four hours leaves behind.

Here: running it with all cores, and taking its figures. Not here: the measurements (benches/).
"""

import os
import re
import subprocess

from table import Row, all_met, progress, show, skipped

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def scheduling_delay(cores):
    """How late requests start at 5,000/s with one worker. Returns whether the goals were met."""
    text = _bench(cores, "truth", "scheduling_delay")
    rows = []
    pattern = r"T6 (scheduling delay, .*?, p\d+)\s+([\d.]+) us\s+([\d.]+) us"
    for what, goal, reached in re.findall(pattern, text):
        rows.append(Row(what, [float(reached)], "us", float(goal)))
    return _shown("Scheduling delay at 5,000/s, one worker", rows)


def workers(cores):
    """Two workers over one. Returns whether the goals were met."""
    text = _bench(cores, "workers")
    rows = []
    pattern = r"(requests of [^ ]+(?: us)?).*?([\d.]+)/s.*?([\d.]+) x \(([\d.]+) \.\. ([\d.]+)\)"
    for what, rate, median, low, high in re.findall(pattern, text):
        row = Row(what, [float(low), float(median), float(high)], "x", 1.8, at_least=True)
        row.note = f"one: {float(rate):,.0f}/s"
        rows.append(row)
    return _shown("Two workers over one, simulated sessions", rows)


def volume(cores):
    """A run of four hours with 20 endpoints. Returns whether the goals were met."""
    text = _bench(cores, "volume")
    rows = []
    pattern = r"([\d.]+)/s: result +([\d.]+) MB, journal +([\d.]+) MB, report ([\d.]+) s, compare ([\d.]+) s"
    for rate, result, journal, report, compare in re.findall(pattern, text):
        # A profile of hours is one of a normal load; what more leads to is shown without a goal.
        judged = float(rate) <= 200
        note = f"journal {journal} MB"
        rows.append(Row(f"{rate}/s, result", [float(result)], "MB", 30 if judged else None, note=note))
        rows.append(Row(f"{rate}/s, report", [float(report)], "s", 1 if judged else None))
        rows.append(Row(f"{rate}/s, compare", [float(compare)], "s", 1 if judged else None))
    return _shown("Four hours, 20 endpoints, simulated", rows)


def _shown(title, rows):
    show(title, rows or [skipped(title, "cargo bench did not say; see above")])
    return bool(rows) and all_met(rows)


def _bench(cores, name, *words):
    progress(f"cargo bench --bench {name}")
    everywhere = {cores.server, cores.client}
    finished = subprocess.run(
        ["cargo", "bench", "--locked", "--bench", name, "--", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, everywhere),
    )
    return finished.stdout
