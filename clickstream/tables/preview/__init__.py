"""A file of SQL tried over the records that are there, without writing any topic."""
