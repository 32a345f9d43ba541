"""Text that crosses our border: cleaned when it comes in, masked when it is shown."""
