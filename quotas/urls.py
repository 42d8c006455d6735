"""The addresses under /api/v1/ that have to do with projects alone."""

from django.urls import path

from quotas import views

urlpatterns = [
    path("projects", views.ProjectsView.as_view()),
    path("projects/<slug:slug>", views.ProjectView.as_view()),
    path("projects/<slug:slug>/members", views.MembersView.as_view()),
    path("projects/<slug:slug>/members/<str:user>", views.MemberView.as_view()),
]
