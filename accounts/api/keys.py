"""An account's API keys."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.api.access import account_of, require_role
from accounts.api.parameters import ACCOUNT_PARAMETERS, page_parameters
from accounts.api.serializers import ApiKeyInput, ApiKeyListOutput, ApiKeyNameInput, ApiKeyOutput, NewApiKeyOutput
from accounts.selectors import ApiKey, Role
from accounts.services import api_keys
from core import clock
from core.api.pagination import read_page
from core.api.views import ApiView, read_body


class ApiKeysView(ApiView):
    error_statuses: ClassVar[tuple[int, ...]] = (409,)

    @extend_schema(
        operation_id="list_api_keys",
        tags=["identity"],
        parameters=[*ACCOUNT_PARAMETERS, *page_parameters(50)],
        responses=ApiKeyListOutput,
    )
    def get(self, request: Request) -> Response:
        """The account's keys, revoked ones too, the newest first. Members of any role; secrets are never shown."""
        account = account_of(request, scope=None)
        require_role(request, account, Role.VIEWER)
        page = read_page(request.query_params, default=50, offset_maximum=10_000)
        keys = selectors.list_api_keys(account.pk)
        rows = keys[page.offset : page.offset + page.limit]
        answer = {"items": rows, "total": keys.count(), "limit": page.limit, "offset": page.offset}
        return self.success(ApiKeyListOutput(answer).data)

    @extend_schema(
        operation_id="create_api_key",
        tags=["identity"],
        parameters=ACCOUNT_PARAMETERS,
        request=ApiKeyInput,
        responses={201: NewApiKeyOutput},
    )
    def post(self, request: Request) -> Response:
        """Make a key; its secret is in this answer and nowhere else. Owners and admins. Without `scopes` it may read only."""
        account = account_of(request, scope=None)
        person = require_role(request, account, Role.ADMIN)
        given = read_body(ApiKeyInput, request)
        issued = api_keys.issue_api_key(account_id=account.pk, actor_id=person.pk, now=clock.now(), **given)
        return self.success({**ApiKeyOutput(issued.key).data, "secret": issued.secret}, status=201)


class ApiKeyView(ApiView):
    @extend_schema(
        operation_id="rename_api_key",
        tags=["identity"],
        parameters=ACCOUNT_PARAMETERS,
        request=ApiKeyNameInput,
        responses=ApiKeyOutput,
    )
    def patch(self, request: Request, key_id: str) -> Response:
        """Rename a key. Owners and admins."""
        key = _managed_key(request, key_id)
        renamed = api_keys.rename_api_key(key=key, name=read_body(ApiKeyNameInput, request)["name"])
        return self.success(ApiKeyOutput(renamed).data)

    @extend_schema(operation_id="revoke_api_key", tags=["identity"], parameters=ACCOUNT_PARAMETERS, responses={204: None})
    def delete(self, request: Request, key_id: str) -> Response:
        """Revoke a key for good; it stops within five seconds everywhere. Twice is fine. Owners and admins."""
        api_keys.revoke_api_key(key_id=_managed_key(request, key_id).pk, now=clock.now())
        return Response(status=204)


def _managed_key(request: Request, key_id: str) -> ApiKey:
    """The key, looked up before the role is asked: somebody else's is not found, whoever asks."""
    account = account_of(request, scope=None)
    key = selectors.get_api_key(account_id=account.pk, public_id=key_id)
    require_role(request, account, Role.ADMIN)
    return key
