"""What was measured of a model, for people: tables, a page, numbers as JSON."""
