"""What the pages in a browser say, a module for each language."""
