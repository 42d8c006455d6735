"""The command line `trainyard`: it speaks HTTP to the server and knows nothing else of it.

Imports `client`, `options`, `submission` and `views` of its own and, for `simulate` alone, the simulator.
"""
