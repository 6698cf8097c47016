"""Real authorization servers, started and played with by the tests."""
