"""Profiles: what a sign-in remembers."""
