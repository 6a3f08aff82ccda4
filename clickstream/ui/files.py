"""The files of the pages, as they are sent: compressed, and not sent again while they are the same."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

STATIC = Path(__file__).parent / "static"

# The system's table of types may say anything, and with `nosniff` a wrong one is refused.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".toml": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
    ".png": "image/png",
}
_PACKED = (".woff2", ".png")
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")

# The first word of the address of a page: all of them are the same document, which draws what is asked for.
PAGES = ("overview", "sessions", "errors", "products", "topics", "dead-letters", "flow", "sources", "query")


@dataclass(frozen=True)
class Content:
    """A file's bytes, plain and compressed ("" if that is of no use), and the tag of this version of it."""

    plain: bytes
    packed: bytes
    type_: str
    tag: str
    version: tuple[int, int]


class Files:
    """What lies below `root`. Read when it is first asked for, and again when it has changed."""

    def __init__(self, root: Path = STATIC) -> None:
        self._root = root
        self._known: dict[Path, Content] = {}

    def has(self, path: str) -> bool:
        """Whether there is something at this path of an address, for everybody to read."""
        return self._file(path) is not None

    def _file(self, path: str) -> Path | None:
        if path == "/" or path.split("/")[1] in PAGES:
            return self._root / "index.html"
        if not _PATH.fullmatch(path):  # no dots in front: neither hidden files nor ways out
            return None
        file = self._root / path[1:]
        return file if file.suffix in TYPES and file.is_file() else None

    async def answer(self, request: Request) -> Response:
        """The file of the request's path; 404 if there is none."""
        file = self._file(request.url.path)
        if file is None:
            return PlainTextResponse("There is nothing at this address.\n", 404)
        content = self._content(file)
        packed = bool(content.packed) and "gzip" in request.headers.get("accept-encoding", "")
        tag = f'"{content.tag}{"-gz" if packed else ""}"'
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if packed:
            headers["content-encoding"] = "gzip"
        return Response(content.packed if packed else content.plain, headers=headers, media_type=content.type_)

    def _content(self, file: Path) -> Content:
        stat = file.stat()
        version = stat.st_mtime_ns, stat.st_size
        known = self._known.get(file)
        if known is None or known.version != version:
            plain = file.read_bytes()
            packed = b"" if file.suffix in _PACKED else gzip.compress(plain, 9, mtime=0)
            tag = hashlib.sha256(plain).hexdigest()[:24]
            known = self._known[file] = Content(plain, packed, TYPES[file.suffix], tag, version)
        return known
