"""Domain errors as HTTP answers (RFC 9457 problem documents)."""
