"""In and out: importers, exporters, and the checks of foreign files."""
