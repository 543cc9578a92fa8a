"""A run of the open model with the client `direct` and one worker, and how late its requests were.

Here: the run, and the delays of its own report. Not here: what is compared (rates.py, watched.py).
"""

import glob
import json
import os
import tempfile

import clients
import process


def run(binary, target, core, load, options=(), **streams):
    """The finished process, and the scheduling delays in microseconds by name. `load`: arrivals per second, users, and
    seconds."""
    rate, users, seconds = load
    with tempfile.TemporaryDirectory(prefix="perfctl-bench-") as folder:
        command = clients.perfctl_run(
            binary,
            target.url,
            folder,
            *("--workers", "1", "--client", "direct", "--rate", str(rate), "-u", str(users)),
            *("-t", f"{seconds}s", "--assume-healthy", *options),
        )
        finished = process.run(command, core, **streams)
        (stored,) = glob.glob(os.path.join(folder, "*", "result.json"))
        report = process.run([binary, "report", stored, "--format", "json"])
    delays_ms = json.loads(report.stdout)["summary"]["scheduling_delay_ms"]
    return finished, {name: delay * 1000 for name, delay in delays_ms.items()}
