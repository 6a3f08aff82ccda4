"""How much of what was sent did arrive: told from the sequences that tags count."""
