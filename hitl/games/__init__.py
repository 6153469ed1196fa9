"""Games that can be driven: one adapter each."""
