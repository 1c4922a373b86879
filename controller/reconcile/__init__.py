"""One reconcile of a Run: observe, plan, save, act."""
