"""What would have happened: design, power, assignment, read-out."""
