"""A server on this machine that speaks what huggingface-hub asks of the Hub for models: create, upload, look, download.

It keeps every commit, wants its token for what is private and for every change, and can spoil a file on its way.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_for_tests"


@dataclass
class Repository:
    """Commits from the first to the newest, each with all of its files."""

    is_private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        """Adds files to the newest commit, as a new one."""
        oid = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[oid] = (list(self.commits.values())[-1] if self.commits else {}) | files
        return oid

    def at(self, revision: str) -> str | None:
        """The commit that a revision names."""
        if revision == "main" and self.commits:
            return list(self.commits)[-1]
        return revision if revision in self.commits else None


@dataclass
class Hub:
    """What the server holds, what it was asked, and how it spoils files: name -> "short", "flipped" or "huge"."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    spoilt: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def is_large(name: str) -> bool:
    """Whether the server keeps it beside the repository, with a SHA-256."""
    return name.endswith((".safetensors", ".mp4", ".pkl"))


@contextlib.contextmanager
def running() -> Iterator[Hub]:
    """Runs one."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *parts: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.answer()

        def do_HEAD(self) -> None:
            self.answer()

        def do_PUT(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            path, body = unquote(urlsplit(self.path).path), self.body()
            hub.asked.append(f"{self.command} {path}")
            may_write = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            if path.startswith("/objects/"):
                hub.objects[path.removeprefix("/objects/")] = body
                return self.send(200, b"")
            if path == "/api/validate-yaml":
                return self.tell({"errors": [], "warnings": []})
            if path == "/api/repos/create":
                return self.create(json.loads(body), may_write)
            match = re.fullmatch(r"(?:/api/models)?/([\w.-]+/[\w.-]+?)(\.git)?(?:/(.*))?", path)
            repository = match and hub.repositories.get(match[1])
            if not match or repository is None or (repository.is_private and not may_write):
                return self.refuse(401, "RepoNotFound")
            rest = match[3] or "revision/main"
            if self.command == "POST" and not may_write:
                return self.refuse(403, "")
            verb, _, rest = rest.partition("/")
            if verb == "revision":
                return self.describe(match[1], repository, rest)
            if verb == "resolve":
                return self.give(repository, *rest.split("/", 1))
            if verb == "preupload":
                names = [part["path"] for part in json.loads(body)["files"]]
                modes = [
                    {"path": name, "uploadMode": "lfs" if is_large(name) else "regular", "shouldIgnore": False}
                    for name in names
                ]
                return self.tell({"files": modes})
            if verb == "info":
                wanted = json.loads(body)["objects"]
                places = [
                    part | {"actions": {"upload": {"href": f"{hub.url}/objects/{part['oid']}"}}} for part in wanted
                ]
                return self.tell({"transfer": "basic", "objects": places})
            if verb == "commit":
                return self.commit(match[1], repository, body)
            return self.refuse(404, "EntryNotFound")

        def create(self, wanted: dict[str, Any], may_write: bool) -> None:
            if not may_write:
                return self.refuse(401, "")
            name = f"{wanted['organization']}/{wanted['name']}"
            status = 409 if name in hub.repositories else 200
            hub.repositories.setdefault(
                name, Repository(wanted.get("visibility") == "private" or wanted.get("private"))
            )
            return self.tell({"url": f"{hub.url}/{name}", "name": name}, status)

        def commit(self, name: str, repository: Repository, body: bytes) -> None:
            files = {}
            for row in map(json.loads, body.splitlines()):
                value = row["value"]
                if row["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif row["key"] == "lfsFile":
                    files[value["path"]] = hub.objects[value["oid"]]
            oid = repository.commit(files)
            self.tell({"success": True, "commitOid": oid, "commitUrl": f"{hub.url}/{name}/commit/{oid}"})

        def describe(self, name: str, repository: Repository, revision: str) -> None:
            oid = repository.at(revision)
            if oid is None:
                return self.refuse(404, "RevisionNotFound")
            siblings = []
            for file, content in repository.commits[oid].items():
                size = 2**50 if hub.spoilt.get(file) == "huge" else len(content)
                row: dict[str, Any] = {"rfilename": file, "size": size, "blobId": hashlib.sha1(content).hexdigest()}
                if is_large(file):
                    row["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 130}
                siblings.append(row)
            return self.tell({"id": name, "sha": oid, "private": repository.is_private, "siblings": siblings})

        def give(self, repository: Repository, revision: str, file: str) -> None:
            oid = repository.at(revision)
            if oid is None:
                return self.refuse(404, "RevisionNotFound")
            if file not in repository.commits[oid]:
                return self.refuse(404, "EntryNotFound")
            content, fault = repository.commits[oid][file], hub.spoilt.get(file)
            etag, size = hashlib.sha256(content).hexdigest(), len(content)
            if fault == "flipped":
                content = content[:-1] + bytes([content[-1] ^ 1])
            sent = content[: size // 2] if fault == "short" else content
            # A server that lost the end of a file says so at the look before, and sends less.
            told = size if self.command == "HEAD" else len(sent)
            return self.send(200, sent, {"ETag": f'"{etag}"', "X-Repo-Commit": oid, "Content-Length": str(told)})

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def tell(self, content: Any, status: int = 200) -> None:
            self.send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

        def refuse(self, status: int, code: str) -> None:
            headers = {"X-Error-Code": code} if code else {}
            self.send(status, b"{}", {"Content-Type": "application/json"} | headers)

        def send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
