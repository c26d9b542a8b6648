"""One file per schedule: when, how often to retry, in which order."""
