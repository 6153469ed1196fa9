"""TQC: the update, its loss and its optimiser."""
