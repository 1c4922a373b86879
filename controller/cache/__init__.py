"""What the operator keeps of watched objects, and what it computes from them."""
