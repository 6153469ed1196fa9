"""What can be done with each kind of row in the store. `data.store.Store` puts the verbs together."""
