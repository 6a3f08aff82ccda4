import re
from html.parser import HTMLParser

import pytest

from clickstream.shop.address import origin_and_base
from clickstream.shop.goods import PRODUCTS
from clickstream.shop.pages import MISSING, STATIC, File, files

COLLECTOR = "https://collector.example"
PAGES = ["/", "/products", *(f"/products/{product.name}" for product in PRODUCTS), "/basket", "/checkout", "/thanks"]


class Elements(HTMLParser):
    """Every start tag of a page, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == name]


def text(file: File) -> str:
    return file.body.decode()


def elements(path: str, collector: str = COLLECTOR) -> Elements:
    return Elements(text(files(collector)[path]))


@pytest.mark.parametrize("path", [*PAGES, MISSING])
def test_every_page_has_the_tag_and_no_script_or_style_within(path: str) -> None:
    page = elements(path)
    assert [script.get("src") for script in page.named("script")] == ["/shop.js", f"{COLLECTOR}/tag.js"]
    assert page.named("script")[1]["data-site"] == "shop"
    assert "data-consent" in page.named("script")[1]
    assert not page.named("style")
    assert not [attributes for _, attributes in page.found if "style" in attributes]
    assert not [name for _, attributes in page.found for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("path", [*PAGES, MISSING])
def test_every_page_says_that_it_is_a_demo_and_what_is_kept(path: str) -> None:
    page = files(COLLECTOR)[path]
    assert "Nothing is sold here" in text(page)
    assert f'href="{COLLECTOR}/privacy.json"' in text(page)
    assert 'id="consent"' in text(page)
    assert 'id="opt-out"' in text(page)


def test_links_within_the_shop_lead_somewhere() -> None:
    there = files(COLLECTOR)
    links = {link["href"] for path in PAGES for link in elements(path).named("a")}
    within = {link for link in links if link and link.startswith("/")}
    assert within <= there.keys(), within - there.keys()
    assert {"/", "/products", "/basket", "/checkout", "/prices.csv"} <= within


def test_only_the_shop_and_its_collector_have_a_say_in_pages() -> None:
    policy = dict(
        directive.split(" ", 1) for directive in files(COLLECTOR)["/"].headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'self' {COLLECTOR}"
    assert policy["connect-src"] == COLLECTOR


@pytest.mark.parametrize(
    ("collector", "origin", "base"),
    [
        ("http://127.0.0.1:8322", "http://127.0.0.1:8322", "http://127.0.0.1:8322"),
        ("http://127.0.0.1:8322/", "http://127.0.0.1:8322", "http://127.0.0.1:8322"),
        ("https://Shop.Example/stats/", "https://shop.example", "https://shop.example/stats"),
        ("http://[::1]:8322", "http://[::1]:8322", "http://[::1]:8322"),
        ("http://a.example/x\"><script>'", "http://a.example", "http://a.example/x%22%3E%3Cscript%3E%27"),
        ("http://a.example/x y;script-src *", "http://a.example", "http://a.example/x%20y%3Bscript-src%20%2A"),
    ],
)
def test_what_a_collectors_address_becomes(collector: str, origin: str, base: str) -> None:
    assert origin_and_base(collector) == (origin, base)


@pytest.mark.parametrize(
    "collector",
    [
        "",
        "127.0.0.1:8322",
        "javascript:alert(1)",
        'http://a"onload="x',
        "http://a;script-src *",
        "http://a b",
        "http://user:word@a.example",
        "http://a.example/?x",
        "http://a.example/#x",
        "http://a.example\nx: y",
    ],
)
def test_what_is_no_collectors_address_is_refused(collector: str) -> None:
    with pytest.raises(ValueError, match="an address such as"):
        files(collector)


def test_a_collectors_address_cannot_get_out_of_its_attribute() -> None:
    evil = 'http://a.example/"><script src="//evil.example/x.js"></script><a href="'
    for path in PAGES:
        page = elements(path, evil)
        sources = [script["src"] for script in page.named("script")]
        assert len(sources) == 2
        assert sources[1] is not None
        assert sources[1].startswith("http://a.example/%22%3E%3Cscript")
    assert "evil" not in files(evil)["/"].headers["content-security-policy"]


def test_what_people_type_has_no_name_to_be_sent_under() -> None:
    checkout = elements("/checkout")
    fields = [*checkout.named("input"), *checkout.named("select")]
    assert {"who", "mail", "where", "how"} <= {field["id"] for field in fields}
    assert not [field for field in fields if "name" in field]


def test_all_of_it_is_small() -> None:
    assert sum(len(file.read_bytes()) for file in STATIC.iterdir()) < 40_000


def test_fields_and_pictures_are_told_to_who_does_not_see_them() -> None:
    for path in PAGES:
        page = elements(path)
        labelled = {label["for"] for label in page.named("label") if "for" in label}
        fields = {field["id"] for name in ("input", "select") for field in page.named(name)}
        assert fields - {"consent", "opt-out"} == labelled, path  # these two are in their labels
        assert all("aria-hidden" in picture or "aria-label" in picture for picture in page.named("svg")), path
        assert len(page.named("h1")) == 1, path
        ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
        assert len(ids) == len(set(ids)), path


def test_style_sheet_knows_both_schemes_with_the_same_colours() -> None:
    style = text(files(COLLECTOR)["/shop.css"])
    light, dark = style.split("prefers-color-scheme: dark", 1)
    colours = set(re.findall(r"(--[a-z0-9-]+): #", light))
    assert colours == set(re.findall(r"(--[a-z0-9-]+): #", dark))
