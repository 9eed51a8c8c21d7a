"""One HTML file about a search run: what was found, how sure that is, how it came about, what it is worth."""
