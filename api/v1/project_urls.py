"""The addresses under /api/v1/ that have to do with projects alone."""

from django.urls import path

from api.v1 import projects

urlpatterns = [
    path("projects", projects.ProjectsView.as_view()),
    path("projects/<slug:slug>", projects.ProjectView.as_view()),
    path("projects/<slug:slug>/members", projects.MembersView.as_view()),
    path("projects/<slug:slug>/members/<str:user>", projects.MemberView.as_view()),
]
