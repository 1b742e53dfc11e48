"""A certificate for people: table, page, numbers."""
