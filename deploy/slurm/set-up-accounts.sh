#!/bin/sh
# set-up-accounts.sh USER PREFIX PROJECT...: an account of Slurm for each project, in which USER may run jobs.
#
#   ./set-up-accounts.sh trainyard ty- vision speech
#   QOS=normal GPUS=16 ./set-up-accounts.sh trainyard ty- vision     # with a QOS, and a limit on the account's GPUs
#
# As an administrator of Slurm, on a machine with sacctmgr. What is there already stays as it is: it may be run again.
set -eu
[ $# -ge 3 ] || { echo "usage: $0 USER PREFIX PROJECT..." >&2; exit 2; }
user=$1 prefix=$2
shift 2
add() { # what is there is no error
    said=$(sacctmgr -i add "$@" 2>&1) || case $said in *"lready exist"* | *"Nothing new added"*) ;; *) echo "$said" >&2; exit 1 ;; esac
}
id "$user" > /dev/null || { echo "$0: there is no user $user here: Slurm's accounts are of users of the system." >&2; exit 1; }
for project in "$@"; do
    account="$prefix$project"
    add account "$account" Description="trainyard project $project" Organization=trainyard ${GPUS:+GrpTRES=gres/gpu="$GPUS"}
    add user "$user" account="$account" ${QOS:+qos="$QOS" defaultqos="$QOS"}
    echo "$account: $user may run jobs there"
done
