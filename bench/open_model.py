"""What a request costs at a fixed rate, in turns with oha, and how evenly the requests arrive.

A client that sends several requests at a time wakes up less often, and its costs are lower for it.

Here: runs of the open model at 5,000 requests a second. Not here: full load (cpu.py); the lateness that perfctl itself
shows, in microseconds (`bench/run delay`).
"""

import os
import shutil
import tempfile

import clients
import process
import server
from table import Row, all_met, progress, show, skipped

RATE = 5_000
# Connections: more than are ever needed, so that a machine that is busy for a moment drops no request.
CONNECTIONS = 256
GOAL = 1.2


def measure(binary, cores, rounds, seconds):
    """Prints the table. Returns whether all goals were met."""
    title = f"Open model, {RATE:,} requests/s"
    why = server.missing() or clients.missing("oha")
    if why:
        show(title, [skipped(title, why)])
        return True
    names = [name for name, _ in clients.perfctl_clients(binary)]
    ratios = {name: [] for name in names}
    cpu = {name: [] for name in ["oha", *names]}
    gaps = {name: [] for name in ["oha", *names]}
    with server.Server(cores.server) as target:
        for number in range(rounds):
            for name in names:
                progress(f"open model: {name}, {number + 1} of {rounds}")
                base = _oha(target, cores.client, seconds)
                mine = _perfctl(target, binary, cores.client, seconds, name)
                if not base or not mine:
                    continue
                for who, run in (("oha", base), (name, mine)):
                    cpu[who].append(run.cpu_us)
                    gaps[who].append(run.gap_ms)
                ratios[name].append(mine.cpu_us / base.cpu_us)
    rows = [Row(f"{who}, CPU per request", values, "us") for who, values in cpu.items()]
    goals = {"direct": GOAL}
    over = [Row(f"perfctl, {name}", ratios[name], "x oha", goals.get(name)) for name in names]
    # The server's clock has milliseconds.
    longest = max(gaps["oha"], default=0) and Row("", gaps["oha"], "").median + 1
    uneven = [Row("oha", gaps["oha"], "ms")]
    uneven += [Row(f"perfctl, {name}", gaps[name], "ms", longest) for name in names]
    show(f"{title}: CPU of the client per request", rows)
    show("The same, over that of oha in the same pair of runs", over)
    show(f"p99 of the gap from one request to the next, planned {1e3 / RATE:.1f} ms", uneven)
    return all_met(over + uneven)


class Run:
    """What one run took, by the server's count of requests and by its clock."""

    def __init__(self, finished, arrivals):
        self.cpu_us = finished.cpu_s * 1e6 / len(arrivals)
        # Lateness would need to know which request each of them is.
        in_order = sorted(arrivals)
        gaps = sorted(later - earlier for earlier, later in zip(in_order, in_order[1:]))
        self.gap_ms = gaps[len(gaps) * 99 // 100] * 1e3


def _once(name, target, core, command, seconds):
    """One run; `None`, and a word about it, when it did not make nearly all of its requests."""
    target.arrivals_s()
    finished = process.run(command, core, {}, terminal=True)
    arrivals = target.arrivals_s()
    if len(arrivals) < RATE * seconds * 0.99:
        skipped(name, f"{len(arrivals)} requests, status {finished.status}: {finished.stderr[-300:]!r}")
        return None
    return Run(finished, arrivals)


def _oha(target, core, seconds):
    command = [
        *(clients.found("oha"), "--no-tui", "--output-format", "json", "-q", str(RATE)),
        *("-z", f"{seconds}s", "-c", str(CONNECTIONS), f"{target.url}/timed"),
    ]
    return _once("oha", target, core, command, seconds)


def _perfctl(target, binary, core, seconds, client):
    folder = tempfile.mkdtemp(prefix="perfctl-bench-")
    try:
        scenario = os.path.join(folder, "open.yaml")
        with open(scenario, "w") as file:
            file.write('endpoints:\n  - {get: "/timed?user={{ user_id }}", check: {status: 200}}\n')
        command = clients.perfctl_run(
            binary,
            target.url,
            os.path.join(folder, "out"),
            *("--workers", "1", "--client", client, "--rate", str(RATE)),
            *("-u", str(CONNECTIONS), "-t", f"{seconds}s", "--assume-healthy"),
            scenario=scenario,
        )
        return _once(client, target, core, command, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
