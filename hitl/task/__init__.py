"""What the agent sees and what it is paid for."""
