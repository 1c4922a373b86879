"""What is answered over HTTP: `/livez`, `/readyz` and `/metrics`, each port in a thread of its own, with bounds on who connects."""
