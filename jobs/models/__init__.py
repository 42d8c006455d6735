"""The rows of the control plane, a module a subject, and questions that need nothing but rows.

Imports no other room of `jobs`. Everything that others need is named here: `from jobs.models import Job`.
"""

from jobs.models.alert import StandingAlert
from jobs.models.audit import AuditResult
from jobs.models.code.blobs import CodeBlob, CodePack
from jobs.models.code.snapshots import CodeSnapshot
from jobs.models.dependency import JobDependency
from jobs.models.idle_gpus import IdleGpuRule, IdleGpuStep
from jobs.models.job import Attempt, GpuHold, Job, JobEvent, Placement, Preemption
from jobs.models.job_counts import DayCost, EndedJobs, JobCount, JobCountProgress
from jobs.models.logs import FollowedLog, LogChunk, StoredLog
from jobs.models.metrics import MetricSeries, ReportMark
from jobs.models.moves import JobMove
from jobs.models.outputs.kept import KeptFile, KeptOutputs
from jobs.models.planning import (
    Cycle,
    FloorShadow,
    FloorShadowJob,
    Reservation,
    ReservedNode,
    RunTimeHistory,
    RunTimeLearning,
    UsageTally,
)
from jobs.models.queue import Queue, queue_name_validator
from jobs.models.retention import ForgottenJob, JobRetention, OutputLimit, OutputRetention
from jobs.models.scheduler_settings import SchedulerSetting, SchedulerSettingChange
from jobs.models.sessions.session import JobSession
from jobs.models.start_prediction import StartPrediction
from jobs.models.sweep import Sweep
from jobs.models.template import JobSchedule, JobTemplate
from jobs.models.token_caps import CappedJob, TokenCaps
from jobs.models.usage import UsageHour, UsageRollup
from jobs.models.workload import Workload, workload_name_validator

__all__ = [
    "Attempt",
    "AuditResult",
    "CappedJob",
    "CodeBlob",
    "CodePack",
    "CodeSnapshot",
    "Cycle",
    "DayCost",
    "EndedJobs",
    "FloorShadow",
    "FloorShadowJob",
    "FollowedLog",
    "ForgottenJob",
    "GpuHold",
    "IdleGpuRule",
    "IdleGpuStep",
    "Job",
    "JobCount",
    "JobCountProgress",
    "JobDependency",
    "JobEvent",
    "JobMove",
    "JobRetention",
    "JobSchedule",
    "JobSession",
    "JobTemplate",
    "KeptFile",
    "KeptOutputs",
    "LogChunk",
    "MetricSeries",
    "OutputLimit",
    "OutputRetention",
    "Placement",
    "Preemption",
    "Queue",
    "ReportMark",
    "Reservation",
    "ReservedNode",
    "RunTimeHistory",
    "RunTimeLearning",
    "SchedulerSetting",
    "SchedulerSettingChange",
    "StandingAlert",
    "StartPrediction",
    "StoredLog",
    "Sweep",
    "TokenCaps",
    "UsageHour",
    "UsageRollup",
    "UsageTally",
    "Workload",
    "queue_name_validator",
    "workload_name_validator",
]
