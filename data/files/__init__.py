"""Files as people have them: text of any editor, paths, sizes that are bounded."""
