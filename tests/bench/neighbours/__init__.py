"""Two tenants of one operator, one with a hundred times the other's load: the delay of the other's changes in a status."""
