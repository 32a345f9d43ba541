"""What a shop consists of, in memory. Nothing here decides or sends."""
