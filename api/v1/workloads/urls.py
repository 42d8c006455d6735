"""The addresses under /api/v1/workloads."""

from django.urls import path

from api.v1.workloads import views

urlpatterns = [
    path("workloads", views.WorkloadsView.as_view()),
    path("workloads/<int:workload_id>", views.WorkloadView.as_view()),
    path("workloads/<int:workload_id>/start", views.StartView.as_view()),
    path("workloads/<int:workload_id>/pause", views.PauseView.as_view()),
    path("workloads/<int:workload_id>/resume", views.ResumeView.as_view()),
    path("workloads/<int:workload_id>/cancel", views.CancelView.as_view()),
    path("workloads/<int:workload_id>/retry-failed", views.RetryFailedView.as_view()),
    path("workloads/<int:workload_id>/clone", views.CloneWorkloadView.as_view()),
    path("workloads/<int:workload_id>/statistics", views.StatisticsView.as_view()),
]
