"""Which token to use, and who renews it."""
