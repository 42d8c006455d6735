#!/bin/bash
# A pilot: a node agent in a batch job of Slurm. Copy it into the folder of `manage.py autoscaler --slurm FOLDER`, which puts
# TRAINYARD_PILOT (the node's name), TRAINYARD_PILOT_POOL and TRAINYARD_NODE_UNTIL before it; lines with #SBATCH are not read.
set -eu
# For the pilots' user alone (chmod 600), where all nodes see it: DATABASE_URL with the agents' own role, BROKER_URL.
. /shared/trainyard/agent.env
export DATABASE_URL BROKER_URL TRAINYARD_ROLE=node
# Checkpoints lie in TRAINYARD_HOME/jobs: in a shared folder the next pilot finds them there, from a node's own disk they are uploaded.
export TRAINYARD_HOME="${TRAINYARD_HOME:-/shared/trainyard/home}"
cd /opt/trainyard
# In place of this shell, so that the agent is what Slurm tells to end.
exec /opt/venv/bin/python manage.py node --name "$TRAINYARD_PILOT" --label "pool=$TRAINYARD_PILOT_POOL"
