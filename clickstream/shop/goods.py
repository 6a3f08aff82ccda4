"""What the shop pretends to sell, with pictures in the colours of its style sheet."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """`name` is for addresses and events; `price` in cents; `picture` is the inside of an SVG, 120 x 90."""

    name: str
    title: str
    price: int
    words: str
    details: tuple[str, ...]
    picture: str

    @property
    def price_text(self) -> str:
        """For people."""
        return f"€ {self.price / 100:.2f}"


_GROUND = '<path class="sand" d="M0 72q30-5 60-2t60-3v23H0z"/>'

PRODUCTS = (
    Product(
        "lantern",
        "Harbour lantern",
        4900,
        "A lamp for the last ten metres of the jetty. It burns for nine hours and minds no wind.",
        ("Brass and glass, 31 cm", "Lamp oil is not part of it", "One year of light, made up"),
        _GROUND + '<path class="line" d="M46 24q14-22 28 0"/><path class="water" d="M44 30h32l4 42H40z"/>'
        '<path class="pale" d="M49 36h22l2 30H47z"/><path class="sun" d="M60 40q9 11 0 22-9-11 0-22z"/>'
        '<path class="ink" d="M48 24h24v6H48zM37 72h46v6H37z"/>',
    ),
    Product(
        "mug",
        "Enamel mug",
        1450,
        "Survives the galley, the fire and the fall between them. Holds what a cold morning asks for.",
        ("Enamelled steel, 0.35 l", "A blue rim, as it has to be", "Not for microwaves"),
        _GROUND
        + '<path class="line" d="M80 38q18-2 17 14-1 15-18 14"/><path class="paper" d="M36 28h46l-3 46q-20 6-40 0z"/>'
        '<path class="water" d="M35 26h48v6H35z"/>'
        '<path class="swell" d="M43 48q4-4 8 0t8 0 8 0 8 0M43 56q4-4 8 0t8 0 8 0 8 0"/>'
        '<path class="thin" d="M48 20q-4-5 0-9M60 19q-4-5 0-9M72 20q-4-5 0-9"/>',
    ),
    Product(
        "compass",
        "Pocket compass",
        3200,
        "Points north, and at nobody. For those who like to know where they would be going.",
        ("Brass case, 5 cm", "Damped needle", "Declination is yours to mind"),
        _GROUND + '<circle class="ink" cx="60" cy="14" r="6"/><circle class="sun" cx="60" cy="48" r="32"/>'
        '<circle class="paper" cx="60" cy="48" r="26"/><path class="mark" d="M60 25v6M60 65v6M37 48h6M77 48h6"/>'
        '<path class="alert" d="m72 32-7 20-10-8z"/><path class="water" d="m48 64 7-20 10 8z"/>'
        '<circle class="sun" cx="60" cy="48" r="3"/>',
    ),
    Product(
        "blanket",
        "Deck blanket",
        7800,
        "Heavy wool in four stripes, wide enough for two and a dog. Smells of nothing, being made up.",
        ("Wool, 140 x 200 cm", "Airing does more than washing", "Warmer than this page"),
        _GROUND + '<path class="paper" d="M28 24h58q8 0 8 8v42H36q-8 0-8-8z"/>'
        '<path class="water" d="M28 32h66v7H28zM28 56h66v7H28z"/>'
        '<path class="sun" d="M28 44h66v7H28z"/><path class="tint" d="M94 74V62L82 74z"/>'
        '<path class="thin" d="M38 75v5M47 75v5M56 75v5M65 75v5M74 75v5"/>',
    ),
    Product(
        "float",
        "Glass float",
        2600,
        "It kept a net up for forty years and now keeps a window company. No two are alike; this one is drawn.",
        ("Mouth-blown glass, 18 cm", "Hemp net, tarred", "Floats"),
        _GROUND + '<circle class="tint" cx="60" cy="46" r="30"/><circle class="pale" cx="49" cy="32" r="5"/>'
        '<path class="thin" d="M34 31q26 16 52 0M30 47q30 18 60 0M37 65q23 11 46 0'
        'M47 19q-14 27 2 55M73 19q14 27-2 55M60 16v60"/>'
        '<path class="line" d="M60 16q-3-7 2-11"/>',
    ),
    Product(
        "chart",
        "Chart of no coast",
        1900,
        "Depths, a wind rose and a harbour that nobody will find. Printed on paper that likes to be folded.",
        ("Paper, 70 x 50 cm", "Soundings in metres", "Not to be used for navigation"),
        _GROUND + '<path class="paper" d="m22 22 25-6 26 6 25-6v54l-25 6-26-6-25 6z"/>'
        '<path class="tint" d="m22 42q12-8 25-2t26-4 25 2v32l-25 6-26-6-25 6z"/>'
        '<path class="sun" d="m73 22 25-6v16q-14 6-25 2z"/><path class="mark" d="M47 16v54M73 22v54"/>'
        '<path class="alert" d="m56 50 4-9 4 9 9 4-9 4-4 9-4-9-9-4z"/>',
    ),
)
