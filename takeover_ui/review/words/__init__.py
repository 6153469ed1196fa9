"""What the review says, a module for each language; the pages in a browser take what they share from here."""
