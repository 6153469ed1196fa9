"""What `hitl play` drives: a session with all that is around it, one episode after the other."""
