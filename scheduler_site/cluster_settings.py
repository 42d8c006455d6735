"""Settings of clusters that run jobs by their own means; `settings.py` takes all of them in."""

from scheduler_site import env

# Engines of clusters by their kind; `kind=dotted.path` adds one, or puts another in a kind's place.
ENGINES = {
    "kubernetes": "executors.kubernetes.engine.connect",
    "slurm": "executors.slurm.engine.connect",
    **{word.partition("=")[0]: word.partition("=")[2] for word in env.words("TRAINYARD_ENGINES")},
}
CLUSTER_START_SECONDS = env.number("TRAINYARD_CLUSTER_START_SECONDS", 600, at_least=1)
# How a bridge reaches a Slurm; its other options are words of `manage.py bridge`.
EXECUTOR_SLURM_REST_API_URL = env.text("EXECUTOR_SLURM_REST_API_URL")
EXECUTOR_SLURM_AUTH_TOKEN = env.secret("EXECUTOR_SLURM_AUTH_TOKEN", "")
