"""The document names every module of its first view, so that the browser need not find them one after the other."""

import posixpath
import re

from tests.unit.ui.test_vendor import STATIC

IMPORTED = re.compile(r"""^(?:import|export|\})[^'"\n]*?['"](\.{1,2}/[^'"]+)['"];$""", re.MULTILINE)


def modules(start: str) -> set[str]:
    """Paths of a module and of all that it imports when it is loaded."""
    found: set[str] = set()
    left = [start]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            text = (STATIC / path).read_text("utf-8")
            left += [
                posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in IMPORTED.findall(text)
            ]
    return found


def test_the_modules_of_the_first_view_are_preloaded() -> None:
    document = (STATIC / "index.html").read_text("utf-8")
    named = re.findall(r'<link rel="modulepreload" href="([^"]+)">', document)
    wanted = modules("js/app.js") | modules("js/pages/overview.js")
    assert len(wanted) > 20
    assert len(named) == len(set(named))
    assert set(named) == wanted - {"js/app.js"}, "app.js is named as the document's own"
