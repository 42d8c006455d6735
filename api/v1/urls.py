"""The addresses under /api/v1/ that have to do with jobs, or with what jobs hold."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from api.v1 import (
    bulk,
    control,
    costs,
    efficiency,
    explain,
    history,
    jobs,
    logs,
    metrics,
    nodes,
    queues,
    quotas,
    reservations,
    scheduler,
)
from api.v1.clusters.views import ClustersView, ClusterView, DeclareLostView
from api.v1.code.placements import PlacementCodeView
from api.v1.code.views import (
    SnapshotBlobsView,
    SnapshotCompleteView,
    SnapshotLimitsView,
    SnapshotsView,
    SnapshotView,
)
from api.v1.outputs.placements import (
    PlacementBeginningView,
    PlacementOutputBlobsView,
    PlacementOutputsCompleteView,
    PlacementOutputsView,
)
from api.v1.outputs.views import OutputFileView, OutputsView
from api.v1.pools.views import PoolsView, PoolView
from api.v1.schedules.views import RunNowView, SchedulesView, ScheduleView
from api.v1.sessions.views import AgentView, CallerView, SessionsView, SessionView
from api.v1.steering import migrations, preemptions, settings
from api.v1.system.views import SystemView
from api.v1.templates.views import TemplateJobsView, TemplateQuoteView, TemplatesView, TemplateView
from api.v1.usage.fairness import FairnessView
from api.v1.usage.idle_gpus import ProjectIdleGpusView, QueueIdleGpusView
from api.v1.usage.report import UsageExportView, UsageReportView
from api.v1.usage.retention import RetentionView


class AnyPath(StringConverter):
    """A path below a folder, with slashes and whatever else a name may have: also line ends."""

    regex = r"(?s:.+)"


register_converter(AnyPath, "anypath")

urlpatterns = [
    path("jobs", jobs.JobsView.as_view()),
    path("jobs/batch", jobs.BatchView.as_view()),
    path("jobs/quote", explain.QuoteView.as_view()),
    path("jobs/cancel", bulk.CancelManyView.as_view()),
    path("jobs/requeue", bulk.RequeueManyView.as_view()),
    path("jobs/pause", bulk.PauseManyView.as_view()),
    path("jobs/resume", bulk.ResumeManyView.as_view()),
    path("jobs/hold", bulk.HoldManyView.as_view()),
    path("jobs/release", bulk.ReleaseManyView.as_view()),
    path("jobs/<int:job_id>", jobs.JobView.as_view()),
    path("jobs/<int:job_id>/clone", jobs.CloneView.as_view()),
    path("jobs/<int:job_id>/cancel", control.CancelView.as_view()),
    path("jobs/<int:job_id>/requeue", control.RequeueView.as_view()),
    path("jobs/<int:job_id>/pause", control.PauseView.as_view()),
    path("jobs/<int:job_id>/resume", control.ResumeView.as_view()),
    path("jobs/<int:job_id>/hold", control.HoldView.as_view()),
    path("jobs/<int:job_id>/release", control.ReleaseView.as_view()),
    path("jobs/<int:job_id>/logs", logs.LogsView.as_view()),
    path("jobs/<int:job_id>/outputs", OutputsView.as_view()),
    path("jobs/<int:job_id>/outputs/<anypath:path>", OutputFileView.as_view()),
    path("jobs/<int:job_id>/metrics", metrics.MetricsView.as_view()),
    path("jobs/<int:job_id>/events", history.EventsView.as_view()),
    path("jobs/<int:job_id>/attempts", history.AttemptsView.as_view()),
    path("jobs/<int:job_id>/efficiency", efficiency.EfficiencyView.as_view()),
    path("jobs/<int:job_id>/explain", explain.ExplainView.as_view()),
    path("jobs/<int:job_id>/migrations", migrations.JobMigrationsView.as_view()),
    path("jobs/<int:job_id>/migrations/plan", migrations.MigrationPlanView.as_view()),
    path("jobs/<int:job_id>/migrations/<int:migration_id>", migrations.JobMigrationView.as_view()),
    path("jobs/<int:job_id>/migrations/<int:migration_id>/rollback", migrations.RollbackView.as_view()),
    path("migrations", migrations.MigrationsView.as_view()),
    path("jobs/<int:job_id>/preemption-candidates", preemptions.CandidatesView.as_view()),
    path("scheduler/preemptions", preemptions.PreemptionsView.as_view()),
    path("scheduler/preemptions/statistics", preemptions.PreemptionStatisticsView.as_view()),
    path("scheduler/settings", settings.SettingsView.as_view()),
    path("scheduler/settings/history", settings.SettingsHistoryView.as_view()),
    path("jobs/scheduler/info", scheduler.InfoView.as_view()),
    path("jobs/scheduler/trigger", scheduler.TriggerView.as_view()),
    path("templates", TemplatesView.as_view()),
    path("templates/<slug:name>", TemplateView.as_view()),
    path("templates/<slug:name>/jobs", TemplateJobsView.as_view()),
    path("templates/<slug:name>/quote", TemplateQuoteView.as_view()),
    path("schedules", SchedulesView.as_view()),
    path("schedules/<int:schedule_id>", ScheduleView.as_view()),
    path("schedules/<int:schedule_id>/run", RunNowView.as_view()),
    path("snapshots", SnapshotsView.as_view()),
    path("snapshots/limits", SnapshotLimitsView.as_view()),
    path("snapshots/<int:snapshot_id>", SnapshotView.as_view()),
    path("snapshots/<int:snapshot_id>/blobs", SnapshotBlobsView.as_view()),
    path("snapshots/<int:snapshot_id>/complete", SnapshotCompleteView.as_view()),
    path("placements/<int:placement_id>/code", PlacementCodeView.as_view()),
    path("placements/<int:placement_id>/outputs", PlacementOutputsView.as_view()),
    path("placements/<int:placement_id>/outputs/blobs", PlacementOutputBlobsView.as_view()),
    path("placements/<int:placement_id>/outputs/complete", PlacementOutputsCompleteView.as_view()),
    path("placements/<int:placement_id>/beginning", PlacementBeginningView.as_view()),
    path("jobs/<int:job_id>/sessions", SessionsView.as_view()),
    path("sessions/<uuid:session_id>", SessionView.as_view()),
    path("sessions/<uuid:session_id>/caller", CallerView.as_view()),
    path("sessions/<uuid:session_id>/agent", AgentView.as_view()),
    path("prices", costs.PricesView.as_view()),
    path("prices/<int:price_id>", costs.PriceView.as_view()),
    path("costs", costs.CostsView.as_view()),
    path("costs/export", costs.CostsExportView.as_view()),
    path("usage", UsageReportView.as_view()),
    path("usage/fairness", FairnessView.as_view()),
    path("usage/export", UsageExportView.as_view()),
    path("queues", queues.QueuesView.as_view()),
    path("queues/<slug:name>", queues.QueueView.as_view()),
    path("queues/quota/<slug:slug>", quotas.QuotaView.as_view()),
    path("queues/quota/<slug:slug>/sync", quotas.QuotaSyncView.as_view()),
    path("projects/<slug:slug>/budgets", quotas.ProjectBudgetsView.as_view()),
    path("budgets", quotas.BudgetsView.as_view()),
    path("budgets/<int:budget_id>", quotas.BudgetView.as_view()),
    path("projects/<slug:slug>/retention", RetentionView.as_view()),
    path("projects/<slug:slug>/idle-gpus", ProjectIdleGpusView.as_view()),
    path("queues/<slug:name>/idle-gpus", QueueIdleGpusView.as_view()),
    path("projects/<slug:slug>/usage", quotas.UsageView.as_view()),
    path("clusters", ClustersView.as_view()),
    path("clusters/<slug:name>", ClusterView.as_view()),
    path("clusters/<slug:name>/declare-lost", DeclareLostView.as_view()),
    path("nodes", nodes.NodesView.as_view()),
    path("nodes/<slug:name>", nodes.NodeView.as_view()),
    path("nodes/<slug:name>/drain", nodes.DrainView.as_view()),
    path("nodes/<slug:name>/undrain", nodes.UndrainView.as_view()),
    path("pools", PoolsView.as_view()),
    path("pools/<slug:name>", PoolView.as_view()),
    path("reservations", reservations.ReservationsView.as_view()),
    path("reservations/<slug:name>", reservations.ReservationView.as_view()),
    path("system", SystemView.as_view()),
    path("dashboard", scheduler.DashboardView.as_view()),
]
