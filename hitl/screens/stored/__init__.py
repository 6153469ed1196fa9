"""What a store holds, as screens show it."""
