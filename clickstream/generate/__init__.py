"""Made-up data: the same seed gives the same records."""
