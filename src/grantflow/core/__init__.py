"""The pure core: it reads no clock, file, socket, environment, thread or random source."""
