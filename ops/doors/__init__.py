"""The doors, to which other systems post. A door checks the signature, stores an event once, and counts refusals."""
