"""A collector that takes whatever exporters send.

Not here: what is sent, and what sending costs (instructions.py, watched.py).
"""

import contextlib
import http.server
import threading


class Taking(http.server.BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def everything():
    """The options of a run that exports in every way there is, while there is somebody who takes it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = "127.0.0.1:{}".format(server.server_address[1])
        url = f"http://{address}"
        yield [
            *("--prometheus", "127.0.0.1:0", "--statsd", address, "--dogstatsd", address),
            *("--remote-write", f"{url}/write", "--otlp", url, "--influx", f"{url}/write?db=x"),
        ]
        server.shutdown()
