"""The seconds of a run that is cut and goes on, by a clock that the test turns."""

import importlib
from typing import Any


def clock(times: list[float]) -> Any:
    return importlib.import_module("clock").Clock(lambda: times[-1])


def test_seconds_go_on_after_a_cut() -> None:
    times = [100.0]
    first = clock(times)
    first.on_train_start()
    times.append(130.0)
    state = first.state_dict()
    assert state == {"seconds": 30.0}  # what checkpoints hold
    times.append(5000.0)
    second = clock(times)
    second.load_state_dict(state)
    second.on_train_start()
    times.append(5007.0)
    assert second.seconds == 37.0


def test_a_run_that_was_finished_before_takes_no_more() -> None:
    """Lightning resumes a checkpoint of the last iteration without a start of training."""
    times = [9000.0]
    again = clock(times)
    assert again.seconds == 0.0
    again.load_state_dict({"seconds": 30.0})
    times.append(9100.0)
    assert again.seconds == 30.0
    assert again.state_dict() == {"seconds": 30.0}
