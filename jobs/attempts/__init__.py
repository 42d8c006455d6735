"""An attempt's life: claimed by a node, kept by leases, ended, and what follows. Where races live.

May import messages, logs, state and models; not planning. Words: *claim*, *lease*, *token*, *gang*, *completion*.
"""
