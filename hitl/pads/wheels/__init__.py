"""Racing wheels: which axis and which button does what, for those whose makers are known, and found out for all others."""
