"""Responses to events."""
