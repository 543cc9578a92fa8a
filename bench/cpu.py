"""CPU per completed request, as a ratio to that of another client in the same pair of runs.

Here: interleaved pairs, the check of the counts. Not here: who the clients are (clients.py).
"""

import os
import shutil
import tempfile

import clients
import process
import server
from table import Row, all_met, progress, show, skipped


def measure(binary, cores, rounds, seconds, only):
    """Prints the table. Returns whether every goal that could be measured was met."""
    wanted = clients.ours(binary) + clients.PEER_CLIENTS
    return compare("", clients.WRK, wanted, lambda target: target.url, cores, rounds, seconds, only)


def measure_http2(binary, cores, rounds, seconds, only):
    """The same by HTTP/2, one stream a connection: over TLS, and by prior knowledge."""
    met = []
    for how, url, goal in (
        (", HTTP/2 over TLS", lambda target: target.tls_url, 1.2),
        (", HTTP/2 by prior knowledge", lambda target: target.http2_url, 1.3),
    ):
        wanted = clients.ours_by_http2(binary, goal) + [clients.OHA_HTTP2]
        met.append(compare(how, clients.H2LOAD_HTTP2, wanted, url, cores, rounds, seconds, only))
    return all(met)


def measure_handshakes(binary, cores, rounds, seconds):
    """The same over TLS with a connection for each request."""
    how, wanted = ", TLS, a connection for each request", clients.ours_by_new_connections(binary)
    return compare(how, clients.OHA_TLS, wanted, lambda target: target.tls_url, cores, rounds, seconds, [])


def compare(how, reference, wanted, url, cores, rounds, seconds, only):
    """Prints what `wanted` clients take relative to a reference, at this URL of the target."""
    why = server.missing() or reference.missing
    if why:
        show(f"CPU per request{how}", [skipped(f"CPU per request{how}", why)])
        return True
    if only:
        wanted = [client for client in wanted if any(word in client.name for word in only)]
    present = [client for client in wanted if not client.missing]
    found = {client.name: [] for client in [reference, *present]}
    with server.Server(cores.server) as target:
        _once(reference, target, url(target), cores.client, 1)
        for number in range(rounds):
            for client in present:
                progress(f"cpu: {client.name}, {number + 1} of {rounds}")
                base = _once(reference, target, url(target), cores.client, seconds)
                longer = seconds * client.times_longer
                mine = _once(client, target, url(target), cores.client, longer)
                if base and mine:
                    found[reference.name].append((base, 1.0))
                    found[client.name].append((mine, mine.cpu_us / base.cpu_us))
    absolute, ratios = [], []
    for client in [reference, *wanted]:
        if client.missing:
            absolute.append(skipped(client.name, client.missing))
            continue
        runs = found[client.name]
        rates = [run.completed / run.wall_s for run, _ in runs]
        note = f"{min(rates):,.0f} .. {max(rates):,.0f}/s" if runs else "see above"
        absolute.append(Row(client.name, [run.cpu_us for run, _ in runs], "us", note=note))
        if client is not reference:
            over = f"x {reference.name}"
            ratios.append(Row(client.name, [ratio for _, ratio in runs], over, client.goal))
    show(f"CPU of the client per request (user and system){how}", absolute)
    show(f"The same, over that of {reference.name} in the same pair of runs{how}", ratios)
    return all_met(ratios)


class Run:
    """What one run took."""

    def __init__(self, finished, completed):
        self.completed = completed
        self.cpu_us = finished.cpu_s * 1e6 / completed
        self.wall_s = finished.wall_s


def _once(client, target, url, core, seconds):
    """One run; `None`, and a word about it, when its count is not that of the server."""
    folder = tempfile.mkdtemp(prefix="perfctl-bench-")
    try:
        out = os.path.join(folder, "out")
        before = target.requests()
        command = client.command(url, out, seconds)
        finished = process.run(command, core, client.env, terminal=True)
        served = target.requests() - before
        try:
            completed = client.completed(finished, out)
        except (OSError, ValueError, KeyError, TypeError):
            completed = None
        if not completed:
            skipped(client.name, f"status {finished.status}, no count: {finished.stderr[-300:]!r}")
            return None
        # Some do not count what was in flight when their time was over, at most one each.
        if not 0 <= served - completed <= clients.CONNECTIONS:
            skipped(client.name, f"counted {completed:,} requests, the server {served:,}")
            return None
        return Run(finished, completed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
