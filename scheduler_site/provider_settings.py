"""Who else keeps quotas, how that system is reached, and after how long without an answer nobody knows them any more."""

from scheduler_site import env

QUOTA_PROVIDER = env.text("QUOTA_PROVIDER", "local")
QUOTA_SYNC_SECONDS = env.number("QUOTA_SYNC_SECONDS", 2, at_least=0.5)
QUOTA_PROVIDER_AWAY_SECONDS = env.number("QUOTA_PROVIDER_AWAY_SECONDS", 30, at_least=1)
K8S_QUOTA_NAMESPACE = env.text("K8S_QUOTA_NAMESPACE")
K8S_CREATE_RESOURCE_QUOTAS = env.yes_no("K8S_CREATE_RESOURCE_QUOTAS", default=True)
K8S_KUBECONFIG, K8S_CONTEXT = env.text("K8S_KUBECONFIG"), env.text("K8S_CONTEXT")
SLURM_ACCOUNT_PREFIX = env.text("SLURM_ACCOUNT_PREFIX")
SLURM_CREATE_ACCOUNTS = env.yes_no("SLURM_CREATE_ACCOUNTS", default=True)
SLURM_QUOTA_USERS = env.words("SLURM_QUOTA_USERS")
SLURM_COMMANDS_PATH = env.text("SLURM_COMMANDS_PATH")

BEAT_SECONDS = None if QUOTA_PROVIDER == "local" else QUOTA_SYNC_SECONDS
"""How often beat has it asked, if there is anybody to ask."""
