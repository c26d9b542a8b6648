"""Creative rotation: what each creative earns per exposure, how sure that is, and who gets seen."""
