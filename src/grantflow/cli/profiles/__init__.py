"""What the command adds to profiles: their status, and secrets from standard input."""
