"""Why does it not get better? Checks for the known ways in which such runs die, on live runs and on foreign ones."""
