"""The web site that visitors walk through: what may be requested where, and what it is answered with.

The site of ksqlDB's clickstream demo (its pages, images, status codes and sizes), with a search, products and
links between them, so that paths make sense: the referrer is the page before, a page is followed by its images,
a login by its redirect, and errors come from the requests that deserve them.
"""

from collections.abc import Iterator, Mapping, Sequence

from clickstream.generate.moves import Move
from clickstream.records import encode

HOST = "https://www.example.com"
SEARCH_ENGINE = "https://search.example.net/"

# The definitions are the demo's.
CODES = {
    200: "Successful",
    302: "Redirect",
    404: "Page not found",
    405: "Method not allowed",
    406: "Not acceptable",
    407: "Proxy authentication required",
}

GOODS = ("chair", "desk", "lamp", "mirror", "rug", "shelf")
PRODUCTS_OF_A_KIND = 4

HOME, LOGIN, ACCOUNT, REPORTS = "/index.html", "/site/login.html", "/site/user_status.html", "/site/reports.html"
SIZES = (278, 1289, 2048, 4096, 4006, 4196, 14096)
REPORT_SIZES = (48_213, 61_440, 72_004)

OUTSIDE = "outside"
OUTSIDE_FOR_REPORTS = "outside, for reports"
SIGNED_IN = "signed in"


def search(goods: str) -> str:
    """The path of the list of one kind of goods."""
    return f"/site/search.html?q={goods}"


def product(number: int) -> str:
    """The path of a product's page."""
    return f"/site/product.html?id={number}"


def _products_of(goods: str) -> range:
    first = 100 + GOODS.index(goods) * PRODUCTS_OF_A_KIND
    return range(first, first + PRODUCTS_OF_A_KIND)


def positions() -> Mapping[str, Sequence[Move]]:
    """All positions of a visitor: at a page just come, its logo loaded, all of it seen; and between pages.

    Visits begin OUTSIDE, or OUTSIDE_FOR_REPORTS for the few who download without end.
    """
    pages: dict[str, list[Move]] = {HOME: _at_home(), LOGIN: _at_login(), ACCOUNT: _at_account()}
    for goods in GOODS:
        pages[search(goods)] = _at_search(goods)
        for number in _products_of(goods):
            pages[product(number)] = _at_product(goods, number)
    pages[REPORTS] = _at_reports()
    found: dict[str, Sequence[Move]] = {
        OUTSIDE: list(_new_visit(1.0)),
        OUTSIDE_FOR_REPORTS: [_page(1.0, REPORTS, None)],
        SIGNED_IN: [_page(1.0, ACCOUNT, LOGIN)],
    }
    for page, browse in pages.items():
        if page != REPORTS:
            browse = [*browse, *_errors(page), *_new_visit(2.0)]
        found[page] = [_image(70.0, "logo-small", page, _logo_loaded(page)), *_scaled(30.0, browse)]
        found[_logo_loaded(page)] = [_image(60.0, "track", page, _seen(page)), *_scaled(40.0, browse)]
        found[_seen(page)] = browse
    return found


def _logo_loaded(page: str) -> str:
    return f"{page}, logo loaded"


def _seen(page: str) -> str:
    return f"{page}, seen"


# --- from which page to where; the weights of a page add up to about 8, errors and new visits come on top


def _at_home() -> list[Move]:
    searches = [_page(0.7, search(goods), HOME) for goods in GOODS]
    return [_page(2.5, LOGIN, HOME), *searches, _page(0.8, ACCOUNT, HOME)]


def _at_login() -> list[Move]:
    refused = _page(1.0, LOGIN, LOGIN)
    return [Move(7.0, _request("POST", LOGIN, 302, 278, LOGIN), SIGNED_IN), refused]


def _at_account() -> list[Move]:
    return [_page(2.0, HOME, ACCOUNT), *(_page(1.0, search(goods), ACCOUNT) for goods in GOODS)]


def _at_search(goods: str) -> list[Move]:
    here = search(goods)
    others = [_page(0.4, search(other), here) for other in GOODS if other != goods]
    return [*(_page(1.5, product(number), here) for number in _products_of(goods)), *others]


def _at_product(goods: str, number: int) -> list[Move]:
    here = product(number)
    others = [_page(1.2, product(other), here) for other in _products_of(goods) if other != number]
    return [_page(2.4, search(goods), here), *others, _page(1.0, HOME, here), _page(1.0, LOGIN, here)]


def _at_reports() -> list[Move]:
    downloads = [
        Move(30.0, _request("GET", "/downloads/report.zip", 200, size, REPORTS), _seen(REPORTS))
        for size in REPORT_SIZES
    ]
    return [*downloads, _page(10.0, REPORTS, REPORTS)]


def _new_visit(weight: float) -> Iterator[Move]:
    yield _page(weight * 0.6, HOME, None)
    yield _page(weight * 0.2, HOME, SEARCH_ENGINE)
    yield _page(weight * 0.2, search(GOODS[2]), SEARCH_ENGINE)


def _errors(page: str) -> Iterator[Move]:
    """Requests that fail; the visitor stays where he is."""
    for weight, method, path, status in (
        (0.40, "GET", "/site/old_offers.html", 404),
        (0.25, "POST", "/index.html", 405),
        (0.25, "GET", "/images/banner.webp", 406),
        (0.25, "GET", "/partners/offers.html", 407),
    ):
        yield Move(weight, _request(method, path, status, 278, page), _seen(page))


# --- what a request looks like in the click


def _page(weight: float, path: str, referrer: str | None) -> Move:
    return Move(weight, _request("GET", path, 200, _size(path), referrer), path)


def _image(weight: float, name: str, page: str, to: str) -> Move:
    path = f"/images/{name}.png"
    return Move(weight, _request("GET", path, 200, _size(path), page), to)


def _size(path: str) -> int:
    """A page always has the same size."""
    return SIZES[sum(path.encode()) % len(SIZES)]


def _scaled(total: float, moves: Sequence[Move]) -> list[Move]:
    factor = total / sum(move.weight for move in moves)
    return [Move(move.weight * factor, move.text, move.to) for move in moves]


def _request(method: str, path: str, status: int, size: int, referrer: str | None) -> bytes:
    """The members of a click from `request` to `referrer`, as JSON text."""
    if referrer is not None and referrer.startswith("/"):
        referrer = HOST + referrer
    members = {"request": f"{method} {path} HTTP/1.1", "status": status, "bytes": size, "referrer": referrer}
    return b"," + encode(members)[1:-1]
