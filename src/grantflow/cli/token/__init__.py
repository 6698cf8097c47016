"""Getting a valid token and printing it."""
