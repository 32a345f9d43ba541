"""The front of the application. It reads each request completely, within limits of size and time, before a thread
serves it."""
