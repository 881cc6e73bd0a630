"""Proofs of entries, and the chain of seals that they lead to."""

from typing import Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of, caller_of
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.selectors import Scope
from core.api.pagination import read_limit, read_number
from core.api.views import ApiView
from credits.api.proof_serializers import ProofSerializer, SealsSerializer
from credits.chains import list_seals
from credits.proofs import read_proof

_SEALS_MAX: Final = 1_000
_SEAL_PARAMETERS: Final = [
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": _SEALS_MAX, "default": 100}),
    OpenApiParameter("after", {"type": "integer", "minimum": 0, "default": 0}, description="The number of the last seal you have."),
]


class ProofView(ApiView):
    """`GET /v1/ledger/{entry_id}/proof`."""

    error_statuses = (409,)

    @extend_schema(operation_id="ledger_proof", tags=["v1"], parameters=[*ACCOUNT_PARAMETERS], responses=ProofSerializer)
    def get(self, request: Request, entry_id: int) -> Response:
        """
        What leads from one entry to the digest of a seal, to be checked offline. It shows no other entry, only their digests.

        409 `not_sealed_yet` for an entry of the last minutes.
        """
        account = account_of(request, scope=Scope.BILLING_READ)
        proof = read_proof(account_id=account.pk, public_id=account.public_id, entry_id=entry_id)
        return self.success(ProofSerializer(proof).data)


class SealsView(ApiView):
    """`GET /v1/seals`."""

    @extend_schema(operation_id="seals", tags=["v1"], parameters=_SEAL_PARAMETERS, responses=SealsSerializer)
    def get(self, request: Request) -> Response:
        """Seals, the oldest first. Whoever keeps their digests can tell later whether any entry was changed since."""
        caller_of(request)
        limit = read_limit(request.query_params, default=100, maximum=_SEALS_MAX)
        after = read_number(request.query_params, "after")
        seals = list_seals(after=after, limit=limit)
        return self.success(SealsSerializer({"items": seals, "next_after": seals[-1].number if seals else after}).data)
