"""Text from outside: it is cleaned when it comes in, and masked when it is shown."""
