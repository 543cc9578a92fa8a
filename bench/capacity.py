"""Searches for the capacity of services whose capacity is known: `python3 bench/capacity.py`, after `cargo build --profile dist`.

The built-in service is the queue, the pool and the limiter of docs/capacity.md. Prints for each search what it found, its
interval and its time, and for each service how many were within 5%, and how many intervals cover the truth.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

PERFCTL = os.environ.get("PERFCTL", "target/dist/perfctl")
SERVICES = [
    # name, options of the service, options of the search, truth
    ("queue", ["--service-time", "exponential:5ms"], ["--slo", "p95<100ms", "--arrivals", "poisson"], 200 - math.log(20) / 0.1),
    ("pool", ["--service-time", "20ms", "--servers", "4"], ["--slo", "p95<100ms"], 200.0),
    ("limiter", ["--limit", "300"], ["--slo", "error_rate<1%"], 300 / 0.99),
]


def search(service, number, more):
    """One search on a service of its own: its answer and its time in seconds."""
    name, serve, options, _ = service
    demo = subprocess.Popen(
        [PERFCTL, "demo", "--port", "0", "--seed", str(number), *serve], stdout=subprocess.PIPE, text=True
    )
    try:
        url = demo.stdout.readline().split()[2].rstrip(";")
        with tempfile.TemporaryDirectory() as results:
            started = time.monotonic()
            done = subprocess.run(
                [PERFCTL, "capacity", f"{url}/health", *options, "--seed", str(number), "--workers", "1", "--client", "direct",
                 "--budget", "9m30s", "--format", "json", "--out", results, "--quiet", *more],
                capture_output=True, text=True,
            )
            took = time.monotonic() - started
    finally:
        demo.terminate()
        demo.wait()
    if not done.stdout:
        sys.exit(f"{name}: {done.stderr}")
    return json.loads(done.stdout), took


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=5)
    parser.add_argument("--only", help="the name of one service")
    parser.add_argument("more", nargs="*", help="options of `perfctl capacity`, after `--`")
    args = parser.parse_args()
    jobs = [(service, number) for number in range(1, args.searches + 1) for service in SERVICES
            if args.only in (None, service[0])]
    rows = {}
    with ThreadPoolExecutor(args.at_once) as pool:
        found = pool.map(lambda job: (job, *search(*job, args.more)), jobs)
        for (service, number), answer, took in found:
            name, truth = service[0], service[3]
            capacity, interval = answer["capacity"], answer["interval"]
            invalid = sum(level["verdict"] == "invalid" for level in answer["levels"])
            print(f"{name:8} {number:2} truth {truth:6.1f} found {capacity} in {interval} {answer['outcome']} "
                  f"confirmed {answer['confirmed']} {took:4.0f} s, {invalid} of {len(answer['levels'])} levels INVALID", flush=True)
            rows.setdefault((name, truth), []).append((capacity, interval, took))
    print("\n| service | truth | found | within 5% | intervals that cover it | time |\n|:--|--:|:--|--:|--:|:--|")
    for (name, truth), row in rows.items():
        known = [one for one in row if one[0] is not None]
        levels = sorted(one[0] for one in known) or [math.nan]
        close = sum(abs(one[0] / truth - 1) <= 0.05 for one in known)
        covers = sum(one[1][0] <= truth <= one[1][1] for one in known)
        times = sorted(one[2] for one in row)
        print(f"| {name} | {truth:.1f}/s | {levels[0]:.1f} to {levels[-1]:.1f}/s, median {levels[len(levels) // 2]:.1f}/s "
              f"| {close} of {len(row)} | {covers} of {len(row)} | {times[0]:.0f} to {times[-1]:.0f} s |")


if __name__ == "__main__":
    main()
