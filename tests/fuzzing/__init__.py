"""Foreign data, broken on purpose: what makes the inputs, what reads them, and what is asked of the answer."""
