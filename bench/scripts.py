"""Measurements of what perfctl says, which are programs of their own: `findings.py` and `capacity.py`.

Here: running them with all cores, and taking what they say. Not here: what they do.
"""

import os
import subprocess
import sys

from clients import BENCH
from table import Row, all_met, progress, show, skipped

# How often each capacity is searched for. More make a better figure, and take longer.
SEARCHES = 2
# The share of searches that must be within 5 % of the truth; %.
CLOSE = 90


def findings(binary, cores):
    """Faults that are found, and healthy runs without a finding. Returns whether all is as it should be."""
    finished = _script(cores, "findings.py", binary)
    alarms = [line for line in finished.stdout.splitlines() if " healthy runs: " in line]
    rows = [
        _count("faults that were not found", finished.stdout.count("| not found |"), 0),
        *(_count("findings in healthy runs", int(line.split()[3]), 0) for line in alarms),
    ]
    return _shown("Findings", rows if alarms else [], finished)


def capacity(binary, cores):
    """Capacities that are known. Returns whether they are found."""
    finished = _script(cores, "capacity.py", "--searches", str(SEARCHES), PERFCTL=binary)
    rows = []
    for line in finished.stdout.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and " of " in cells[3]:
            close, total = (int(part) for part in cells[3].split(" of "))
            note = f"truth {cells[1]}, found {cells[2]}"
            rows.append(
                Row(f"{cells[0]}, within 5 %", [100 * close / total], "%", CLOSE, at_least=True, note=note)
            )
    return _shown("Capacities that are known", rows, finished)


def _count(what, found, most):
    return Row(what, [found], "", most)


def _shown(title, rows, finished):
    why = f"status {finished.returncode}: {finished.stderr[-300:]}"
    show(title, rows or [skipped(title, " ".join(why.split()))])
    return bool(rows) and all_met(rows)


def _script(cores, name, *arguments, **env):
    progress(f"{name} {' '.join(arguments)}")
    everywhere = {cores.server, cores.client}
    return subprocess.run(
        [sys.executable, os.path.join(BENCH, name), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        preexec_fn=lambda: os.sched_setaffinity(0, everywhere),
    )
