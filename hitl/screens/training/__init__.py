"""What the terminal shows of training: how it goes, corner by corner, and how long it takes."""
