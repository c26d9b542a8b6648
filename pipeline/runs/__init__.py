"""One module per schedule and one function per step: read, decide, write."""
