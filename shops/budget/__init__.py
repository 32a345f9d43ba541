"""What a shop lets us call: points and calls, shared by all workers."""
