"""User instructions per request by callgrind: the slope between two request counts, so that the start
and the end of the program do not count.

Here: the measurement, the stored figures and the check against them. Not here: the kernel's part, which
callgrind does not see and cpu.py does.
"""

import json
import os
import re
import shutil
import tempfile

import clients
import process
import server
from table import Row, progress, show, skipped

STORED = os.path.join(clients.BENCH, "instructions.json")
GOALS = {"reqwest": 55_000, "direct": 6_000}
# More than the start of 64 connections and the first growth of everything, and a slope's length.
FEW, MANY = 4_000, 16_000
# A regression is more than this beyond what is stored.
TOLERANCE = 1.10


def measure(binary, cores, check, save):
    """Prints the table. Returns whether all goals were met, and the check was passed."""
    why = server.missing()
    if not shutil.which("valgrind"):
        why = "valgrind is not installed"
    if why:
        show("Instructions per request", [skipped("instructions per request", why)])
        return not check
    stored = load()
    measured = {}
    with server.Server(cores.server) as target:
        for name, option in clients.perfctl_clients(binary):
            counts = [_count(binary, target, cores.client, name, option, n) for n in (FEW, MANY)]
            (requests, instructions), (more_requests, more_instructions) = counts
            per_request = (more_instructions - instructions) / (more_requests - requests)
            measured[name] = round(per_request)
    rows, passed = [], True
    for name, figure in measured.items():
        row = Row(f"perfctl, {name}", [figure], "instructions", GOALS[name])
        if name in stored:
            row.note = f"{figure / stored[name] - 1:+.1%} of the stored {stored[name]:,}"
        rows.append(row)
        if check and name not in stored:
            row.note = "nothing is stored to check against; store it by --save"
            passed = False
        elif check and figure > stored[name] * TOLERANCE:
            row.note += ": A REGRESSION"
            passed = False
        elif not check:
            passed &= row.verdict() != "MISSED"
    show("User instructions per request", rows)
    if save:
        with open(STORED, "w") as file:
            json.dump({**stored, **measured}, file, indent=2)
            file.write("\n")
    return passed


def load():
    """What is stored, by client."""
    if not os.path.exists(STORED):
        return {}
    with open(STORED) as file:
        return json.load(file)


def _count(binary, target, core, name, option, iterations):
    """Requests made and instructions taken by a run of so many iterations."""
    progress(f"instructions: {name}, {iterations:,} requests")
    folder = tempfile.mkdtemp(prefix="perfctl-bench-")
    try:
        out = os.path.join(folder, "out")
        command = clients.perfctl_run(
            binary,
            target.url,
            out,
            *("-u", str(clients.CONNECTIONS), "-t", "10m", "--seed", "1"),
            *("--iterations", str(iterations), "--workers", "1", *option),
        )
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind"]
        finished = process.run([*valgrind, *command], core)
        found = re.search(r"Collected : (\d+)", finished.stderr)
        if not found or not os.path.exists(out):
            raise SystemExit(f"callgrind did not count: {finished.stderr[-2000:]}")
        requests = clients.perfctl_completed(out)
        if requests != iterations:
            raise SystemExit(f"{requests} requests were made, not {iterations}")
        return iterations, int(found[1])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
