"""All contact with the world: files, databases, sheets, pages."""
