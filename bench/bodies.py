"""What bodies cost: reading large ones, looking into JSON, filling in variables; and what `Server-Timing` does.

Here: runs of perfctl over one path each, in turns with wrk on the same path. Not here: small responses (cpu.py).
"""

import os
import shutil
import tempfile

import clients
import process
import server
from table import Row, all_met, progress, show, skipped

SECONDS = 3

# What is measured: the name, the goal as a ratio to wrk, the path, what the endpoint has besides, and wrk's script.
BODIES = [
    ("10 KB of JSON, no check", 1.0, "json", "", ""),
    ("body_contains", 1.1, "json", "check: {body_contains: the end}", ""),
    ("$.items[0].id", 2.5, "json", "check: {json: {'$.items[0].id': 0}}", ""),
    ("$.items[*].id", 4.0, "json", "extract: {ids: {json: '$.items[*].id', index: all}}", ""),
    ("$.items[?@.id == 3].name", 4.0, "json", "check: {json: {'$.items[?@.id == 3].name': item 3}}", ""),
    (
        "POST of JSON with 3 variables",
        1.1,
        "post",
        "json: {user: '{{ user_id }}', item: '{{ random_int(1, 1000) }}', note: 'order {{ iteration }}'}",
        'wrk.method="POST" wrk.body=\'{"user":1,"item":517,"note":"order 1"}\' '
        'wrk.headers["Content-Type"]="application/json"',
    ),
]


def measure(binary, cores, rounds):
    """Prints the tables. Returns whether every goal was met."""
    why = server.missing() or clients.WRK.missing
    if why:
        show("CPU per request with bodies", [skipped("CPU per request with bodies", why)])
        return True
    with server.Server(cores.server) as target:
        ratios = [_ratio(target, binary, cores.client, rounds, *body) for body in BODIES]
        large = _large(target, binary, cores.client, rounds)
        parts = [_parts(target, binary, cores.client, rounds, client) for client in ("reqwest", "direct")]
    show("CPU per request of the client `direct`, over that of wrk in the same pair of runs", ratios)
    show("Bodies of 1 MB", large)
    show("CPU per request with `Server-Timing` of two entries, over that with another header of its length", parts)
    return all_met(ratios + large + parts)


def _ratio(target, binary, core, rounds, name, goal, path, rest, script):
    values = []
    for number in range(rounds):
        progress(f"bodies: {name}, {number + 1} of {rounds}")
        base = _wrk(target, core, path, script)
        mine = _perfctl(target, binary, core, path, rest, "direct")
        values.append(mine.cpu_us / base.cpu_us)
    return Row(name, values, "x wrk", goal)


def _large(target, binary, core, rounds):
    """How fast large bodies are read, and what that costs the server."""
    faster, served = [], []
    for number in range(rounds):
        progress(f"bodies: 1 MB, {number + 1} of {rounds}")
        base = _wrk(target, core, "large", "")
        reqwest = _perfctl(target, binary, core, "large", "", "reqwest")
        direct = _perfctl(target, binary, core, "large", "", "direct")
        faster.append(direct.per_s / reqwest.per_s)
        served.append(direct.server_us / base.server_us)
    return [
        Row("throughput of `direct` over that of `reqwest`", faster, "x", 1.2, at_least=True),
        Row("CPU time of nginx per request over that with wrk", served, "x", 1.3),
    ]


def _parts(target, binary, core, rounds, client):
    """What reading the parts of the service's time costs."""
    values = []
    for number in range(rounds):
        progress(f"bodies: Server-Timing, {client}, {number + 1} of {rounds}")
        base = _perfctl(target, binary, core, "untimed", "", client)
        mine = _perfctl(target, binary, core, "parts", "", client)
        values.append(mine.cpu_us / base.cpu_us)
    return Row(f"perfctl, {client}", values, "x", 1.03)


class Run:
    """What one run took, by the server's count of requests."""

    def __init__(self, target, core, command):
        requests, cpu_s = target.requests(), target.cpu_s()
        finished = process.run(command, core, {}, terminal=True)
        count = target.requests() - requests
        if finished.status not in (0, 1) or not count:
            raise RuntimeError(f"{command[0]}: status {finished.status}: {finished.stderr[-300:]!r}")
        self.cpu_us = finished.cpu_s * 1e6 / count
        self.server_us = (target.cpu_s() - cpu_s) * 1e6 / count
        self.per_s = count / finished.wall_s


def _wrk(target, core, path, script):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        scripted = ["-s", file.name] if script else []
        command = ["wrk", "-t1", f"-c{clients.CONNECTIONS}", f"-d{SECONDS}s", *scripted, f"{target.url}/{path}"]
        return Run(target, core, command)


def _perfctl(target, binary, core, path, rest, client):
    folder = tempfile.mkdtemp(prefix="perfctl-bench-")
    try:
        scenario = os.path.join(folder, "bodies.yaml")
        method = "post" if path == "post" else "get"
        lines = ["endpoints:", f"  - {method}: /{path}", *([f"    {rest}"] if rest else [])]
        with open(scenario, "w") as file:
            file.write("\n".join(lines) + "\n")
        command = clients.perfctl_run(
            binary,
            target.url,
            os.path.join(folder, "out"),
            *("--workers", "1", "--client", client, "-u", str(clients.CONNECTIONS), "-t", f"{SECONDS}s"),
            "--assume-healthy",
            scenario=scenario,
        )
        return Run(target, core, command)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
