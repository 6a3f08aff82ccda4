"""What kind of place a visitor comes from."""

import re
from functools import lru_cache
from typing import Final

from clickstream.enrich.referrers import MAX_HOST

DIRECT, INTERNAL, SEARCH, SOCIAL, CAMPAIGN, LINK = "direct", "internal", "search", "social", "campaign", "link"

# Search engines with one name in many countries, at the start of their host: their mail and maps are none.
_SEARCH_NAMES: Final = re.compile(
    r"(?:www\.|search\.|[a-z]{2}\.search\.|m\.|news\.|images\.)?(?:google|bing|yahoo|yandex|ecosia|qwant|ask|aol|lycos)"
    r"\.(?:[a-z]{2,3}\.)?[a-z]{2,3}"
)
_HOSTS: Final = {
    SEARCH: """
        duckduckgo.com html.duckduckgo.com lite.duckduckgo.com baidu.com startpage.com search.brave.com kagi.com
        mojeek.com swisscows.com naver.com search.naver.com seznam.cz search.seznam.cz sogou.com so.com metager.org
        metager.de ya.ru petalsearch.com search.daum.net coccoc.com yep.com perplexity.ai chatgpt.com chat.openai.com
        com.google.android.googlequicksearchbox
    """,
    SOCIAL: """
        facebook.com l.facebook.com lm.facebook.com m.facebook.com instagram.com l.instagram.com threads.net
        l.threads.net t.co twitter.com x.com linkedin.com lnkd.in reddit.com old.reddit.com out.reddit.com
        pinterest.com pin.it youtube.com m.youtube.com youtu.be tiktok.com vk.com away.vk.com ok.ru weibo.com
        t.me telegram.org web.telegram.org web.whatsapp.com tumblr.com bsky.app go.bsky.app mastodon.social
        mastodon.online snapchat.com discord.com quora.com news.ycombinator.com medium.com xing.com
        com.facebook.katana com.twitter.android com.linkedin.android com.instagram.android org.telegram.messenger
    """,
}
_KINDS: Final = {host: kind for kind, hosts in _HOSTS.items() for host in hosts.split()}


def referrer_class(host: str | None, own_host: str, site: str, paid: bool) -> str:
    """One of the six classes.

    `host` is the referrer's, None without one; `own_host` that of the page; `paid`: the page's address names a
    campaign, which counts before all else, unless the visitor was on the site already.
    """
    if host is not None and _plain(host) in (_plain(own_host), _plain(site)):
        return INTERNAL
    if paid:
        return CAMPAIGN
    if host is None:
        return DIRECT
    return _kind(host) if len(host) <= MAX_HOST else LINK


def _plain(host: str) -> str:
    return host.removeprefix("www.")


@lru_cache(maxsize=4_096)
def _kind(host: str) -> str:
    found = _KINDS.get(_plain(host))
    if found:
        return found
    return SEARCH if _SEARCH_NAMES.fullmatch(host) else LINK
