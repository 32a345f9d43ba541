"""The second factor of the log-in: codes of an authenticator app (TOTP, RFC 6238), and recovery codes."""
