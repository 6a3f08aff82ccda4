"""A small shop to try the collector with: static pages that have the tag. Nothing is sold."""
