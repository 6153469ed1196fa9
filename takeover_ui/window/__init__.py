"""The windows themselves, and the process that they live in."""
