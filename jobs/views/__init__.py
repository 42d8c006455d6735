"""One small view for each operation: parse, call one function, format."""
