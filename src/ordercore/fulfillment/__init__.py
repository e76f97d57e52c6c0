"""Fulfillment: from a paid order to goods in the customer's hands."""

from ordercore.fulfillment.delivery import (
    Delivery,
    Received,
    Shipment,
    Shipped,
    StockPolicy,
    Withdrawn,
)

__all__ = ["Delivery", "Received", "Shipment", "Shipped", "StockPolicy", "Withdrawn"]
