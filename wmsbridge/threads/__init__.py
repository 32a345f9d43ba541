"""The threads in which a worker runs its tasks: how they get work, and when they are ended."""
