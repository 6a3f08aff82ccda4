"""What visitors do, by the tables in PostgreSQL that sinks fill from the shipped files of SQL."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import units

from deploy.grafana.building import (
    GREEN,
    ORANGE,
    POSTGRES,
    RED,
    About,
    Sql,
    board,
    lines,
    number,
    ranking,
    rows,
    series_of,
)

# Windows of a minute as points of the graph: each is the mean of the minutes in it, so a figure is one per minute
# however long the time is that is looked at.
BY_MINUTE = "$__timeGroupAlias(window_start, $__interval)"


def clicks() -> build.Dashboard:
    """One panel for each of the demo's answers."""
    return board(
        "clickstream-clicks",
        "Clickstream clicks",
        "Traffic, sessions, errors and alerts: the tables of clickstream.sql, products.sql and web-events.sql, which "
        "`clickstream sink postgres` keeps. A window is here once it has closed; times are UTC.",
        hours=3,
        panels=[
            lines(
                _about(
                    "Clicks per minute",
                    "Requests, and the addresses that they came from, in each minute (traffic_per_min). A fall to 0 "
                    "while the site is up: look at Clickstream health.",
                    width=16,
                ),
                units.Short,
                series_of(
                    f"""
SELECT {BY_MINUTE}, avg(hits) AS "clicks", avg(visitors) AS "visitors"
FROM traffic_per_min
WHERE $__timeFilter(window_start)
GROUP BY 1
ORDER BY 1
"""
                ),
            ),
            number(
                _about(
                    "Age of the newest minute",
                    "How long ago the newest minute of traffic_per_min ended. A minute or two is usual. More: nothing "
                    "came, the tables wait, or the sink does; Clickstream health says which.",
                ),
                units.Seconds,
                [(None, GREEN), (180, ORANGE), (600, RED)],
                Sql(
                    """
SELECT extract(epoch FROM now() - max(window_end)) AS "age"
FROM traffic_per_min
"""
                ),
            ),
            lines(
                _about(
                    "Share of requests that failed",
                    "Answers with a status of 400 or more, of all requests of a minute (traffic_per_min).",
                ),
                units.PercentUnit,
                series_of(
                    f"""
SELECT {BY_MINUTE}, sum(errors)::float8 / sum(hits) AS "failed"
FROM traffic_per_min
WHERE $__timeFilter(window_start)
GROUP BY 1
ORDER BY 1
"""
                ),
            ),
            lines(
                _about(
                    "Errors within a minute, by status",
                    "The most errors of a status within any 60 seconds that ended here (errors_per_min, every 5 s).",
                ),
                units.Short,
                series_of(
                    """
SELECT $__timeGroupAlias(window_end, $__interval), status::text AS metric, max(errors) AS "errors"
FROM errors_per_min
WHERE $__timeFilter(window_end)
GROUP BY 1, 2
ORDER BY 1, 2
"""
                ),
            ),
            rows(
                _about(
                    "Alerts: many errors",
                    "Minutes with more than five errors of one status, the latest first (errors_per_min_alert). "
                    "Several statuses of 500 and more at once: the site itself.",
                ),
                Sql(
                    """
SELECT window_end AS "until", status, errors
FROM errors_per_min_alert
WHERE $__timeFilter(window_end)
ORDER BY window_end DESC, errors DESC, status
LIMIT 100
"""
                ),
            ),
            lines(
                _about(
                    "User sessions that ended",
                    "Sessions of known users, over after 30 seconds without a click (click_user_sessions); each bar is "
                    "a step of the graph.",
                ),
                units.Short,
                series_of(
                    """
SELECT $__timeGroupAlias(window_end, $__interval), count(*) AS "sessions"
FROM click_user_sessions
WHERE $__timeFilter(window_end)
GROUP BY 1
ORDER BY 1
"""
                ),
                bars=True,
            ),
            rows(
                _about(
                    "Suspicious sessions",
                    "Sessions that took more than 500,000 bytes from one address, the largest first "
                    "(malicious_user_sessions). Look at what the address asked for in user_clickstream.",
                ),
                Sql(
                    """
SELECT username, ip, hits, bytes, window_start AS "from", window_end AS "until"
FROM malicious_user_sessions
WHERE $__timeFilter(window_end)
ORDER BY bytes DESC, username, ip, window_start
LIMIT 100
"""
                ),
                bytes=units.BytesSI,
            ),
            ranking(
                _about("Requests, by city", "The cities of known users with the most requests (user_clickstream)."),
                units.Short,
                Sql(
                    """
SELECT coalesce(city, 'unknown') AS "city", count(*) AS "requests"
FROM user_clickstream
WHERE $__timeFilter(ts)
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT 10
"""
                ),
            ),
            ranking(
                _about(
                    "Top pages",
                    "Pages with the most views by people, robots left out (web_pages_per_min, from the collector).",
                ),
                units.Short,
                Sql(
                    """
SELECT site || page AS "page", sum(page_views)::float8 AS "page views"
FROM web_pages_per_min
WHERE $__timeFilter(window_start)
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT 10
"""
                ),
            ),
            ranking(
                _about(
                    "Visits, by country",
                    "Where visits came from that are over (web_sessions, from the collector). Unknown: the collector "
                    "was started without --geo-db.",
                ),
                units.Short,
                Sql(
                    """
SELECT coalesce(country, 'unknown') AS "country", count(*) AS "visits"
FROM web_sessions
WHERE $__timeFilter(window_end)
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT 10
"""
                ),
            ),
            lines(
                _about(
                    "Page views per minute, by site",
                    "Page views by people (web_traffic_per_min, from the collector).",
                ),
                units.Short,
                series_of(
                    f"""
SELECT {BY_MINUTE}, site AS metric, avg(page_views) AS "page views"
FROM web_traffic_per_min
WHERE $__timeFilter(window_start)
GROUP BY 1, 2
ORDER BY 1, 2
"""
                ),
            ),
            lines(
                _about(
                    "Product events per minute",
                    "What is done with products, by the event's name (events_per_name, of event-topic).",
                    width=24,
                ),
                units.Short,
                series_of(
                    f"""
SELECT {BY_MINUTE}, event_name AS metric, avg(events) AS "events"
FROM events_per_name
WHERE $__timeFilter(window_start)
GROUP BY 1, 2
ORDER BY 1, 2
"""
                ),
            ),
        ],
    )


def _about(title: str, description: str, width: int = 8) -> About:
    return About(title, description, POSTGRES, width)
