"""What the player sets, changed: the files with their comments, and what stands behind the settings window."""
