"""What people read: text, tables, pictures, pages, JSON."""
