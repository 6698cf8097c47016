"""What is shown while a sign-in is under way."""
