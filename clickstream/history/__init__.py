"""The recent past of the topics, in memory, and what may be asked of it.

Records come from Kafka (feed.py), are read (decode.py) and kept in DuckDB (store.py): rows of the last minutes in
tables that are dropped whole (segments.py), and sums of them for a day (rollups.py). Questions and answers are in
model.py; answers.py, sessions.py, funnel.py and tally.py find them. recount.py and plain.py answer the
same from Kafka alone, which reread.py reads again.
"""
