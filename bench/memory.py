"""Memory of a mostly idle virtual user: the slope between two numbers of users, each of which has made
one request and then waits; memory without users to speak of; whether 10,000 users run.

Here: resident memory, from /proc. Not here: CPU (cpu.py).
"""

import os
import resource
import shutil
import tempfile
import time

import clients
import process
import server
from table import Row, all_met, progress, show, skipped

FEW, MANY, MOST = 100, 2_100, 10_000
GOALS_KIB = {"reqwest": 36, "direct": 5}
BASE_GOAL_MIB = 20
# What a client may take to have all of its users make their request.
PATIENCE_S = 90

IDLE = """\
name: idle
host: http://127.0.0.1:8080
defaults: {think_time: constant(1h)}
endpoints:
"""


def measure(binary, cores):
    """Prints the table. Returns whether all goals were met."""
    if server.missing():
        show("Memory", [skipped("memory", server.missing())])
        return True
    rows = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with server.Server(cores.server) as target:
        for name, option in clients.perfctl_clients(binary):
            rows += _perfctl(binary, name, option, target, cores.client)
        for name, missing, command, env in _peers(target.url):
            what = f"{name}, a user"
            if missing:
                rows.append(skipped(what, missing))
                continue
            progress(f"memory: {name}")
            held = [_held(command(n), env, target, n, cores.client) for n in (FEW, MANY)]
            if None in held:
                rows.append(skipped(what, f"its {MANY:,} users did not all make their request"))
            else:
                rows.append(Row(what, [(held[1] - held[0]) / (MANY - FEW)], "KiB"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    show("Memory", rows)
    return all_met(rows)


def _perfctl(binary, name, option, target, core):
    folder = tempfile.mkdtemp(prefix="perfctl-bench-")

    def held(users, endpoints):
        scenario = os.path.join(folder, "idle.yaml")
        with open(scenario, "w") as file:
            file.write(IDLE)
            for number in range(endpoints):
                file.write(f'  - {{name: e{number}, get: "/{number}?user={{{{ user_id }}}}", check: {{status: 200}}}}\n')
        command = clients.perfctl_run(
            binary,
            target.url,
            os.path.join(folder, "out"),
            *("--no-progress", "-u", str(users), "-t", "10m", *option),
            scenario=scenario,
        )
        return _held(command, {}, target, users, core)

    try:
        progress(f"memory: perfctl, {name}")
        base, few, many, most = (held(n, 20) for n in (1, FEW, MANY, MOST))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    what = f"perfctl, {name}"
    failed = "its users did not all make their request; see above"
    base_mib = [base / 1024] if base else []
    user_kib = [(many - few) / (MANY - FEW)] if few and many else []
    held_mib = f"{most / 1024:,.0f} MiB in all" if most else failed
    return [
        Row(f"{what}, with 20 endpoints", base_mib, "MiB", BASE_GOAL_MIB),
        Row(f"{what}, a user", user_kib, "KiB", GOALS_KIB[name]),
        Row(
            f"{what}, users that made their request",
            [MOST if most else 0],
            "",
            MOST,
            at_least=True,
            note=held_mib,
        ),
    ]


def _peers(url):
    """Name, why it is missing, the command for so many users, environment."""
    wait = "3600"
    goose = clients.found("goose-peer")
    locust = os.path.join(clients.PEERS, "locust", "bin", "locust")
    no_locust = None if os.path.exists(locust) else "Locust is not installed"
    file = os.path.join(clients.BENCH, "locustfile.py")

    def of_locust(user):
        return lambda n: [
            *(locust, "-f", file, user, "--headless", "-H", url, "--loglevel", "ERROR"),
            *("-u", str(n), "-r", "200", "-t", "10m"),
        ]

    return [
        # It knows no waiting: its connections are busy.
        ("wrk", clients.missing("wrk"), lambda n: ["wrk", "-t1", f"-c{n}", "-d600s", url + "/a"], {}),
        (
            "goose",
            clients.missing("goose-peer"),
            lambda n: [
                *(goose, "--host", url, "--users", str(n), "--hatch-rate", "500"),
                *("--run-time", "10m", "--no-print-metrics"),
            ],
            {"GOOSE_PEER_WAIT_S": wait},
        ),
        ("Locust, FastHttpUser", no_locust, of_locust("FastHttpUser"), {"WAIT_S": wait}),
        ("Locust, HttpUser", no_locust, of_locust("HttpUser"), {"WAIT_S": wait}),
        (
            "k6",
            clients.missing("k6"),
            lambda n: [
                *("k6", "run", "--quiet", "--vus", str(n), "--duration", "10m"),
                *("--env", f"URL={url}/a", "--env", f"WAIT_S={wait}"),
                os.path.join(clients.BENCH, "k6.js"),
            ],
            {},
        ),
    ]


def _held(command, env, target, users, core):
    """Resident memory when all users have made their request; KiB. `None` when they did not."""
    before = target.requests()
    with tempfile.TemporaryFile() as errors:
        child = process.start(
            command, core, env, stdin=process.NOTHING, stdout=process.NOTHING, stderr=errors
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while target.requests() - before < users:
                if child.poll() is not None or time.monotonic() > deadline:
                    errors.seek(0)
                    words = errors.read().decode(errors="replace")[-500:]
                    progress(f"{target.requests() - before} of {users} requests: {words}")
                    return None
                time.sleep(0.2)
            # The last answers, and the next hand-over of a second's samples.
            time.sleep(2.5)
            return process.memory_kib(child.pid)
        finally:
            child.kill()
            child.wait()
