"""An authorization server as a value, and what it answers as pure functions."""
