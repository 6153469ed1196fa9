"""What ``from hitl import …`` offers to scripts: thin doors to the parts that the commands are made of."""
