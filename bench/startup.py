"""How soon the first request is sent, and how large the program is.

Here: the time from just before the program is started to the first byte at the server. Not here: memory
(memory.py).
"""

import os
import shutil
import socket
import tempfile
import threading
import time

import clients
import process
from table import Row, all_met, progress, show

GOAL_MS = 30
GOAL_MB = 15
TIMES = 20
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def measure(binary, cores):
    """Prints the table. Returns whether all goals were met."""
    rows = []
    for name, option in clients.perfctl_clients(binary):
        progress(f"startup: {name}, {TIMES} times")
        took = [_first_request_ms(binary, option, cores.client) for _ in range(TIMES)]
        rows.append(Row(f"perfctl, {name}, first request", took, "ms", GOAL_MS))
    size = os.path.getsize(binary) / 1e6
    rows.append(Row("the program, stripped", [size], "MB", GOAL_MB))
    show("Start and size", rows)
    return all_met(rows)


def _first_request_ms(binary, option, core):
    folder = tempfile.mkdtemp(prefix="perfctl-bench-")
    arrived = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                arrived.append(time.monotonic())
                connection.sendall(ANSWER)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = clients.perfctl_run(
            binary, url, os.path.join(folder, "out"), "-u", "1", "--iterations", "1", *option
        )
        mine = os.sched_getaffinity(0)
        # By inheritance rather than by a function in the child, which would have to be forked for it.
        os.sched_setaffinity(0, {core})
        began = time.monotonic()
        child = process.start_here(command)
        os.sched_setaffinity(0, mine)
        child.wait(30)
        server.join(5)
    shutil.rmtree(folder, ignore_errors=True)
    if not arrived:
        raise SystemExit("no request arrived within 5 s")
    return (arrived[0] - began) * 1e3
