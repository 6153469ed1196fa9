"""The pages that `hitl browse` serves: what they show, read from a home, and who may see them."""
