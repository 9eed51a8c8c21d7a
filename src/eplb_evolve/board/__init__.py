"""What is shown and kept: rows and their ranking, tables, records, shipped rows."""
