"""Child processes: pinned to a core, with what they took of the machine.

Here: starting, waiting, CPU and memory. Not here: what is started (clients.py) and what the figures
mean.
"""

import os
import pty
import subprocess
import tempfile
import termios
import threading
import time
from dataclasses import dataclass


NOTHING = subprocess.DEVNULL


@dataclass
class Finished:
    """A child that has ended."""

    status: int
    stdout: str
    stderr: str
    user_s: float
    system_s: float
    wall_s: float

    @property
    def cpu_s(self):
        return self.user_s + self.system_s


def _pinned(core):
    if core is None:
        return None
    return lambda: os.sched_setaffinity(0, {core})


def start(command, core=None, env=None, **streams):
    """Starts a child on one core, with more environment than this process has."""
    merged = {**os.environ, **(env or {})}
    return subprocess.Popen(
        [str(part) for part in command], preexec_fn=_pinned(core), env=merged, **streams
    )


def run(command, core=None, env=None, terminal=False, screen=False, timeout_s=600):
    """Runs a child to its end. With `terminal`, its standard error is one, and read to the end. With `screen`, all its
    streams are one of 120 columns that it has for itself, and what it shows is its output."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        drain = None
        if terminal or screen:
            ours, theirs = pty.openpty()
            if screen:
                termios.tcsetwinsize(theirs, (40, 120))
                command = ["setsid", "--ctty", *command]
                streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
            else:
                streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": theirs}
            child = start(command, core, env, **streams)
            os.close(theirs)
            drain = threading.Thread(target=_drain, args=(ours, out if screen else err))
            drain.start()
        else:
            child = start(command, core, env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        # wait4 rather than Popen's wait: it tells what the child and all it waited for took.
        killer = threading.Timer(timeout_s, child.kill)
        killer.start()
        _, status, usage = os.wait4(child.pid, 0)
        killer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - began
        if drain:
            drain.join()
            os.close(ours)
        return Finished(
            child.returncode, _text(out), _text(err), usage.ru_utime, usage.ru_stime, wall_s
        )


def _drain(descriptor, into):
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # the child has closed its end
            return
        if not data:
            return
        into.write(data)


def _text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def stop(child, patience_s=5):
    """Ends a child that this program started."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def memory_kib(pid, field="VmRSS"):
    """Memory that a process and its children hold; KiB. 0 when it has ended."""
    total = 0
    for each in [pid, *descendants(pid)]:
        try:
            with open(f"/proc/{each}/status") as status:
                lines = [line for line in status if line.startswith(field + ":")]
        except OSError:
            continue
        total += int(lines[0].split()[1]) if lines else 0
    return total


def descendants(pid):
    """The children of a process, theirs, and so on."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as children:
                found += [int(child) for child in children.read().split()]
    except OSError:
        return found
    return found + [below for child in found for below in descendants(child)]


def start_here(command):
    """Starts a child where this process is pinned to, silent and without a detour through fork."""
    return subprocess.Popen(
        [str(part) for part in command], stdin=NOTHING, stdout=NOTHING, stderr=NOTHING
    )
