"""What recorded drives say, the player's and the agent's."""
