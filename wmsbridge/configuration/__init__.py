"""The installation: its environment, its configuration file, its checks, its keys."""
