"""The graph of topics, views, statements and results: out of the plans that running files publish."""
