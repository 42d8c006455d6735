"""One client of a Slurm: by slurmrestd with a token, or by the commands `sbatch`, `squeue`, `scontrol`, `scancel` and `sacct`.

May import nothing of the platform. Words are Slurm's own: *job*, *node*, *partition*, *account*, *QOS*, *GRES*. Readers take what any
version of the API answers; what is written depends on the version, and is in `batch_job.py` alone.
"""
