"""In front of the application: requests are read whole, bounded in size and time, before they cost a thread."""
