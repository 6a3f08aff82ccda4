"""One SELECT over topics, in a process of its own that can do nothing else: no file, no network, no writing."""
