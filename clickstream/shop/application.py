"""Answers from a dict of files: there are no paths on a disk to get at."""

from collections.abc import Mapping
from typing import Any

from clickstream.shop.pages import MISSING, File

_WRONG_METHOD = [("allow", "GET, HEAD"), ("content-type", "text/plain; charset=utf-8")]


class Application:
    """RSGI. Nothing of a request is in its answer."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self._found = {path: (list(file.headers.items()), file.body) for path, file in files.items()}

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """One request, as granian calls it."""
        if scope.proto != "http" or scope.method not in ("GET", "HEAD"):
            protocol.response_bytes(405, _WRONG_METHOD, b"Only GET and HEAD.\n")
            return
        path = scope.path if scope.path in self._found and scope.path.startswith("/") else MISSING
        headers, body = self._found[path]
        status = 404 if path is MISSING else 200
        if scope.method == "HEAD":
            protocol.response_empty(status, headers)
        else:
            protocol.response_bytes(status, headers, body)
