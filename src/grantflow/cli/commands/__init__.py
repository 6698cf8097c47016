"""The commands: each file has ``parser()`` and ``main(argv) -> int``."""
