"""What workers do with jobs: whose turn it is, the lease, the run, and how it ends."""
