"""Files as people have them: text of any editor, tables, paths, settings."""
