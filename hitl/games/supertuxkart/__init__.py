"""SuperTuxKart: its engine runs as a separate program, and is spoken to over a pipe."""
