"""A function between two topics: of ours in a process of its own, or of any language over gRPC."""
