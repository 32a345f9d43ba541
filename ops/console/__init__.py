"""Parts that many pages of the console use: timelines, filters, forms with secrets."""
