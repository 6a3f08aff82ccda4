"""The nodes of a plan that remember rows, as tables of the state."""
