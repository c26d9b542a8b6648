"""The night of the lifecycle cadence: touches a week per segment."""
