"""The configuration of an installation: environment, configuration file, checks, encryption keys."""
