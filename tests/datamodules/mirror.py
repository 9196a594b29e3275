"""Mirrors on the loopback, for tests of downloads."""

from __future__ import annotations

import re
import threading
from collections import Counter
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["FaultyServer", "Server"]


class Server:
    """Serves a folder until it is stopped or its ``with`` block ends, and counts what is asked of it."""

    def __init__(self, folder: Path) -> None:
        asked: Counter[str] = Counter()

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                asked[self.path] += 1
                super().do_GET()

            def log_message(self, *args: Any) -> None:
                pass

        self.asked = asked
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class FaultyServer:
    """Serves ``content`` under every path, with ranges; what goes wrong is told by its attributes."""

    def __init__(self, content: bytes) -> None:
        self.content, self.etag = content, '"one"'
        self.cuts: list[int] = []  # bytes after which each of the next answers ends
        self.status = 200  # other than 200: all answers
        self.ranges = True
        self.asked: list[str | None] = []  # the Range of each request
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.headers.get("Range"))
                if server.status != 200:
                    self.send_error(server.status)
                    return
                found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
                fresh = self.headers.get("If-Range") in (None, server.etag)
                start = int(found[1]) if found and fresh and server.ranges else 0
                if start >= len(server.content):
                    self.send_error(416)
                    return
                body = server.content[start:]
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", server.etag)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
                self.end_headers()
                self.wfile.write(body[: server.cuts.pop(0)] if server.cuts else body)
                self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/data.zip"

    def stop(self) -> None:
        if not self.thread.is_alive():
            return
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
