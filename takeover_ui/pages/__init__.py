"""Pages for a browser: drawn from plain records, as the report is."""
