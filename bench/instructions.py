"""User instructions per request by callgrind: the slope between two request counts, so that the start
and the end of the program do not count.

The worker's thread is judged. What the control thread and the exporters do, they do once a second, and under
valgrind seconds have few requests: the part of the control thread is shown, without a goal. With every exporter, the
worker must need as much as without them.

Here: the measurement, the stored figures and the check against them. Not here: the kernel's part, which
callgrind does not see and cpu.py does.
"""

import glob
import json
import os
import shutil
import subprocess
import tempfile

import clients
import collector
import process
import server
from table import Row, all_met, progress, show, skipped

STORED = os.path.join(clients.BENCH, "instructions.json")
GOALS = {"reqwest": 55_000, "direct": 6_000}
# What perfctl may need with reqwest, over a bare loop of it.
OVER_BARE = 1.1
# So many that the start of 64 connections and the growth of the histograms lie before the slope.
FEW, MANY = 10_000, 40_000
# A regression is more than this beyond what is stored.
TOLERANCE = 1.10
# How much more the worker may need with every exporter.
EXPORTING = 1.02


def measure(binary, cores, check, save):
    """Prints the table. Returns whether all goals were met, and the check was passed."""
    why = server.missing()
    if not shutil.which("valgrind"):
        why = "valgrind is not installed"
    if why:
        show("Instructions per request", [skipped("instructions per request", why)])
        return not check
    stored = load()
    measured, controls = {}, {}
    with server.Server(cores.server) as target:
        for name, option in clients.perfctl_clients(binary):
            counts = [_count(binary, target, cores.client, name, option, n) for n in (FEW, MANY)]
            worker, control = ((many - few) / (MANY - FEW) for few, many in zip(*counts))
            measured[name] = round(worker)
            controls[name] = round(control)
        exporting = _exporting(binary, target, cores.client, name, option)
    rows, passed = [], True
    for name, figure in measured.items():
        row = Row(f"perfctl, {name}, worker", [figure], "instructions", GOALS[name])
        if name in stored:
            row.note = f"{figure / stored[name] - 1:+.1%} of the stored {stored[name]:,}"
        rows.append(row)
        rows.append(Row(f"perfctl, {name}, control thread", [controls[name]], "instructions"))
        if check and name not in stored:
            row.note = "nothing is stored to check against; store it by --save"
            passed = False
        elif check and figure > stored[name] * TOLERANCE:
            row.note += ": A REGRESSION"
            passed = False
        elif not check:
            passed &= row.verdict() != "MISSED"
    exporting = Row(
        f"perfctl, {name}, worker, with every exporter",
        [exporting],
        "instructions",
        round(measured[name] * EXPORTING),
        note=f"{exporting / measured[name] - 1:+.1%} of the figure without",
    )
    rows.append(exporting)
    passed &= exporting.verdict() != "MISSED"
    if not check:
        bare = _bare_rows(cores, measured["reqwest"])
        rows += bare
        passed &= all_met(bare)
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


def _bare_rows(cores, mine):
    """What a bare loop of reqwest needs, and what perfctl needs over it."""
    program = _bare_program(cores)
    what = "a bare loop of reqwest"
    if not program:
        return [skipped(what, "it could not be built; see above")]
    with server.Server(cores.server) as target:
        few, many = (_count_bare(program, target, cores.client, n) for n in (FEW, MANY))
    bare = (many - few) / (MANY - FEW)
    return [
        Row(what, [round(bare)], "instructions"),
        Row("perfctl, reqwest, worker, over it", [mine / bare], "x", OVER_BARE),
    ]


def _bare_program(cores):
    """Builds it from the same versions as perfctl. `None` if that fails."""
    folder = os.path.join(clients.BENCH, "bare")
    root = os.path.dirname(clients.BENCH)
    # What it does not need is taken out of it.
    shutil.copy(os.path.join(root, "Cargo.lock"), os.path.join(folder, "Cargo.lock"))
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(root, "target"))
    progress("instructions: building a bare loop of reqwest")
    built = subprocess.run(
        ["cargo", "build", "--release", "--target-dir", os.path.abspath(target)],
        cwd=folder,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores.server, cores.client}),
    )
    return os.path.join(target, "release", "bare-reqwest") if built.returncode == 0 else None


def _count_bare(program, target, core, requests):
    """Instructions of its only thread."""
    progress(f"instructions: a bare loop of reqwest, {requests:,} requests")
    before = target.requests()
    with tempfile.TemporaryDirectory(prefix="perfctl-bench-") as folder:
        counts = os.path.join(folder, "callgrind")
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"]
        command = [*valgrind, program, target.url, str(clients.CONNECTIONS), str(requests)]
        finished = process.run(command, core)
        made = target.requests() - before
        if made != requests:
            raise SystemExit(f"{made} requests were made, not {requests}: {finished.stderr[-2000:]}")
        return _total(counts)


def _exporting(binary, target, core, name, option):
    """Instructions of the worker per request while everything is exported."""
    with collector.everything() as options:
        few, many = (
            _count(binary, target, core, name, [*option, *options], n)[0] for n in (FEW, MANY)
        )
    return round((many - few) / (MANY - FEW))


def _count(binary, target, core, name, option, iterations):
    """Instructions of the worker and of the control thread in a run of so many iterations."""
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
        counts = os.path.join(folder, "callgrind")
        valgrind = ["valgrind", "--tool=callgrind", "--separate-threads=yes"]
        valgrind.append(f"--callgrind-out-file={counts}")
        finished = process.run([*valgrind, *command], core)
        threads = sorted(glob.glob(f"{counts}-*"))
        if len(threads) < 2 or not os.path.exists(out):
            raise SystemExit(f"callgrind did not count: {finished.stderr[-2000:]}")
        requests = clients.perfctl_completed(out)
        if requests != iterations:
            raise SystemExit(f"{requests} requests were made, not {iterations}")
        # Threads count from the first that was started. Those of signals and exporters are in between.
        main, *_, worker = (_total(path) for path in threads)
        return worker, main
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _total(path):
    """All instructions of one thread."""
    with open(path) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("totals:"))
