"""The peer of `bench opensearch`: what a short program does. Bulk requests of 2,000 documents (the default of Kafka
Connect's sink), whose ids are the keys, without versions and without a look at the items; then the offsets."""

import http.client
import sys
from urllib.parse import urlsplit

import msgspec

from bench.sink_rows import batches

BATCH = 2_000

_INDEX = {
    "mappings": {
        "dynamic": False,
        "properties": {
            "id": {"type": "long"},
            "name": {"type": "keyword"},
            "hits": {"type": "long"},
            "share": {"type": "double"},
            "seen": {"type": "date", "format": "yyyy-MM-dd HH:mm:ss.SSS"},
        },
    }
}


def main(kafka: str, topic: str, prefix: str, url: str) -> None:
    """Fill a new index with what the topic has."""
    index = prefix + topic
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def ask(method: str, path: str, body: bytes, kind: str = "application/json") -> None:
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        octets = answer.read()
        if answer.status >= 300 or b'"errors":true' in octets:
            sys.exit(f"{answer.status}: {octets[:300]!r}")

    ask("PUT", f"/{index}", msgspec.json.encode(_INDEX))
    encode = msgspec.json.encode
    for rows in batches(kafka, topic, index, BATCH):
        lines = [line for row in rows for line in (encode({"index": {"_id": str(row["id"])}}), encode(row))]
        ask("POST", f"/{index}/_bulk", b"\n".join(lines) + b"\n", "application/x-ndjson")
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
