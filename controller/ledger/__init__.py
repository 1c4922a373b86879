"""The ledger: what was decided, on which evidence, and what came of it. History, not state: losing it loses no budget."""
