"""Long-running parts: their contract, running them, and what they tell about themselves."""
