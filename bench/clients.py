"""What is compared: perfctl with each of its clients, and its peers.

Here: whether each is installed, how it is called for a plain GET over 64 connections, how many
requests it says it made. Not here: measuring.
"""

import glob
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Callable

BENCH = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(BENCH, ".peers")
CONNECTIONS = 64


@dataclass
class Client:
    """A program that makes requests."""

    name: str
    # Why it cannot be measured here; `None` when it can.
    missing: str
    # The command for a server's URL, a path it may write at, and so many seconds.
    command: Callable
    # The requests that it says it completed, from its output and that path.
    completed: Callable
    # CPU per request, as a ratio to wrk's.
    goal: float = None
    env: dict = field(default_factory=dict)
    # Slow starters run longer, so that their start does not count as requests.
    times_longer: int = 1


def found(program):
    """Where a peer is; `None` where it is not."""
    own = os.path.join(PEERS, "bin", program)
    return own if os.path.exists(own) else shutil.which(program)


def missing(program):
    """Why a peer cannot be measured; `None` when it can."""
    return None if found(program) else f"{program} is not installed; `bench/run setup` tries to"


def _match(pattern):
    def find(finished, _):
        found = re.search(pattern, finished.stdout)
        return int(found[1].replace(",", "")) if found else None

    return find


def perfctl_clients(binary):
    """The HTTP clients that this perfctl has: name, and the option that selects it."""
    usage = subprocess.run([binary, "run", "--help"], capture_output=True, text=True).stdout
    if "--client" not in usage:
        return [("reqwest", [])]
    return [(name, ["--client", name]) for name in ("reqwest", "direct")]


def perfctl_run(binary, url, out, *arguments, scenario=os.path.join(BENCH, "scenario.yaml")):
    """The command of a run of a scenario, by default the benchmark's, with the whole engine at work."""
    return [
        *(binary, "run", scenario, "--profile", os.path.join(BENCH, "steady.yaml")),
        *("--host", url, "--out", out, *arguments),
    ]


def perfctl_completed(out):
    """How many requests a run below `out` says it completed. The console report has no exact count,
    and the JSON report costs more than some runs do."""
    (result,) = glob.glob(os.path.join(out, "*", "result.json"))
    with open(result) as file:
        endpoints = json.load(file)["endpoints"]
    cells = [cell for endpoint in endpoints for cell in endpoint["phases"]]
    return sum(count for cell in cells for name, count in cell["outcomes"].items() if name != "dropped")


def _perfctl(binary, name, option, goal, scenario="scenario.yaml"):
    scenario = os.path.join(BENCH, scenario)
    return Client(
        f"perfctl, {name}",
        None,
        lambda url, out, s: perfctl_run(
            *(binary, url, out, "-u", str(CONNECTIONS), "-t", f"{s}s", *option), scenario=scenario
        ),
        lambda _, out: perfctl_completed(out),
        goal,
    )


WRK = Client(
    "wrk",
    missing("wrk"),
    lambda url, out, s: ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{s}s", f"{url}/a"],
    _match(r"(\d+) requests in"),
)


def _json_file(key):
    def find(_, out):
        with open(out) as file:
            value = json.load(file)
        for part in key:
            value = value[part]
        return int(value)

    return find


def _oha_completed(finished, _):
    return sum(json.loads(finished.stdout)["statusCodeDistribution"].values())


def _goose_completed(finished, _):
    return int(re.search(r"requests: (\d+)", finished.stdout)[1])


def _locust_completed(finished, _):
    return sum(entry["num_requests"] for entry in json.loads(finished.stdout))


def _locust(user):
    locust = os.path.join(PEERS, "locust", "bin", "locust")
    missing = None if os.path.exists(locust) else "Locust is not installed; `bench/run setup` tries to"
    return Client(
        f"Locust, {user}",
        missing,
        lambda url, out, s: [
            *(locust, "-f", os.path.join(BENCH, "locustfile.py"), user, "--headless", "--json"),
            *("-H", url, "-u", str(CONNECTIONS), "-r", str(CONNECTIONS), "-t", f"{s}s"),
            *("--loglevel", "ERROR"),
        ],
        _locust_completed,
        times_longer=4,
    )


def _h2load(*options):
    return Client(
        "h2load",
        missing("h2load"),
        lambda url, out, s: [
            *("h2load", *options, "-t1", f"-c{CONNECTIONS}", f"-D{s}", f"{url}/a"),
        ],
        _match(r"requests: \d+ total, \d+ started, (\d+) done"),
    )


def _oha(*options):
    return Client(
        "oha",
        missing("oha"),
        lambda url, out, s: [
            *(found("oha"), "--no-tui", "--output-format", "json", *options),
            *("-z", f"{s}s", "-c", str(CONNECTIONS), f"{url}/a"),
        ],
        _oha_completed,
    )


# One stream a connection, as a virtual user has.
H2LOAD_HTTP2 = _h2load("-m1")
OHA_HTTP2 = _oha("--http2", "-p", "1", "--insecure")
# A connection for each request; it resumes sessions.
OHA_TLS = _oha("--disable-keepalive", "--insecure")

PEER_CLIENTS = [
    _h2load("--h1"),
    Client(
        "ab",
        missing("ab"),
        lambda url, out, s: [
            *("ab", "-q", "-k", f"-c{CONNECTIONS}", f"-t{s}", "-n100000000", f"{url}/a"),
        ],
        _match(r"Complete requests:\s+(\d+)"),
    ),
    Client(
        "hey",
        missing("hey"),
        lambda url, out, s: [
            *("hey", "-z", f"{s}s", "-c", str(CONNECTIONS), "-cpus", "1"),
            *("-disable-compression", f"{url}/a"),
        ],
        _match(r"\[200\]\s+(\d+) responses"),
    ),
    _oha(),
    Client(
        "goose",
        missing("goose-peer"),
        lambda url, _, s: [
            *(found("goose-peer"), "--host", url, "--users", str(CONNECTIONS)),
            *("--hatch-rate", str(CONNECTIONS * 10), "--run-time", f"{s}s", "--no-print-metrics"),
        ],
        _goose_completed,
        times_longer=2,
    ),
    Client(
        "k6",
        missing("k6"),
        lambda url, out, s: [
            *("k6", "run", "--quiet", "--vus", str(CONNECTIONS), "--duration", f"{s}s"),
            *("--env", f"URL={url}/a", "--summary-export", out, os.path.join(BENCH, "k6.js")),
        ],
        _json_file(("metrics", "http_reqs", "count")),
        env={"GOMAXPROCS": "1"},
        times_longer=2,
    ),
    _locust("FastHttpUser"),
    _locust("HttpUser"),
]


def ours(binary):
    """perfctl with each of its clients."""
    goals = {"reqwest": 2.0, "direct": 1.0}
    return [
        _perfctl(binary, name, option, goals[name]) for name, option in perfctl_clients(binary)
    ]


def ours_by_http2(binary, goal):
    """The same by HTTP/2; the goal is that of the client `direct`."""
    goals = {"reqwest": None, "direct": goal}
    return [
        _perfctl(binary, name, option, goals[name], "http2.yaml")
        for name, option in perfctl_clients(binary)
    ]


def ours_by_new_connections(binary):
    """The client `direct` with a TLS connection for each request: with sessions resumed, and with full handshakes."""
    direct = ["--client", "direct"]
    return [
        _perfctl(binary, "direct, resumed", direct, 0.8, "handshakes.yaml"),
        _perfctl(binary, "direct, full handshakes", direct, 1.0, "full_handshakes.yaml"),
    ]
