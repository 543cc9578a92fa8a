"""The target: nginx with a configuration of its own, one worker on one core.

Here: starting it, its count of requests, its CPU time, stopping it. Not here: who asks it.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

import process

# With the head it is 245 bytes: small, and all in one segment.
BODY = "x" * 100

# Files beside it, by path. The JSON has 10 KB.
FILES = {
    "json": json.dumps(
        {"items": [{"id": i, "name": f"item {i}", "price": {"amount": i * 1.25, "currency": "EUR"}, "tags": ["a", "b"]}
                   for i in range(100)], "total": 100, "marker": "the end"}
    ).encode(),
    "large": os.urandom(1_000_000),
}

# What `Server-Timing` says of a response, and a header of the same length says nothing. Beside either is one that differs
# from response to response, as the times of a service do: heads that are the same are not even parsed.
PARTS = "db;dur=4.2, cache;desc=hit"

CONFIG = """\
worker_processes 1;
worker_rlimit_nofile {files};
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    log_format arrivals $msec;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=16384;
        location = /status {{ stub_status; }}
        location = /json {{ root {folder}/files; default_type application/json; }}
        # As in Debian's configuration. Otherwise nginx takes all of its core for copying, and no client can be faster.
        location = /large {{ root {folder}/files; sendfile on; tcp_nopush on; }}
        location = /parts {{
            add_header Server-Timing "{parts}";
            add_header X-Request-Id $request_id;
            return 200 "{body}";
        }}
        location = /untimed {{
            add_header Server-Silent "{parts}";
            add_header X-Request-Id $request_id;
            return 200 "{body}";
        }}
        location = /timed {{ access_log {folder}/arrivals.log arrivals; return 200 "{body}"; }}
        location / {{ return 200 "{body}"; }}
    }}
    server {{
        listen 127.0.0.1:{http2_port} http2 backlog=16384;
        location / {{ return 200 "{body}"; }}
    }}
    server {{
        listen 127.0.0.1:{tls_port} ssl http2 backlog=16384;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


def missing():
    """Why there can be no target here; `None` when there can."""
    for program in ("nginx", "openssl"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running nginx; stops when its `with` ends."""

    def __init__(self, core):
        self.core = core
        self.folder = tempfile.mkdtemp(prefix="perfctl-bench-")
        # Its worker is nobody, who has to get at the folder.
        os.chmod(self.folder, 0o755)
        self.port, self.http2_port, self.tls_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # HTTP/2 by prior knowledge, and over TLS.
        self.http2_url = f"http://127.0.0.1:{self.http2_port}"
        self.tls_url = f"https://127.0.0.1:{self.tls_port}"

    def __enter__(self):
        hard = _descriptors()
        os.mkdir(os.path.join(self.folder, "files"))
        for name, content in FILES.items():
            with open(os.path.join(self.folder, "files", name), "wb") as file:
                file.write(content)
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                *("-subj", "/CN=localhost", "-days", "2"),
                *("-keyout", os.path.join(self.folder, "key.pem")),
                *("-out", os.path.join(self.folder, "certificate.pem")),
            ],
            check=True,
            capture_output=True,
        )
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w") as file:
            file.write(
                CONFIG.format(
                    folder=self.folder,
                    port=self.port,
                    http2_port=self.http2_port,
                    tls_port=self.tls_port,
                    body=BODY,
                    parts=PARTS,
                    files=hard,
                    connections=max(hard - 100, 512),
                )
            )
        self.child = process.start(
            ["nginx", "-e", f"{self.folder}/error.log", "-p", self.folder, "-c", config],
            core=self.core,
            stdin=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                self.requests()
                return self
            except OSError:
                if self.child.poll() is not None:
                    break
                time.sleep(0.02)
        self.__exit__()
        raise RuntimeError("nginx did not start; its words stand above")

    def __exit__(self, *_):
        process.stop(self.child)
        shutil.rmtree(self.folder, ignore_errors=True)

    def requests(self):
        """How many requests it has had, those for this number left out."""
        text = self._status().splitlines()
        count = int(text[2].split()[2])
        self._asked = getattr(self, "_asked", 0) + 1
        return count - self._asked

    def arrivals_s(self):
        """When each request for `/timed` came since this was asked last, by a clock of milliseconds; seconds."""
        path = os.path.join(self.folder, "arrivals.log")
        with open(path, "r+") as file:
            times = [float(line) for line in file]
            file.truncate(0)
        return times

    def cpu_s(self):
        """The CPU time that its worker has used."""
        (worker,) = process.descendants(self.child.pid)
        with open(f"/proc/{worker}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self):
        with urllib.request.urlopen(f"{self.url}/status", timeout=5) as answer:
            return answer.read().decode()


def _descriptors():
    """The most descriptors a process may have here."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1048576 if hard == resource.RLIM_INFINITY else hard
