"""The bridge: with an engine that runs processes of this machine, which outlive it as those of a cluster do."""
