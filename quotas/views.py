"""Projects: list, make, look, change."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from quotas import projects
from quotas.models import Project
from quotas.queries import find_project, visible_projects
from quotas.serializers import ProjectChange, ProjectIn, ProjectOut


def caller(request: Request) -> User:
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


class ProjectsView(GenericAPIView[Project]):
    queryset = Project.objects.none()
    serializer_class = ProjectOut
    orderings = {"slug": "slug", "-slug": "-slug"}

    def get_queryset(self) -> QuerySet[Project]:
        return visible_projects(caller(self.request))

    @extend_schema(operation_id="projects_list", responses=ProjectOut(many=True))
    def get(self, request: Request) -> Response:
        """The projects that you belong to, and everything below them."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(ProjectOut(page, many=True).data)

    @extend_schema(operation_id="projects_create", request=ProjectIn, responses={201: ProjectOut})
    @transaction.atomic
    def post(self, request: Request) -> Response:
        """A new project, by an admin of its parent; at the top of the tree, by staff."""
        wanted = ProjectIn.read(request.data)
        project = projects.create(actor=caller(request), **wanted)
        return Response(ProjectOut(project).data, status=201)


class ProjectView(APIView):
    @extend_schema(operation_id="projects_retrieve", responses=ProjectOut)
    def get(self, request: Request, slug: str) -> Response:
        """One project."""
        return Response(ProjectOut(find_project(caller(request), slug)).data)

    @extend_schema(operation_id="projects_change", request=ProjectChange, responses=ProjectOut)
    @transaction.atomic
    def patch(self, request: Request, slug: str) -> Response:
        """Rename, archive or move a project, as an admin of it."""
        project = find_project(caller(request), slug)
        wanted = ProjectChange.read(request.data)
        return Response(ProjectOut(projects.change(project=project, actor=caller(request), **wanted)).data)
