"""The addresses under /api/v1/ that have to do with jobs, or with what jobs hold."""

from django.urls import path

from api.v1 import bulk, control, explain, history, jobs, logs, metrics, nodes, queues, quotas, reservations, scheduler

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
    path("jobs/<int:job_id>/cancel", control.CancelView.as_view()),
    path("jobs/<int:job_id>/requeue", control.RequeueView.as_view()),
    path("jobs/<int:job_id>/pause", control.PauseView.as_view()),
    path("jobs/<int:job_id>/resume", control.ResumeView.as_view()),
    path("jobs/<int:job_id>/hold", control.HoldView.as_view()),
    path("jobs/<int:job_id>/release", control.ReleaseView.as_view()),
    path("jobs/<int:job_id>/logs", logs.LogsView.as_view()),
    path("jobs/<int:job_id>/metrics", metrics.MetricsView.as_view()),
    path("jobs/<int:job_id>/events", history.EventsView.as_view()),
    path("jobs/<int:job_id>/attempts", history.AttemptsView.as_view()),
    path("jobs/<int:job_id>/explain", explain.ExplainView.as_view()),
    path("jobs/scheduler/info", scheduler.InfoView.as_view()),
    path("jobs/scheduler/trigger", scheduler.TriggerView.as_view()),
    path("queues", queues.QueuesView.as_view()),
    path("queues/<slug:name>", queues.QueueView.as_view()),
    path("queues/quota/<slug:slug>", quotas.QuotaView.as_view()),
    path("queues/quota/<slug:slug>/sync", quotas.QuotaSyncView.as_view()),
    path("projects/<slug:slug>/usage", quotas.UsageView.as_view()),
    path("nodes", nodes.NodesView.as_view()),
    path("nodes/<slug:name>", nodes.NodeView.as_view()),
    path("nodes/<slug:name>/drain", nodes.DrainView.as_view()),
    path("nodes/<slug:name>/undrain", nodes.UndrainView.as_view()),
    path("reservations", reservations.ReservationsView.as_view()),
    path("reservations/<slug:name>", reservations.ReservationView.as_view()),
    path("dashboard", scheduler.DashboardView.as_view()),
]
