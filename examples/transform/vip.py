"""A message for people from each click of a platinum user, for `clickstream transform --function vip.py:message`.

clickstream tables run config/tables/vip.sql
clickstream transform --from vip-action --to vip-messages --function examples/transform/vip.py:message
"""

from clickstream.transform.api import Record


def message(record: Record) -> dict[str, object] | None:
    """One message for each click that has an action; its key is that of the row, the user."""
    row = record.json()
    if not row.get("action"):
        return None
    name = row.get("name") or row["user_id"]
    return {
        "id": record.id,  # the same when the same click comes again: whoever reads this can tell a repeat
        "text": f"{name} (platinum): {row['action']} on page {row['page']}",
        "user_id": row["user_id"],
        "at": row["event_time"],
    }
