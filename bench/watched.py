"""What watching a run costs its load: the scheduling delay with the dashboard and every exporter, in turns with neither.

The run has one core for its worker, its control, the dashboard and the exporters. Not here: their instructions per
request (instructions.py), and open pages (pages.py).
"""

import collector
import open_run
import server
from table import Row, all_met, progress, show, skipped

RATE = 5_000
DELAYS = ("p50", "p95", "p99")
USERS = 256
SECONDS = 10
# How far the medians may be apart.
GOAL = 1.02
# Between two delays that can be told apart.
STEP_US = 1
# By which a terminal shows another screen: that of the dashboard.
SCREEN = "\x1b[?1049h"

TITLE = f"Scheduling delay at {RATE:,}/s with the dashboard and every exporter, and with neither"


def measure(binary, cores, rounds):
    """Prints the table. Returns whether all goals were met."""
    why = server.missing()
    if why:
        show(TITLE, [skipped("watched", why)])
        return True
    plain, watched = [], []
    with server.Server(cores.server) as target, collector.everything() as options:
        for number in range(rounds):
            progress(f"watched: {number + 1} of {rounds}")
            plain.append(_delay(binary, target, cores.client, ["--no-tui"]))
            watched.append(_delay(binary, target, cores.client, options))
    rows = []
    for name in DELAYS:
        without = Row(f"{name}, neither", [one[name] for one in plain], "us")
        most = max(without.median * GOAL, without.median + STEP_US)
        rows += [without, Row(f"{name}, both", [one[name] for one in watched], "us", most)]
    show(TITLE, rows)
    return all_met(rows)


def _delay(binary, target, core, options):
    """The scheduling delays of a run in microseconds, by its own report."""
    env = {"TERM": "xterm-256color"}
    load = (RATE, USERS, SECONDS)
    run, delays = open_run.run(binary, target, core, load, options, env=env, screen=True)
    if (SCREEN in run.stdout) == ("--no-tui" in options):
        raise RuntimeError(f"a dashboard where none was asked for, or none: {run.stdout[-300:]!r}")
    return delays
