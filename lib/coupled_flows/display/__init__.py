"""Floor 6: figures, tables, claims, and the book's one switch. Only this floor draws."""
