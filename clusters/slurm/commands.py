"""Slurm through its commands, where no slurmrestd runs: as whoever runs this process, on a machine that has them."""

import json
import os
import re
import subprocess
from collections.abc import Collection, Sequence
from typing import Any

from clusters.slurm import batch_job, records
from clusters.slurm.batch_job import BatchJob
from clusters.slurm.client import KILL
from clusters.slurm.errors import SlurmRefusedError, UnreachableError
from clusters.slurm.records import AccountedJob, SlurmJob, SlurmNode, SlurmPartition

SECONDS = 30
OUT_OF_REACH = re.compile(
    r"Unable to contact slurm controller|Connection (?:refused|reset|timed out)|Zero Bytes|Socket timed out|slurmdbd|"
    r"Could not establish a configuration source|Transport endpoint|Protocol authentication|Munge|temporarily|try again",
    re.IGNORECASE,
)
NOT_THERE = re.compile(r"Invalid job id|already completing|already completed", re.IGNORECASE)


class CommandClient:
    """See `client.SlurmClient`. Wants 22.05 or later: older commands speak no JSON."""

    def __init__(self, path: str = "") -> None:
        self._environment = {**os.environ, **({"PATH": path} if path else {})}

    def submit(self, asked: BatchJob) -> int:
        said = self.run(["sbatch", *batch_job.for_sbatch(asked)], asked.script)
        number = said.strip().splitlines()[-1].partition(";")[0] if said.strip() else ""
        if not number.isdigit():
            raise UnreachableError(f"`sbatch` took a job and did not say its number: {said.strip()[:200]!r}.")
        return int(number)

    def jobs(self) -> Sequence[SlurmJob]:
        return [records.job(one) for one in self._json(["squeue", "--states=all", "--json"]).get("jobs") or ()]

    def accounted(self, names: Collection[str]) -> Sequence[AccountedJob]:
        if not names:
            return []
        asked = ["sacct", "--json", "--starttime=1970-01-02", f"--name={','.join(sorted(names))}"]
        return [records.accounted_job(one) for one in self._json(asked).get("jobs") or ()]

    def nodes(self) -> Sequence[SlurmNode]:
        return [records.node(one) for one in self._shown("nodes", ["sinfo", "--json"])]

    def partitions(self) -> Sequence[SlurmPartition]:
        return [records.partition(one) for one in self._shown("partitions", [])]

    def cancel(self, job_id: int, signal: str = KILL) -> None:
        words = [] if signal == KILL else ["--batch", f"--signal={signal}"]
        try:
            self.run(["scancel", *words, str(job_id)])
        except SlurmRefusedError as error:
            if not NOT_THERE.search(str(error)):
                raise

    def close(self) -> None:
        """There is nothing to let go of."""

    def run(self, words: Sequence[str], text: str = "") -> str:
        """What one command printed; `sacctmgr` and all others too."""
        try:
            done = subprocess.run(
                words, input=text, capture_output=True, text=True, timeout=SECONDS, check=False, env=self._environment
            )
        except FileNotFoundError:
            raise UnreachableError(f"`{words[0]}` is not installed here, and no REST API is configured.") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnreachableError(f"`{words[0]}` did not answer: {error}.") from None
        if done.returncode == 0:
            return done.stdout
        said = " ".join(f"{done.stderr} {done.stdout}".split())[:500] or f"exit code {done.returncode}"
        if OUT_OF_REACH.search(said):
            raise UnreachableError(f"`{words[0]}` does not reach Slurm: {said}")
        raise SlurmRefusedError(said)

    def _shown(self, kind: str, older: Sequence[str]) -> Sequence[dict[str, Any]]:
        """`scontrol` speaks JSON from 23.02 on; of 22.05 `sinfo` does, and partitions are read from words."""
        try:
            return list(self._json(["scontrol", "show", kind, "--json"]).get(kind) or ())
        except SlurmRefusedError:
            if older:
                return list(self._json(older).get(kind) or ())
            return [
                _partition(line)
                for line in self.run(["scontrol", "--oneliner", "show", kind]).splitlines()
                if line.strip()
            ]

    def _json(self, words: Sequence[str]) -> dict[str, Any]:
        said = self.run(words)
        try:
            found = json.loads(said)
        except ValueError:
            raise UnreachableError(f"`{' '.join(words)}` answered no JSON: {said[:100]!r}.") from None
        return found if isinstance(found, dict) else {}


def _partition(line: str) -> dict[str, Any]:
    """As REST writes one."""
    said = dict(word.split("=", 1) for word in line.split() if "=" in word)
    return {
        "name": said.get("PartitionName"),
        "state": said.get("State"),
        "nodes": said.get("Nodes"),
        "max_time_limit": _minutes(said.get("MaxTime", "")),
        "default_time_limit": _minutes(said.get("DefaultTime", "")),
    }


def _minutes(text: str) -> int | None:
    """Of `[days-]hours:minutes:seconds`; None where there is no limit."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):  # noqa: PLR2004  hours, minutes, seconds
        return None
    return int(days or 0) * 1440 + int(parts[0]) * 60 + int(parts[1]) + (int(parts[2]) > 0)
