"""Reads of shadow runs."""

from usage.models import ShadowRun


def newest_run(version_id: int) -> ShadowRun | None:
    """The newest run of a version, however it stands."""
    return ShadowRun.objects.filter(version_id=version_id).order_by("-pk").first()
