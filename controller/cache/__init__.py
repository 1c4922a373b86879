"""The watched objects as the operator keeps them, and what it computes from them."""
