"""Results where they are needed: one contract for all targets, a folder for each."""
