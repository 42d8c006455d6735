"""What an attempt really used, as far as its nodes could tell."""

from django.db import models


class Measured(models.Model):
    """The part of an attempt that `jobs.attempts.resource_usage` writes; null: nobody could tell."""

    # The most memory at once on one node, processor time on all of them.
    peak_memory_mb = models.PositiveBigIntegerField(null=True)
    cpu_seconds = models.FloatField(null=True)
    # Of its GPUs' time, as far as their drivers were asked: how much there was, and how much of it they worked.
    gpu_measured_seconds = models.FloatField(null=True)
    gpu_busy_seconds = models.FloatField(null=True)
    # Held, measured, and worked less than `workers.runtime.gpu_use.IDLE_PERCENT` of the time.
    gpu_idle_seconds = models.FloatField(null=True)
    # The most at once on all its GPUs of one node.
    gpu_peak_memory_mb = models.PositiveBigIntegerField(null=True)
    # By the counters of its GPUs, and its part of what the processors of its nodes used.
    gpu_joules = models.FloatField(null=True)
    cpu_joules = models.FloatField(null=True)
    energy_partial = models.BooleanField(null=True)  # part of its energy is in neither

    class Meta:
        abstract = True

    @property
    def gpu_utilisation(self) -> float | None:
        """How much of the time of its GPUs they worked, from 0 to 1; None: nobody measured it."""
        if not self.gpu_measured_seconds or self.gpu_busy_seconds is None:
            return None
        return round(self.gpu_busy_seconds / self.gpu_measured_seconds, 4)

    @property
    def gpus_idle_seconds(self) -> float | None:
        """For how long none of its GPUs has worked, on any node; None: it holds none, or not all that it holds are measured."""
        told = [one.gpus_idle_seconds for one in self.placements.all() if one.gpu_indices and one.closed_at is None]  # type: ignore[attr-defined]  # an attempt's
        return None if None in told else min(told, default=None)


class GpuActivity(models.Model):
    """The part of a placement that its node tells of its GPUs while it runs: see `executors.upload.activity`."""

    # When one of them last worked, and when that was last known; until one has, when they were first looked at.
    gpus_active_at = models.DateTimeField(null=True)
    gpus_measured_at = models.DateTimeField(null=True)
    # Requeued as they idled: what it held from then on is not counted in fair share. See `jobs.attempts.charge`.
    charged_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def gpus_idle_seconds(self) -> float | None:
        """For how long none of them has worked, as far as that is known; None: nobody measures them."""
        if self.gpus_measured_at is None or self.gpus_active_at is None:
            return None
        return max(0.0, (self.gpus_measured_at - self.gpus_active_at).total_seconds())
