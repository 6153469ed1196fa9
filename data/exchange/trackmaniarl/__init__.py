"""The files of TrackmaniaRL: what it records comes in, what was driven here goes out."""
