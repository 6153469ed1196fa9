"""The two halves of a batch: which rows each is drawn from, and how likely."""
