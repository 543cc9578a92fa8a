"""Installing what perfctl is compared to: from Debian, crates and PyPI, into `bench/.peers` where that
can be chosen.

Here: what comes from where. Not here: whether it is there (clients.py).
"""

import os
import shutil
import subprocess
import sys

import clients

# By program: the package of Debian that has it.
DEBIAN = {
    "nginx": "nginx",
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "ab": "apache2-utils",
    "hey": "hey",
    "valgrind": "valgrind",
}


def install():
    """Installs what is missing. Returns how many of it could not be."""
    failed = 0
    packages = [package for program, package in DEBIAN.items() if not shutil.which(program)]
    if packages:
        failed += not _do("apt-get", "update", "-q")
        failed += not _do("apt-get", "install", "-qy", "--no-install-recommends", *packages)
    cargo = ("nice", "cargo", "install", "--root", clients.PEERS)
    if not os.path.exists(os.path.join(clients.PEERS, "bin", "oha")):
        failed += not _do(*cargo, "--locked", "oha")
    if not os.path.exists(os.path.join(clients.PEERS, "bin", "goose-peer")):
        failed += not _do(*cargo, "--path", os.path.join(clients.BENCH, "goose"))
    locust = os.path.join(clients.PEERS, "locust")
    if not os.path.exists(os.path.join(locust, "bin", "locust")):
        failed += not (
            _do(sys.executable, "-m", "venv", locust)
            and _do(os.path.join(locust, "bin", "pip"), "install", "-q", "locust")
        )
    if not shutil.which("k6"):
        print("k6 is in none of these; put it on PATH for its rows", file=sys.stderr)
    return failed


def _do(*command):
    print("$", *command, file=sys.stderr, flush=True)
    try:
        return subprocess.run(command).returncode == 0
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
