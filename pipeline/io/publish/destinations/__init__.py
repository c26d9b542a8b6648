"""Every destination behind one shape: what is set there now, and setting it."""

from __future__ import annotations

from pipeline.io.publish.destinations.order import Destination, Order, Seen

__all__ = ["Destination", "Order", "Seen"]
