import re
from datetime import datetime
from itertools import pairwise

import pytest

from clickstream.generate.people import AGENTS, ROBOT
from clickstream.generate.site import HOST
from clickstream.generate.traffic import Traffic
from clickstream.generate.web import address, user, web
from clickstream.records import CodeKey, StatusCode, UserKey, WebClick, WebUser, decode, encode

START_MS = 1_767_225_600_000


def traffic(users: int = 100, seed: int = 1) -> Traffic:
    return web(users, seed=seed, topic="clicks", codes_topic="codes", users_topic="users")


def values(source: Traffic, blocks: int = 5) -> list[bytes]:
    found = []
    for _ in range(blocks):
        number, clicks = source.crowd.block()
        times = [START_MS + 7 * place for place in range(number * 1_000, (number + 1) * 1_000)]
        found += [message["value"] for message in source.messages(clicks, times)]
    return found


def clicks(source: Traffic, blocks: int = 5) -> list[WebClick]:
    return [decode(value, WebClick) for value in values(source, blocks)]


def test_a_click_is_exactly_the_record() -> None:
    assert all(encode(decode(value, WebClick)) == value for value in values(traffic()))


def test_a_seeds_clicks_stay_the_same_from_release_to_release() -> None:
    assert values(traffic())[0] == (
        b'{"ip":"10.116.18.139","userid":91,"remote_user":null,"time":"01/Jan/2026:00:00:00 +0000",'
        b'"_time":1767225600000,"request":"GET /index.html HTTP/1.1","status":200,"bytes":2048,"referrer":null,'
        b'"agent":"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"}'
    )


def test_the_key_is_the_address() -> None:
    source = traffic()
    _, block = source.crowd.block()
    for message in source.messages(block, range(START_MS, START_MS + 1_000)):
        assert message["key"] == decode(message["value"], WebClick).ip


def test_the_text_and_the_number_say_the_same_time() -> None:
    for place, click in enumerate(clicks(traffic())):
        assert click.time_ms == START_MS + 7 * place
        assert datetime.strptime(click.time, "%d/%b/%Y:%H:%M:%S %z").timestamp() == click.time_ms // 1000


def test_a_visitor_keeps_address_user_and_browser() -> None:
    found = {(click.ip, click.userid, click.agent) for click in clicks(traffic(), 20)}
    assert len({ip for ip, _, _ in found}) == len(found) == 110


def test_the_users_come_and_a_tenth_as_many_without_a_name() -> None:
    found = {(click.userid, click.ip) for click in clicks(traffic(), 20)}
    assert {user for user, _ in found if user is not None} == set(range(1, 101))
    assert sum(1 for user, _ in found if user is None) == 10


def test_robots_are_nobody() -> None:
    robots = [click for click in clicks(traffic(), 20) if click.agent == ROBOT]
    assert robots
    assert all(click.userid is None for click in robots)
    assert {click.agent for click in clicks(traffic(), 20)} == {ROBOT, *(agent for _, agent in AGENTS)}


def test_the_referrer_is_the_page_before() -> None:
    ways: dict[str, list[WebClick]] = {}
    for click in clicks(traffic(), 20):
        ways.setdefault(click.ip, []).append(click)
    for way in ways.values():
        page = None
        for before, click in pairwise(way):
            _, path, _ = str(before.request).split(" ")
            if before.status == 200 and ".html" in path:
                page = HOST + path
            if click.referrer is not None and click.referrer.startswith(HOST):
                assert click.referrer == page


def test_what_the_tables_of_the_demo_look_for_is_there() -> None:
    found = clicks(traffic(), 20)
    errors = [click for click in found if click.status is not None and click.status > 400]
    assert len(errors) / len(found) == pytest.approx(0.05, abs=0.02)
    pages = [click for click in found if "html" in str(click.request)]
    assert 0.3 < len(pages) / len(found) < 0.7


def test_few_users_download_without_end() -> None:
    """So that some sessions of 90 s at 50 clicks/s have more than 500,000 bytes, and most do not."""
    sizes: dict[int, int] = {}
    for click in clicks(traffic(), 5)[:4_500]:
        if click.userid is not None:
            sizes[click.userid] = sizes.get(click.userid, 0) + click.bytes
    assert sum(1 for size in sizes.values() if size > 500_000) == 3


def test_addresses_are_private_and_all_different() -> None:
    found = [address(number) for number in range(200_000)]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"10(\.(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])){3}", one) for one in found[:5_000])


# --- references


def test_the_codes_with_their_meaning() -> None:
    found = list(traffic().references["codes"])
    assert found[0] == (b'{"code":200}', b'{"code":200,"definition":"Successful"}')
    assert [decode(value, StatusCode).code for _, value in found] == [200, 302, 404, 405, 406, 407]
    assert all(key == encode(CodeKey(decode(value, StatusCode).code)) for key, value in found)


def test_the_users() -> None:
    found = list(traffic(25).references["users"])
    users = [decode(value, WebUser) for _, value in found]
    assert [key for key, _ in found] == [encode(UserKey(user.user_id)) for user in users]
    assert found[16][0] == b'{"user_id":17}'
    assert [user.user_id for user in users] == list(range(1, 26))
    assert len({user.username for user in users}) == 25
    assert all(encode(decode(value, WebUser)) == value for _, value in found)


def test_of_ten_users_one_is_platinum_and_three_are_gold() -> None:
    levels = [user(number).level for number in range(1, 11)]
    assert [levels.count(level) for level in ("Platinum", "Gold", "Silver")] == [1, 3, 6]


def test_users_do_not_depend_on_the_seed() -> None:
    assert list(traffic(seed=1).references["users"]) == list(traffic(seed=2).references["users"])


def test_references_come_before_clicks_codes_first() -> None:
    assert list(traffic().references) == ["codes", "users"]
