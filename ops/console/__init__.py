"""What every page of the console shares: timelines, filters, forms with secrets."""
