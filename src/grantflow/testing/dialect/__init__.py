"""Known providers, played by the scripted server in their own formats."""
