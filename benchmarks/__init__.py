"""Figures: what an order costs, as ratios to a floor of bare integers and to raw SQLite."""
