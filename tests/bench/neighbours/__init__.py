"""Two tenants of one operator, one with a hundred times the other's load: how much later the other's changes show in a status."""
