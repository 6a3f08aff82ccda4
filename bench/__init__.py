"""Side-by-side measurements against peers: `bin/bench heart`, `bin/bench latency` (see docs/measurements.md)."""
