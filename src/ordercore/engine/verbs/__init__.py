"""The engines' verbs, room by room: one class for plain ports and one for either kind, with the same flows."""
