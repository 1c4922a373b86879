"""What an advisor is asked and what of its answer counts: pure, between the plan and whatever runs the command."""
