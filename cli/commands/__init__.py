"""The commands, loaded one at a time by `cli.main`."""
