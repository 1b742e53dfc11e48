"""A comparison for people: one table, sentences and a page; and its numbers for programs."""
