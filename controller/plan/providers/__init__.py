"""Decides about providers: the accounts and endpoints that agents draw on and can exhaust."""
