"""What perfctl finds in the built-in service: nothing in healthy runs, and each fault where there is one.

    python3 bench/findings.py target/dist/perfctl [--healthy 20] [--jobs 4]

Prints a table of the faults with the rules that found them and what was said, and how many findings the healthy runs
had. Exits with 1 if a fault was not found, or a healthy run had a finding. Takes about five minutes.
"""

import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

SCENARIO = pathlib.Path(__file__).with_name("findings.yaml")

# The fault, the profile that shows it, and the rules that it is there for; the first one has to find it.
FAULTS = [
    ("slow-db", "steady", ["slow_queries"]),
    ("cache-misses", "steady", ["cache_misses"]),
    ("n-plus-one", "steady", ["n_plus_one"]),
    ("leak", "long", ["memory_growth"]),
    ("rising-latency", "long", ["degradation"]),
    ("saturation", "levels", ["saturation", "resource_exhaustion", "queueing"]),
    ("stalls", "long", ["periodic_stalls"]),
    ("bad-instance", "steady", ["bad_instance", "high_error_rate"]),
]


def findings(perfctl, out, profile, seed, fault=None):
    """The findings of a run, as in its JSON report."""
    command = [perfctl, "run", str(SCENARIO), "--profile", profile, "--seed", str(seed)]
    # The machine is shared by several runs, whose delays must not hide what is found.
    command += ["--assume-healthy", "--quiet", "--format", "json", "--out", str(out)]
    if fault:
        command += ["--demo-fault", fault]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)["findings"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("perfctl")
    parser.add_argument("--healthy", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=4)
    args = parser.parse_args()
    is_good = True
    with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        run = lambda number, *rest: pool.submit(findings, args.perfctl, pathlib.Path(directory) / str(number), *rest)
        faults = [run(i, profile, 42, fault) for i, (fault, profile, _) in enumerate(FAULTS)]
        healthy = [
            run(100 + seed, "levels" if seed % 5 == 4 else "steady", seed) for seed in range(args.healthy)
        ]
        print("| fault | rule | severity | what it says |\n|:--|:--|:--|:--|")
        for (fault, _, expected), future in zip(FAULTS, faults):
            found = future.result()
            rules = [one["rule"] for one in found]
            for one in found:
                mark = "" if one["rule"] in expected else " (not expected)"
                print(f"| `{fault}` | `{one['rule']}`{mark} | {one['severity']} | {one['text']} |")
            if expected[0] not in rules:
                print(f"| `{fault}` | not found | | |")
            is_good &= expected[0] in rules and set(rules) <= set(expected)
        alarms = [one for future in healthy for one in future.result()]
    print(f"\n{args.healthy} healthy runs: {len(alarms)} findings")
    for one in alarms:
        print(f"- {one['rule']}: {one['text']}")
    sys.exit(0 if is_good and not alarms else 1)


if __name__ == "__main__":
    main()
