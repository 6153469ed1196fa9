"""Laps of older recorders, seen and paid as today."""
