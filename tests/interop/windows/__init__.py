"""Windows on a screen: the drivers of the examples, seen and clicked on."""
