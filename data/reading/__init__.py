"""From the store to arrays and summaries."""
