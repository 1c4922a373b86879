"""The ledger: a history of decisions with their evidence and results. It is not state: losing it loses no budget."""
