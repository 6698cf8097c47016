"""The flows: pure state machines."""
