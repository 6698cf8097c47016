"""Token sources: the effects around the acquisition of a token."""
