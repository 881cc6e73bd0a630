"""Event ids come in blocks, one a batch: a row's place in its batch is read from its id."""

import re
from pathlib import Path

import usage
from usage.admin.events import ID_BLOCK
from usage.services.events import EVENTS_MAX

INSERT = (Path(usage.__file__).parent / "sql" / "insert_events.sql").read_text(encoding="utf-8")


def test_the_longest_batch_fits_into_one_block_of_ids() -> None:
    assert EVENTS_MAX <= ID_BLOCK
    assert {int(number) for number in re.findall(r"(?:\* |%% )(\d+)", INSERT)} == {ID_BLOCK}
