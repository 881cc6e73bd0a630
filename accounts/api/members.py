"""Who belongs to the account: list, invite, accept, change a role, remove."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.api.access import account_of, person_of, require_role
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.api.serializers import (
    AcceptInput,
    InviteInput,
    InviteOutput,
    MemberOutput,
    MembersOutput,
    MyAccountOutput,
    RoleInput,
)
from accounts.api.throttling import count_for_email
from accounts.selectors import Role
from accounts.services import membership as services
from core import clock
from core.api.views import ApiView, read_body


class MembersView(ApiView):
    error_statuses: ClassVar[tuple[int, ...]] = (409,)

    @extend_schema(operation_id="list_members", tags=["identity"], parameters=ACCOUNT_PARAMETERS, responses=MembersOutput)
    def get(self, request: Request) -> Response:
        """Members and open invites, the oldest first. Members of any role."""
        account = account_of(request, scope=None)
        require_role(request, account, Role.VIEWER)
        members, invites = selectors.list_members(account.pk), selectors.list_open_invites(account.pk, clock.now())
        return self.success(MembersOutput({"items": members, "invites": invites}).data)

    @extend_schema(
        operation_id="invite_member",
        tags=["identity"],
        parameters=ACCOUNT_PARAMETERS,
        request=InviteInput,
        responses={201: InviteOutput, 200: OpenApiResponse(InviteOutput, description="The open invite, renewed.")},
    )
    def post(self, request: Request) -> Response:
        """Invite an address by mail. Asking again renews the invite (200) and mails a new token. Admins cannot invite owners."""
        account = account_of(request, scope=None)
        person = require_role(request, account, Role.ADMIN)
        given = read_body(InviteInput, request)
        count_for_email("reset", given["email"])
        count_for_email("invite", person.email)
        made = services.invite(account_id=account.pk, email=given["email"], role=Role(given["role"]), actor_id=person.pk, now=clock.now())
        return self.success(InviteOutput(made.invite).data, status=201 if made.is_new else 200)


class AcceptInviteView(ApiView):
    @extend_schema(operation_id="accept_invite", tags=["identity"], request=AcceptInput, responses=MyAccountOutput)
    def post(self, request: Request) -> Response:
        """Become a member by the mailed token, which works once."""
        person = person_of(request)
        token = read_body(AcceptInput, request)["token"]
        return self.success(MyAccountOutput(services.accept_invite(secret=token, user_id=person.pk, now=clock.now())).data)


class MemberView(ApiView):
    error_statuses: ClassVar[tuple[int, ...]] = (409,)

    @extend_schema(
        operation_id="change_role",
        tags=["identity"],
        parameters=ACCOUNT_PARAMETERS,
        request=RoleInput,
        responses=MemberOutput,
    )
    def patch(self, request: Request, member_id: str) -> Response:
        """Give a member another role. Admins; only owners make or unmake owners; the last owner stays one."""
        account = account_of(request, scope=None)
        member = selectors.get_member(account_id=account.pk, public_id=member_id)
        person = require_role(request, account, Role.ADMIN)
        role = Role(read_body(RoleInput, request)["role"])
        changed = services.change_role(account_id=account.pk, member_id=member.pk, role=role, actor_id=person.pk)
        return self.success(MemberOutput(changed).data)

    @extend_schema(operation_id="remove_member", tags=["identity"], parameters=ACCOUNT_PARAMETERS, responses={204: None})
    def delete(self, request: Request, member_id: str) -> Response:
        """Remove a member, or withdraw an open invite by its id; oneself with any role. The last owner stays."""
        account = account_of(request, scope=None)
        offer = selectors.find_invite(account_id=account.pk, public_id=member_id)
        member = None if offer else selectors.get_member(account_id=account.pk, public_id=member_id)
        person = require_role(request, account, Role.VIEWER)
        if offer is not None:
            services.withdraw_invite(account_id=account.pk, invite_id=offer.pk, actor_id=person.pk)
        elif member is not None:
            services.remove_member(account_id=account.pk, member_id=member.pk, actor_id=person.pk)
        return Response(status=204)
