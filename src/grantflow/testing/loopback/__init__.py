"""The scripted server behind HTTP on this machine, with a page for a person."""
