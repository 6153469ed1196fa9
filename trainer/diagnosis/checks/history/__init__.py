"""What a history says of a run: its columns, and the networks themselves."""
