"""The counter's rooms: reading a field, the state that travels with its offset, publishing tallies."""
