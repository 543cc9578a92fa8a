"""Which arrival rates one worker delivers, and how late its requests start.

Here: runs of the open model with the client `direct` against nginx. Not here: the CPU time of a request (open_model.py),
and the delay by the clock of a server (`bench/run delay`).
"""

import open_run
import server
from table import Row, all_met, progress, show, skipped

# By rate per second, the least share of its arrivals that is wanted; %.
DELIVERED = {5_000: 99, 20_000: 99, 50_000: 99, 100_000: 95}
USERS = 512
SECONDS = 5

TITLE = "Arrivals at a fixed rate, one worker, client `direct`"


def measure(binary, cores, rounds):
    """Prints the table. Returns whether all goals were met."""
    why = server.missing()
    if why:
        show(TITLE, [skipped("rates", why)])
        return True
    rows = []
    with server.Server(cores.server) as target:
        for rate, least in DELIVERED.items():
            runs = []
            for number in range(rounds):
                progress(f"rates: {rate:,}/s, {number + 1} of {rounds}")
                runs.append(_run(binary, target, cores.client, rate))
            shares, delays = zip(*runs)
            what = f"{rate:,}/s"
            rows.append(Row(f"{what}, delivered", list(shares), "%", least, at_least=True))
            for name in ("p50", "p99"):
                delay = [one[name] for one in delays]
                rows.append(Row(f"{what}, scheduling delay, {name}", delay, "us"))
    show(TITLE, rows)
    return all_met(rows)


def _run(binary, target, core, rate):
    """The share of the arrivals that the server has seen, and the scheduling delays in microseconds."""
    before = target.requests()
    _, delays = open_run.run(binary, target, core, (rate, USERS, SECONDS), terminal=True)
    return 100 * (target.requests() - before) / (rate * SECONDS), delays
