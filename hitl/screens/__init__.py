"""What the live side hands to the windows."""
