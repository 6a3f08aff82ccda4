"""What the shop answers: its files, with the collector's address put into its pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from clickstream.shop.address import origin_and_base
from clickstream.shop.goods import PRODUCTS, Product

STATIC = Path(__file__).resolve().parent / "static"
SITE = "shop"
MISSING = "404"
"""The key of what is answered where nothing is."""

_PLAIN = {
    "/shop.css": "text/css; charset=utf-8",
    "/shop.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
_HTML = "text/html; charset=utf-8"
PICKED = ("lantern", "float", "compass")


@dataclass(frozen=True)
class File:
    """What is at a path: its body, and headers by name."""

    body: bytes
    headers: Mapping[str, str]


def files(collector: str) -> dict[str, File]:
    """All there is, by path; MISSING for every other. Raises ValueError when `collector` is no address."""
    origin, base = origin_and_base(collector)
    headers = _headers(origin)
    found = {
        path: File((STATIC / path[1:]).read_bytes(), {**headers, "content-type": kind}) for path, kind in _PLAIN.items()
    }
    found["/prices.csv"] = File(_price_list(), {**headers, "content-type": "text/csv; charset=utf-8"})
    for path, (title, main) in _pages().items():
        text = _filled("layout", {"main": main}, title=title, collector=base, site=SITE)
        found[path] = File(text.encode(), {**headers, "content-type": _HTML})
    return found


def _headers(collector: str) -> dict[str, str]:
    """`collector`: its origin. Only its scripts and the shop's own run, and pages connect to nobody else."""
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' {collector}",
        "connect-src": collector,
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {allowed}" for name, allowed in policy.items()),
        "cache-control": "no-cache",
        "referrer-policy": "strict-origin-when-cross-origin",
        "x-content-type-options": "nosniff",
    }


def _pages() -> dict[str, tuple[str, str]]:
    """Title and content by path."""
    picked = [product for product in PRODUCTS if product.name in PICKED]
    lines = "".join(map(_line, PRODUCTS))
    return {
        "/": ("Leeward, a demo shop", _filled("home", {"picked": _cards(picked)})),
        "/products": ("Products · Leeward", _filled("products", {"goods": _cards(PRODUCTS)})),
        **{f"/products/{product.name}": (f"{product.title} · Leeward", _product(product)) for product in PRODUCTS},
        "/basket": ("Basket · Leeward", _filled("basket", {"lines": lines})),
        "/checkout": ("Checkout · Leeward", _filled("checkout", {"summary": "".join(map(_summary_line, PRODUCTS))})),
        "/thanks": ("Thank you · Leeward", _filled("thanks", {})),
        MISSING: ("Nothing here · Leeward", _filled("missing", {})),
    }


def _product(product: Product) -> str:
    at = PRODUCTS.index(product)
    others = [PRODUCTS[(at + step) % len(PRODUCTS)] for step in (1, 2, 3)]
    return _filled(
        "product",
        {
            "picture": _picture(product),
            "details": "".join(f"<li>{escape(detail)}</li>" for detail in product.details),
            "others": _cards(others),
        },
        product=product.name,
        name=product.title,
        price=product.price_text,
        cents=str(product.price),
        words=product.words,
    )


def _picture(product: Product) -> str:
    return f'<svg viewBox="0 0 120 90" aria-hidden="true">{product.picture}</svg>'


def _cards(products: Iterable[Product]) -> str:
    return "".join(
        f'<li><a href="/products/{product.name}">{_picture(product)}'
        f"<div><strong>{escape(product.title)}</strong><span>{product.price_text}</span></div></a></li>"
        for product in products
    )


def _line(product: Product) -> str:
    """Of the basket; shown while the product is in it."""
    return (
        f'<li data-line="{product.name}" data-price="{product.price}" hidden>{_picture(product)}'
        f'<a href="/products/{product.name}">{escape(product.title)}</a><span data-sum></span>'
        f"<small><span data-quantity></span> x {product.price_text}</small>"
        f'<button type="button" class="quiet" data-remove="{product.name}" aria-label="Remove {escape(product.title)}">'
        "Remove</button></li>"
    )


def _summary_line(product: Product) -> str:
    return (
        f'<li data-line="{product.name}" data-price="{product.price}" hidden>'
        f"<span><span data-quantity></span> x {escape(product.title)}</span><span data-sum></span></li>"
    )


def _price_list() -> bytes:
    rows = [f"{product.name},{product.title},{product.price / 100:.2f}" for product in PRODUCTS]
    return "\n".join(["product,title,price_eur", *rows, ""]).encode()


def _filled(file: str, markup: Mapping[str, str], **texts: str) -> str:
    """A file of HTML: `markup` goes in as it is, `texts` as text or the value of an attribute."""
    template = Template((STATIC / f"{file}.html").read_text("utf-8"))
    return template.substitute({**markup, **{key: escape(text) for key, text in texts.items()}})
