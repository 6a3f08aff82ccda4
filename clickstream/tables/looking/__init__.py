"""What is in the tables, for people to look at."""
