"""The checks of the diagnosis, by what they look at: here, what is set; the reward, the line."""
