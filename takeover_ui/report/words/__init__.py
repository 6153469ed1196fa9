"""What the report says, a module for each language; the pages in a browser show parts of it."""
