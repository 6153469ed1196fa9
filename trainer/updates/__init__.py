"""Updates from a replay: how many are owed, what they are drawn by, and on a GPU how they stay there."""
