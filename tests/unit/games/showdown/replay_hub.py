"""A small hub of data sets on this machine: enough of the real one's API for its own client to read row groups."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass(slots=True)
class Hub:
    """What it serves, and what it was asked.

    Attributes:
        files: Repository -> name -> content.
        address: Of the server.
        requests: Path and range of each request for a file's content.
        status: Answered instead of a file's content while it is not 0.
        fails_after: So many contents are served before `status` is; None for all.
    """

    files: dict[str, dict[str, bytes]]
    address: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    status: int = 0
    fails_after: int | None = None


@contextmanager
def serving(files: Mapping[str, Mapping[str, bytes]]) -> Iterator[Hub]:
    """A hub, while the block runs."""
    hub = Hub(files={name: dict(content) for name, content in files.items()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: Any) -> None:
            return

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            asked = parse_qs(self.rfile.read(length).decode())
            repository = self.repository()
            files = hub.files.get(repository, {})
            self.send_value([entry(name, files[name]) for name in asked.get("paths", []) if name in files])

        def repository(self) -> str:
            parts = unquote(urlsplit(self.path).path).split("/")
            begin = parts.index("datasets") + 1 if "datasets" in parts else len(parts)
            return "/".join(parts[begin : begin + 2])

        def answer(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            repository = self.repository()
            files = hub.files.get(repository)
            if files is None:
                self.send_value({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            elif path.startswith(f"/datasets/{repository}/resolve/"):
                self.send_content(path, files[path.split("/", 6)[6]], with_body)
            elif "/tree/" in path:
                self.send_value([entry(name, data) for name, data in files.items()])
            else:
                self.send_value(about(repository, files))

        def send_content(self, path: str, data: bytes, with_body: bool) -> None:
            wanted = self.headers.get("Range", "")
            if with_body:
                hub.requests.append((path, wanted))
                if hub.status and (hub.fails_after is None or len(hub.requests) > hub.fails_after):
                    self.send_value({"error": "refused by the test"}, hub.status)
                    return
            if wanted:
                first, last = wanted.removeprefix("bytes=").split("-")
                end = min(int(last), len(data) - 1)
                self.send_bytes(
                    data[int(first) : end + 1], 206, {"Content-Range": f"bytes {first}-{end}/{len(data)}"}, with_body
                )
            else:
                self.send_bytes(data, 200, {}, with_body)

        def send_value(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
            self.send_bytes(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})

        def send_bytes(self, data: bytes, status: int, headers: Mapping[str, str], with_body: bool = True) -> None:
            self.send_response(status)
            for name, value in {"X-Repo-Commit": REVISION, "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def about(repository: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the hub says of a data set."""
    return {
        "id": repository,
        "sha": REVISION,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 1,
        "likes": 0,
        "tags": [],
        "cardData": {"license": "cc-by-nc-4.0"},
        "siblings": [{"rfilename": name, "size": len(data), "blobId": oid(data)} for name, data in files.items()],
    }


def entry(name: str, data: bytes) -> dict[str, Any]:
    """What the hub says of a file."""
    return {"type": "file", "path": name, "size": len(data), "oid": oid(data)}


def oid(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
