"""The tools that agents call by the Model Context Protocol: one function a tool, and the program that offers them.

Imports `client` of its own rooms, and the SDK, which is loaded for `trainyard mcp` alone.
"""
