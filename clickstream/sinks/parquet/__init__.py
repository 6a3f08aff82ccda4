"""Records into a folder of Parquet files, or an object store, and back onto a topic.

What is in a table's folder:

- `data/date=2026-01-01/hour=07/*.parquet`: the records, by the hour of their timestamp in UTC;
- `manifest/000000000042.json`: versions. Each says which files it adds and removes, and up to which offset of each
  partition the table is complete with them. To create the next version is the commit: nobody can create it twice;
- `manifest/checkpoint-000000000040.json`: what all versions up to that one add up to;
- `tmp/`: files that are being written.

A file that no version names does not exist, for any reader: it is what a crash left, and is deleted at the next start.
"""
