"""The command line `trainyard`: it speaks HTTP to the server and knows nothing else of it."""
