"""What was found of relaxations and vibrations, for people: tables, a page, numbers as JSON."""
