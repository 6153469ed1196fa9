"""Gathers what a diagnosis looks at."""
