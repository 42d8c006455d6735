"""Projects and their members: list, make, look, change."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.v1.shapes.projects import MemberChange, MemberIn, MemberOut, ProjectChange, ProjectIn, ProjectOut
from jobs.control import project_removal
from quotas import members, projects
from quotas.models import Membership, Project
from quotas.queries import find_project, visible_projects


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

    @extend_schema(operation_id="projects_remove", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete a project that has no jobs, and none below it, as an admin of what is above it; else archive it."""
        project_removal.remove(project=find_project(caller(request), slug), actor=caller(request))
        return Response(status=204)


class MembersView(GenericAPIView[Membership]):
    queryset = Membership.objects.none()
    serializer_class = MemberOut
    orderings = {"user": "user__username", "-user": "-user__username"}

    @extend_schema(operation_id="members_list", responses=MemberOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Who belongs to a project itself. Members of the projects above it belong to it, too."""
        project = find_project(caller(request), slug)
        page = self.paginate_queryset(self.filter_queryset(members.members_of(project)))
        return self.get_paginated_response(MemberOut(page, many=True).data)

    @extend_schema(operation_id="members_add", request=MemberIn, responses={201: MemberOut})
    def post(self, request: Request, slug: str) -> Response:
        """Take a user in, as an admin of the project."""
        project = find_project(caller(request), slug)
        wanted = MemberIn.read(request.data)
        username = wanted.pop("user")
        return Response(
            MemberOut(members.add(project=project, actor=caller(request), username=username, **wanted)).data, 201
        )


class MemberView(APIView):
    @extend_schema(operation_id="members_retrieve", responses=MemberOut)
    def get(self, request: Request, slug: str, user: str) -> Response:
        """One member of a project."""
        return Response(MemberOut(members.find_member(find_project(caller(request), slug), user)).data)

    @extend_schema(operation_id="members_change", request=MemberChange, responses=MemberOut)
    def patch(self, request: Request, slug: str, user: str) -> Response:
        """Give a member another role, as an admin of the project. The last admin stays one."""
        project = find_project(caller(request), slug)
        role = MemberChange.read(request.data)["role"]
        member = members.change_role(project=project, actor=caller(request), username=user, role=role)
        return Response(MemberOut(member).data)

    @extend_schema(operation_id="members_remove", responses={204: None})
    def delete(self, request: Request, slug: str, user: str) -> Response:
        """Send a member away, as an admin of the project; everybody may leave. The last admin stays."""
        members.remove(project=find_project(caller(request), slug), actor=caller(request), username=user)
        return Response(status=204)
