"""Where other systems post to us: verified, stored once, refused with a count."""
