"""All that is drawn or pressed: overlay, game view, review, report."""
