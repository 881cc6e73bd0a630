"""People: registering, logging in and out, proving an address, a new password."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.api.access import person_of
from accounts.api.serializers import (
    EmailInput,
    EmptyOutput,
    LoginInput,
    MeOutput,
    NewPasswordInput,
    RefreshInput,
    RegisteredOutput,
    RegisterInput,
    TokensOutput,
    VerifyEmailInput,
)
from accounts.api.throttling import LoginThrottle, RegisterThrottle, ResetThrottle, count_for_email
from accounts.services import proofs, registration, tokens
from core import clock, jobs
from core.api.views import ApiView, read_body


class OpenView(ApiView):
    """For people without a token yet."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class RegisterView(OpenView):
    throttle_classes = (RegisterThrottle,)
    error_statuses: ClassVar[tuple[int, ...]] = (409,)

    @extend_schema(operation_id="register", tags=["identity"], request=RegisterInput, responses={201: RegisteredOutput})
    def post(self, request: Request) -> Response:
        """
        Make a person with an account of their own; the answer logs in. A token that proves the address is mailed.

        409 `email_taken` where the address is registered: the answer carries tokens, so it cannot hide that; the rate is limited.
        """
        given = read_body(RegisterInput, request)
        count_for_email("register", given["email"])
        now = clock.now()
        made = registration.register(**given, now=now)
        pair = tokens.issue_tokens(user=made.user, now=now)
        answer = {"user": made.user, "account": made.account, "access": pair.access, "refresh": pair.refresh}
        return self.success(RegisteredOutput(answer).data, status=201)


class TokenView(OpenView):
    throttle_classes = (LoginThrottle,)
    error_statuses: ClassVar[tuple[int, ...]] = (401,)

    @extend_schema(operation_id="log_in", tags=["identity"], request=LoginInput, responses=TokensOutput)
    def post(self, request: Request) -> Response:
        """Log in. 401 `invalid_credentials` whatever was wrong."""
        given = read_body(LoginInput, request)
        count_for_email("login", given["email"])
        now = clock.now()
        user = tokens.log_in(email=given["email"], password=given["password"], now=now)
        return self.success(TokensOutput(tokens.issue_tokens(user=user, now=now)).data)


class RefreshView(OpenView):
    throttle_classes = (LoginThrottle,)
    error_statuses: ClassVar[tuple[int, ...]] = (401,)

    @extend_schema(operation_id="refresh_token", tags=["identity"], request=RefreshInput, responses=TokensOutput)
    def post(self, request: Request) -> Response:
        """Trade a refresh token for a new pair. It works once: 401 `invalid_refresh_token` for the second use."""
        given = read_body(RefreshInput, request)
        return self.success(TokensOutput(tokens.rotate_tokens(refresh=given["refresh"], now=clock.now())).data)


class LogoutView(OpenView):
    throttle_classes = (LoginThrottle,)
    error_statuses: ClassVar[tuple[int, ...]] = (401,)

    @extend_schema(operation_id="log_out", tags=["identity"], request=RefreshInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """End a refresh token. Twice is fine. The access token ends by itself, within minutes."""
        tokens.log_out(refresh=read_body(RefreshInput, request)["refresh"])
        return Response(status=204)


class VerifyEmailView(OpenView):
    throttle_classes = (ResetThrottle,)

    @extend_schema(
        operation_id="verify_email",
        tags=["identity"],
        request=VerifyEmailInput,
        responses={200: EmptyOutput, 202: EmptyOutput},
    )
    def post(self, request: Request) -> Response:
        """
        Prove the address with the mailed token (200), or ask for another mail (202).

        The second never tells whether the address is registered. 400 `invalid_token` for a token that is unknown, used or too old.
        """
        given = read_body(VerifyEmailInput, request)
        if "token" in given:
            proofs.verify_email(token=given["token"], now=clock.now())
            return self.success({})
        count_for_email("reset", given["email"])
        jobs.enqueue("accounts.tasks.send_verification_to", email=given["email"])
        return self.success({}, status=202)


class PasswordResetView(OpenView):
    throttle_classes = (ResetThrottle,)

    @extend_schema(operation_id="ask_password_reset", tags=["identity"], request=EmailInput, responses={202: EmptyOutput})
    def post(self, request: Request) -> Response:
        """Have a token mailed that sets a new password. The answer never tells whether the address is registered."""
        given = read_body(EmailInput, request)
        count_for_email("reset", given["email"])
        jobs.enqueue("accounts.tasks.send_password_reset", email=given["email"])
        return self.success({}, status=202)


class PasswordConfirmView(OpenView):
    throttle_classes = (LoginThrottle,)

    @extend_schema(operation_id="set_new_password", tags=["identity"], request=NewPasswordInput, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set a new password by the mailed token, which works once. Every login made before ends."""
        given = read_body(NewPasswordInput, request)
        proofs.set_new_password(token=given["token"], password=given["password"], now=clock.now())
        return Response(status=204)


class MeView(ApiView):
    @extend_schema(operation_id="get_me", tags=["identity"], responses=MeOutput)
    def get(self, request: Request) -> Response:
        """The person who asks, and the accounts they belong to."""
        person = person_of(request)
        return self.success(MeOutput({"user": person, "accounts": selectors.list_memberships_of(person.pk)}).data)
