"""Effects: each file does one thing and decides nothing."""
