"""Next best offer: a policy per segment, learned and judged from logged decisions."""
