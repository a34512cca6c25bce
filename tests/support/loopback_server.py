"""A server on loopback that misbehaves on purpose."""

import contextlib
import http.server
import threading
import time

import numpy as np
import pytest

BODY = bytes(np.random.RandomState(0).randint(256, size=300_017, dtype=np.uint8))


class Server(http.server.ThreadingHTTPServer):
    """Serves ``body``; each request consumes one entry of ``faults`` (missing = behaves)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.etag, self.modified = BODY, '"v1"', None
        self.ranges = self.length = True
        self.obeys_if_range = self.chunked = False
        self.faults, self.seen = [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/ratings.csv"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        fault = server.faults.pop(0) if server.faults else None
        asked = self.headers.get("Range")
        server.seen.append((asked, self.headers.get("If-Range")))
        if isinstance(fault, int) and fault >= 300:
            self.send_response(fault)
            if fault in (301, 302):
                self.send_header("Location", server.url + "?moved")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault == "slow":
            time.sleep(0.4)
        body, start, status = server.body, 0, 200
        fresh = server.obeys_if_range and self.headers.get("If-Range") not in (
            None,
            server.etag or server.modified,
        )
        if asked and server.ranges and not fresh:
            start = int(asked[len("bytes=") : -1])
            status = 206
        if start and start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("ETag", server.etag)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(status)
        if status == 206:
            told = start + 7 if fault == "wrong range" else start
            self.send_header("Content-Range", f"bytes {told}-{len(body) - 1}/{len(body)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.modified:
            self.send_header("Last-Modified", server.modified)
        extra = 5000 if fault == "tells too much" else 0
        if server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif server.length:
            self.send_header("Content-Length", str(len(body) - start + extra))
        self.end_headers()
        self.close_connection = True
        cut = fault[1] if isinstance(fault, tuple) else None  # ("drop", bytes sent before it)
        payload = body[start:] if cut is None else body[start : start + cut]
        with contextlib.suppress(OSError):
            if server.chunked:
                self.wfile.write(b"%x\r\n" % len(payload) + payload + b"\r\n")
                if cut is None:
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(payload)


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
