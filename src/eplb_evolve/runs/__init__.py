"""What a search leaves behind: ledger, trace, lineage, progress, replay."""
