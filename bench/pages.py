"""What pages cost the runs that they show: how a run of the open model goes that a server has started, with 20 pages
open and with none, in turns.

Here: the server, what the page asks it for, and the numbers of the run's report. Not here: the page itself; what a
browser does with the answers is left out.
"""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request

import process
import server
from table import Row, all_met, progress, show, skipped

PAGES = 20
RATE = 5000
SECONDS = 15
BASE = "/api/v1/performance/load-test"
# As the page does it.
REFRESH_S = 1.8
LOOK_S = 5.0

SCENARIO = """\
name: pages
host: {url}
endpoints:
  - {{get: /a, name: a}}
  - {{get: /b, name: b}}
  - {{get: /c, name: c}}
profiles:
  steady:
    max_users: 200
    stages: [{{name: steady, rate: {rate}, ramp: 0s, duration: {seconds}s}}]
"""

TITLE = f"A run of {RATE}/s with {PAGES} open pages, over that without one in the same pair of runs"


def measure(binary, cores, rounds):
    """Prints the table. Returns whether every goal was met."""
    why = server.missing()
    if why:
        show(TITLE, [skipped("pages", why)])
        return True
    rates, delays, late = [], [], []
    with server.Server(cores.server) as target, Served(binary, cores.client, target.url) as served:
        for number in range(rounds):
            progress(f"pages: {number + 1} of {rounds}")
            base = served.run(0)
            mine = served.run(PAGES)
            rates.append(mine.per_s / base.per_s)
            delays.append(mine.delay_ms / base.delay_ms)
            late.append(mine.delay_ms)
    rows = [
        Row("requests per second", rates, "x", 0.99, at_least=True),
        Row("p99 of the scheduling delay", delays, "x", note="the server shares the core of the run"),
        Row("the same with pages", late, "ms", 0.5),
    ]
    show(TITLE, rows)
    return all_met(rows)


class Run:
    """What a run has achieved, by its own report."""

    def __init__(self, report):
        summary = report["summary"]
        self.per_s = summary["successes_per_s"]
        self.delay_ms = summary["scheduling_delay_ms"]["p99"]


class Served:
    """A server with a scenario. It and its runs have one core together, which is the worst that can be."""

    def __init__(self, binary, core, url):
        self.folder = tempfile.mkdtemp(prefix="perfctl-bench-")
        os.mkdir(os.path.join(self.folder, "scenarios"))
        with open(os.path.join(self.folder, "scenarios", "pages.yaml"), "w") as file:
            file.write(SCENARIO.format(url=url, rate=RATE, seconds=SECONDS))
        command = [os.path.abspath(binary), "serve", "--listen", "127.0.0.1:0", "--pass-env", "PERFCTL_ASSUME_HEALTHY"]
        self.child = process.start(
            command,
            core,
            {"PERFCTL_ASSUME_HEALTHY": "true"},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        link = self.child.stdout.readline().split()[-1]
        self.address, self.token = link.removeprefix("http://").split("/#token=")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        process.stop(self.child)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path, body=None):
        """The JSON at a path behind the base."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{BASE}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def run(self, pages):
        """Starts a run, looks at it with so many pages, and waits for its end."""
        name = self.ask("/start", {"scenario": "pages", "profile": "steady"})["id"]
        over = threading.Event()
        # What each page has got, in seconds of the run.
        shown = [0] * pages
        readers = [threading.Thread(target=self._page, args=(name, over, shown, at)) for at in range(pages)]
        for reader in readers:
            reader.start()
        while self.ask("/active")["active"]:
            time.sleep(1)
        over.set()
        for reader in readers:
            reader.join()
        if pages and min(shown) < SECONDS - 2:
            raise RuntimeError(f"a page has seen {min(shown)} of {SECONDS} seconds: nothing is compared")
        return Run(self.ask(f"/{name}/report"))

    def _page(self, name, over, shown, at):
        """Follows the events, and asks for the numbers as often as the page does."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("GET", f"{BASE}/{name}/events", headers={"authorization": f"Bearer {self.token}"})
        events = connection.getresponse()
        refreshed = looked = 0.0
        for line in events:
            now = time.monotonic()
            if line.startswith(b"event: end") or over.is_set():
                break
            if not line.startswith(b"data: "):
                continue
            shown[at] += 1
            if now - refreshed > REFRESH_S:
                refreshed = now
                self.ask(f"/{name}")
            if now - looked > LOOK_S:
                looked = now
                self.ask("/active")
                self.ask("/?last=50")
        connection.close()
