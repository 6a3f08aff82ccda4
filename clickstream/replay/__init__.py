"""Real access logs of Apache and nginx into a topic."""
