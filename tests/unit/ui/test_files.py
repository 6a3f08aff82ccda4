import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from clickstream.ui.files import PAGES, STATIC, TYPES, Files
from tests.unit.ui.asgi import Answer, ask

HTML = "<!doctype html><title>clickstream</title>" + "x" * 500


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "static" / "js").mkdir(parents=True)
    (tmp_path / "static" / "index.html").write_text(HTML)
    (tmp_path / "static" / "js" / "app.js").write_text("export const é = 1;\n", "utf-8")
    (tmp_path / "static" / "font.woff2").write_bytes(b"wOF2")
    (tmp_path / "static" / "secret.key").write_text("not of the pages")
    (tmp_path / "static" / ".hidden.js").write_text("hidden")
    (tmp_path / "outside.js").write_text("outside")
    return tmp_path / "static"


def get(files: Files, path: str, *headers: tuple[str, str]) -> Answer:
    return ask(Starlette(routes=[Route("/{path:path}", files.answer)]), path, headers)


def test_a_file_comes_with_its_type_in_utf_8(root: Path) -> None:
    answer = get(Files(root), "/js/app.js")
    assert (answer.status, answer.body.decode()) == (200, "export const é = 1;\n")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/overview", "/topics/clickstream.v2", "/dead-letters"])
def test_each_page_is_the_same_document(root: Path, path: str) -> None:
    files = Files(root)
    assert files.has(path)
    assert get(files, path).body.decode() == HTML


@pytest.mark.parametrize(
    "path",
    [
        "/nothing.js",
        "/js",
        "/js/",
        "/../outside.js",
        "/js/../../outside.js",
        "/js/..%2f..%2foutside.js",
        "/.hidden.js",
        "//etc/passwd",
        "/secret.key",
        "/js/app.js/",
        "/js\\app.js",
        "/js/app.js\0",
        "/overviews",
    ],
)
def test_nothing_else_is_there(root: Path, path: str) -> None:
    files = Files(root)
    assert not files.has(path)
    assert get(files, path).status == 404


def test_it_is_compressed_for_who_takes_that_and_not_twice(root: Path) -> None:
    files = Files(root)
    packed = get(files, "/", ("accept-encoding", "gzip, br"))
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body).decode() == HTML
    assert "content-encoding" not in get(files, "/").headers
    assert "content-encoding" not in get(files, "/font.woff2", ("accept-encoding", "gzip")).headers


def test_what_is_the_same_is_not_sent_again(root: Path) -> None:
    files = Files(root)
    tag = get(files, "/js/app.js").headers["etag"]
    again = get(files, "/js/app.js", ("if-none-match", tag))
    assert (again.status, again.body) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"
    (root / "js" / "app.js").write_text("export const other = 22;\n")
    assert get(files, "/js/app.js", ("if-none-match", tag)).status == 200


def test_what_the_package_brings_can_be_sent() -> None:
    unknown = [file for file in STATIC.rglob("*") if file.is_file() and file.suffix not in TYPES]
    assert unknown == []
    assert (STATIC / "index.html").exists()
    assert len(set(PAGES)) == len(PAGES)
