"""The addresses under /api/v1/ that have to do with jobs."""

from django.urls import path

from jobs.views import jobs

urlpatterns = [
    path("jobs", jobs.JobsView.as_view()),
    path("jobs/batch", jobs.BatchView.as_view()),
    path("jobs/<int:job_id>", jobs.JobView.as_view()),
    path("jobs/<int:job_id>/cancel", jobs.CancelView.as_view()),
    path("jobs/<int:job_id>/requeue", jobs.RequeueView.as_view()),
]
