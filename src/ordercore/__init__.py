"""ordercore: an order engine that a shop imports."""
