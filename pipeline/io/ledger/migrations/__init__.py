"""How the ledger's tables came about, step by step. A step that was released never changes."""
