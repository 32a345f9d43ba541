"""What a person must know at once, and the channels on which they are told."""
