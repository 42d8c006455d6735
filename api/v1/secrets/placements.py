"""Secrets as the agents of placements get them: whoever knows the token of one that was claimed and has not started yet."""

import base64

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.v1.code.placements import SCHEME
from api.v1.secrets.shapes import PublicKeyIn, SealedOut
from jobs.secrets.handing_over import hand_over


class PlacementSecretsView(APIView):
    """Without a user, as the code of placements."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(operation_id="placements_secrets", request=PublicKeyIn, responses=SealedOut)
    def post(self, request: Request, placement_id: int) -> Response:
        """The secrets that the placement's job names, for its agent, sealed: `Authorization: Placement TOKEN`."""
        key = PublicKeyIn.read(request.data)["public_key"]
        said = request.headers.get("Authorization", "")
        token = said.removeprefix(SCHEME) if said.startswith(SCHEME) else ""
        sealed = hand_over(placement_id, token, key)
        return Response({"sealed": base64.b64encode(sealed).decode()}, headers={"Cache-Control": "no-store"})
