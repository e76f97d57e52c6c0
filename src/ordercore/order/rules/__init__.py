"""The rules of an order, by the part of its life that they govern."""
