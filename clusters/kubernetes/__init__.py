"""How a Kubernetes is reached and asked, by its official client: connection and words of refusal, watched lists, quantities.

May import nothing of the platform; loaded only where somebody was told of a Kubernetes.
"""
