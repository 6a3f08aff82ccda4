"""The scripts that are served: our tag, and a user's own divolte.js."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from clickstream.collect.http.answers import Answer

STATIC = Path(__file__).resolve().parent.parent / "static"
TAG = "tag.js"
# A page that has the tag's usual address gets a new version within this time.
TAG_FRESH_S = 600
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Script:
    """One that is served as it is."""

    etag: str
    whole: Answer
    unchanged: Answer

    @staticmethod
    def of(content: bytes, cache: str, *more: tuple[str, str]) -> "Script":
        """`cache` is its Cache-Control, `more` are other headers."""
        etag = f'"{digest(content)}"'
        headers = [("etag", etag), ("cache-control", cache), ("x-content-type-options", "nosniff"), *more]
        kind = ("content-type", "text/javascript; charset=utf-8")
        return Script(etag, Answer(200, [kind, *headers], content), Answer(304, headers))

    def answer(self, if_none_match: str | None) -> Answer:
        """304 for who has it already."""
        if if_none_match is not None and self.etag in if_none_match:
            return self.unchanged
        return self.whole


def digest(content: bytes) -> str:
    """Of a script, for its name and ETag."""
    return hashlib.sha256(content).hexdigest()[:16]


def integrity(content: bytes) -> str:
    """For the attribute `integrity` of a script element."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def scripts(divolte_js: Path | None, static: Path = STATIC) -> dict[str, Script]:
    """By path. Raises OSError when the user's file cannot be read."""
    found = {}
    fresh = f"public, max-age={TAG_FRESH_S}"
    if (static / TAG).is_file():
        content = (static / TAG).read_bytes()
        lasting = f"/tag-{digest(content)}.js"
        # Who wants that one in a page finds its name and its sum here.
        link = ("link", f'<{lasting}>; rel="alternate"; integrity="{integrity(content)}"')
        found["/tag.js"] = Script.of(content, fresh, link)
        found[lasting] = Script.of(content, _FOR_EVER)
    if divolte_js is not None:
        found["/divolte.js"] = Script.of(divolte_js.read_bytes(), fresh)
    return found
