"""Visitors of a web site: real browsers that walk through it, as people would."""
