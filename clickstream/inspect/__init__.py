"""Looking into topics and consumer groups: sizes, records, lag. Reads only; nothing here changes a cluster."""
