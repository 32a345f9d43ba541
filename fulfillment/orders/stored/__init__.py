"""What is stored of an order: it is read and compared with a reading, and what differs is written."""
