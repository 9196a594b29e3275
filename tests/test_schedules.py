import pytest

from lightning_gans.schedules import exponential, factor, ramp


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [1.0, 0.75, 0.5, 0.25, 0.0]),
        ("constant_linear", [1.0, 1.0, 1.0, 0.5, 0.0]),
        ("cosine", [1.0, 1.0, 1.0, 0.5, 0.0]),
        ("exponential", [1.0, 1.0, 1.0, 0.1, 0.01]),
        ("step", [1.0, 1.0, 0.1, 0.1, 0.1]),
    ],
)
def test_factor(schedule: str, values: list[float]) -> None:
    found = [factor(schedule, iteration, start=200, end=400) for iteration in (0, 100, 200, 300, 400)]
    assert found == pytest.approx(values, abs=1e-12)
    assert factor(schedule, 10_000, start=200, end=400) == pytest.approx(values[-1])


def test_goodfellow_schedules() -> None:
    assert exponential(1, rate=1.000004, floor=1e-5) == pytest.approx(1 / 1.000004)
    assert exponential(10_000_000, rate=1.000004, floor=1e-5) == 1e-5
    assert [ramp(i, first=0.5, last=0.7, iterations=100) for i in (0, 50, 100, 200)] == pytest.approx(
        [0.5, 0.6, 0.7, 0.7]
    )


def test_errors_name_what_is_allowed() -> None:
    with pytest.raises(
        ValueError,
        match=r"^lr_schedule 'cosin'; allowed: constant, linear, constant_linear, cosine, exponential, step$",
    ):
        factor("cosin", 0, start=0, end=1)
    with pytest.raises(
        ValueError, match=r"^lr_schedule 'cosine' decays from iteration 5 to 5; allowed: an end after the start$"
    ):
        factor("cosine", 0, start=5, end=5)
