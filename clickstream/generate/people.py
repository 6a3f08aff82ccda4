"""People, and the browsers that they use: always the same for the same number."""

from dataclasses import dataclass
from functools import lru_cache

from faker import Faker

POOL_SIZE = 250
AS_OF_MS = 1_704_067_200_000  # nobody registered in 2024 or later
YEARS_MS = 5 * 365 * 24 * 3_600_000
FIBONACCI = 2_654_435_769  # of multiplicative hashing: 2**32 over the golden ratio, odd

# Browsers as they call themselves, with the device that they run on. Not Faker's: among those are a Gecko of the
# year 7277, and it counts on from today's date, so that a seed would not give the same texts tomorrow.
AGENTS = (
    (
        "computer",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/126.0.0.0 Safari/537.36",
    ),
    ("computer", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"),
    (
        "computer",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/17.5 Safari/605.1.15",
    ),
    (
        "mobile",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/126.0.0.0 Mobile Safari/537.36",
    ),
    (
        "mobile",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/17.5 Mobile/15E148 Safari/604.1",
    ),
    ("computer", "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"),
    (
        "tablet",
        "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/17.5 Mobile/15E148 Safari/604.1",
    ),
    (
        "computer",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    ),
    ("mobile", "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0"),
)
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@dataclass(frozen=True)
class Person:
    """Who a user is."""

    first_name: str
    last_name: str
    city: str
    registered_at: int  # epoch ms


@lru_cache(maxsize=1)
def _pools() -> tuple[list[str], list[str], list[str]]:
    fake = Faker("en_US")
    fake.seed_instance(0)
    cities = (fake.location_on_land()[2] for _ in range(POOL_SIZE))
    return (
        [fake.first_name() for _ in range(POOL_SIZE)],
        [fake.last_name() for _ in range(POOL_SIZE)],
        [city for city in dict.fromkeys(cities) if city.isascii()],
    )


def person(number: int) -> Person:
    """The person with that number: names and a real city from pools, which come back."""
    first_names, last_names, cities = _pools()
    mixed = number * FIBONACCI % 2**32
    return Person(
        first_names[mixed % len(first_names)],
        last_names[(mixed >> 8) % len(last_names)],
        cities[(mixed >> 16) % len(cities)],
        AS_OF_MS - mixed * YEARS_MS // 2**32,
    )


# A tenth and less of all are registered nowhere: joins must meet what has no partner.
STRANGER_EVERY = 11


def crowd_size(users: int) -> int:
    """How many visitors there are: the registered users, and one stranger for each ten of them."""
    return users + users // (STRANGER_EVERY - 1)


def user_number(visitor: int) -> int | None:
    """The number, from 1, of the user that a visitor (from 0) is; None for a stranger."""
    if visitor % STRANGER_EVERY == STRANGER_EVERY - 1:
        return None
    return visitor - visitor // STRANGER_EVERY + 1
