"""Data sets of other libraries: Minari in and out, LeRobot out, and what is in their spaces and files."""
