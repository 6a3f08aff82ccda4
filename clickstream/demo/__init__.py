"""Everything at once: producer, counter, made-up visitors and the tables over them."""
