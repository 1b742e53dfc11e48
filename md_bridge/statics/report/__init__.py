"""What was found, for people: tables, pages, pictures and numbers."""
