"""Several agents on one machine, under one supervisor that can be asked to change their number."""
