"""What `hitl pads` does: a pad shown live, chosen and set up."""
