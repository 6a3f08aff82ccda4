"""Whatever stands in a file, `check` says what is wrong: it never falls over."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.tables.sql.check import check
from tests.unit.tables.sql.support import TABLES, sink

TEXT = (
    TABLES
    + sink("ip STRING, ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT", "ip, ws")
    + """
CREATE VIEW joined AS
SELECT c.userid, u.name, c.ts, CASE WHEN ok THEN 1 ELSE 2 END AS x, CAST(c.ip AS STRING) AS y
FROM clicks AS c LEFT JOIN users FOR SYSTEM_TIME AS OF c.ts AS u ON c.userid = u.user_id
WHERE c.status BETWEEN 1 AND 4 AND u.level IN ('a', 'b') AND c.ip LIKE 'a!%' ESCAPE '!';
CREATE VIEW firsts AS
SELECT ip FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY ts) AS n FROM clicks) WHERE n = 1 AND ip <> 'a'
UNION ALL SELECT name FROM joined;
INSERT INTO results (ip, ws, we, n)
SELECT UPPER(ip), window_start, window_end, COUNT(*) + SUM(status) FILTER (WHERE ok)
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '60' SECOND))
GROUP BY UPPER(ip), window_start, window_end HAVING COUNT(DISTINCT userid) > 5;
"""
)
WORDS = re.findall(r"\w+|'[^']*'|`[^`]*`|\s+|.", TEXT, re.DOTALL)
SOME = """
NULL * ( ) , ; . 1.5 - DISTINCT OVER FILTER CASE END INTERVAL TABLE UNION LATERAL VALUES UNNEST EXISTS { [
"""
OTHERS = SOME.split()


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(WORDS) - 1), st.sampled_from([*OTHERS, ""]) | st.sampled_from(WORDS), st.booleans()
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_changed_file_is_checked_all_the_same(changes: list[tuple[int, str, bool]]) -> None:
    words = list(WORDS)
    for place, word, instead in changes:
        words[place] = word if instead else f"{words[place]} {word} "

    found = check("".join(words))

    lines = "".join(words).count("\n") + 1
    assert all(1 <= problem.line <= lines and problem.length >= 1 for problem in found.problems)
    assert found.problems or len(found.program.inserts) <= 1
    found.render()


def test_the_unchanged_file_has_no_problems() -> None:
    found = check(TEXT)

    assert not found.problems, found.render()
