"""The commands of `hitl`, one module each, imported only when called."""
