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
