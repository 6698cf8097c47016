"""Who asks, and whom."""
