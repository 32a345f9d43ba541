#!/usr/bin/env python
"""Django's command line. Reads its settings from the environment and nowhere else."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wmsbridge.settings")
    execute_from_command_line(sys.argv)
