"""Notifications to people about opened escalations and finished Runs. Delivery is at most once, and no pass waits for it."""
