"""Growth, retention and copies against their closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gxsim.kernels.growth import accumulated, copied, oldest_kept, passages, spread
from gxsim.storage.protection import age_of_last_copy, youngest

DAYS = np.arange(0.0, 1097.0)


def path(per_day: float, trend: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    return np.array([per_day]), np.array([trend])


def test_linear_growth_is_the_rate_times_the_days() -> None:
    assert np.array_equal(accumulated(*path(150e6), DAYS)[0], 150e6 * DAYS)


def test_growth_before_day_0_is_what_its_age_says() -> None:
    assert np.array_equal(accumulated(*path(10.0), np.array([-5.0, -3.0, 0.0, 2.0]), age=3.0)[0], [0, 0, 30, 50])


@pytest.mark.parametrize("trend", [0.03, 0.0007, -0.01])
def test_exponential_growth_is_the_geometric_sum(trend: float) -> None:
    daily = 100.0 * (1 + trend) ** np.arange(1096)
    expected = np.concatenate([[0.0], np.cumsum(daily)])
    assert np.allclose(accumulated(*path(100.0, trend), DAYS)[0], expected, rtol=1e-12)


def test_a_path_without_trend_is_linear_beside_one_that_has_it() -> None:
    grown = accumulated(np.array([10.0, 10.0]), np.array([0.0, 0.01]), DAYS)
    assert np.array_equal(grown[0], 10.0 * DAYS)


def test_rolling_retention_rests_at_rate_times_retention() -> None:
    kept = accumulated(*path(700e6), DAYS) - accumulated(*path(700e6), oldest_kept(DAYS, 90.0))
    assert np.array_equal(kept[0], 700e6 * np.minimum(DAYS, 90.0))


@pytest.mark.parametrize("purge", [7, 30])
def test_purges_now_and_then_make_a_saw_between_retention_and_retention_plus_purge(purge: int) -> None:
    kept = accumulated(*path(1.0), DAYS) - accumulated(*path(1.0), oldest_kept(DAYS, 90.0, purge))
    resting = kept[0, 90 + purge :]
    assert np.array_equal(resting, 90 + DAYS[90 + purge :] % purge)
    assert (resting.min(), resting.max()) == (90, 90 + purge - 1)


def test_nothing_is_removed_without_retention() -> None:
    cut = oldest_kept(DAYS, None)
    assert not accumulated(*path(5.0), cut).any()


def test_an_even_spread_has_its_quantiles_on_a_straight_line() -> None:
    assert np.allclose(spread(np.array([0.0, 0.1, 0.5, 1.0]), (100.0, 200.0)), [100, 110, 150, 200])


def test_a_triangular_spread_has_the_quantiles_of_its_closed_form() -> None:
    share = spread(np.array([0.0, 0.02, 0.5, 0.98, 1.0]), (0.0, 1.0), "triangular")
    assert np.allclose(share, [0.0, 0.1, 0.5, 0.9, 1.0])  # F(x) = 2 x² below the middle


def test_a_lognormal_spread_has_its_ends_at_p10_and_p90_and_its_median_at_their_geometric_mean() -> None:
    assert np.allclose(spread(np.array([0.1, 0.5, 0.9]), (100.0, 400.0), "lognormal"), [100.0, 200.0, 400.0])
    draws = spread((np.arange(100_000) + 0.5) / 100_000, (100.0, 400.0), "lognormal")
    sigma = np.log(4.0) / (2 * 1.2815515655446004)
    assert draws.mean() == pytest.approx(200.0 * np.exp(sigma**2 / 2), rel=1e-4)  # the midpoint rule cuts the tail


# ---- copies ---------------------------------------------------------------------------------------------------------


def by_hand(level: np.ndarray, day: int, every: float, keep: int) -> float:
    """The obvious way: each copy that exists, by the level of its moment."""
    moments = [k * every for k in range(int(day / every + 1e-9) + 1)][-keep:]
    return float(sum(np.interp(moment, np.arange(len(level)), level) for moment in moments))


@given(
    st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.5, 7.0]),
    st.integers(1, 12),
    st.lists(st.floats(0, 100), min_size=2, max_size=40),
)
def test_copies_are_the_sum_over_those_that_exist(every: float, keep: int, levels: list[float]) -> None:
    level = np.array(levels)
    days = np.arange(float(len(level)))
    total = copied(level[None], days, every=every, keep=keep)[0]
    assert np.allclose(total, [by_hand(level, day, every, keep) for day in range(len(level))])


def test_thirty_copies_of_constant_data_are_thirty_times_it() -> None:
    total = copied(np.full((1, 100), 4.0), np.arange(100.0), every=0.25, keep=30)
    assert np.allclose(total[0, 8:], 120.0)


def test_copies_of_linear_growth_lag_by_half_their_reach() -> None:
    total = copied(DAYS[None] * 1.0, DAYS, every=0.25, keep=30)[0]
    assert np.allclose(total[10:], 30 * (DAYS[10:] - 0.25 * 29 / 2))


# ---- passages -------------------------------------------------------------------------------------------------------


def test_linear_growth_meets_a_limit_on_the_day_that_division_says() -> None:
    rates = np.array([100.0, 130.0, 170.0, 0.5])
    drivers = (rates[:, None] * DAYS)[None]
    found = passages(drivers, np.array([[1.0]]), np.array([[50_000.0]]), np.array([0, 10]))
    assert found.first[0, 0].tolist() == [500, 385, 295, len(DAYS)]  # the last one never does
    assert found.shown[0, 1].tolist() == [1000, 1300, 1700, 5]


def test_exponential_growth_meets_a_limit_on_the_day_that_the_logarithm_says() -> None:
    limit, trend = 1e6, 0.01
    drivers = accumulated(*path(100.0, trend), DAYS)[None]
    day = int(np.ceil(np.log1p(limit * trend / 100.0) / np.log1p(trend)))
    assert passages(drivers, np.ones((1, 1)), np.array([[limit]]), np.array([0])).first.item() == day


@given(st.integers(0, 2**32 - 1))
def test_passages_agree_with_the_matrix_product_and_the_obvious_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drivers = rng.normal(1.0, 3.0, (3, 4, 30)).cumsum(axis=2)
    weights = rng.choice([0.0, 1.0, 2.5], (5, 3))
    limits = rng.uniform(0, 60, (2, 5))
    levels = np.einsum("rd,dpt->rpt", weights, drivers)
    found = passages(drivers, weights, limits, np.array([3, 29]))
    for number in range(2):
        for row in range(5):
            for one in range(4):
                met = np.flatnonzero(levels[row, one] >= limits[number, row])
                assert found.first[number, row, one] == (met[0] if len(met) else 30)
    assert np.allclose(found.shown, levels[:, :, [3, 29]].transpose(0, 2, 1))


# ---- what a loss costs ----------------------------------------------------------------------------------------------


def test_the_age_of_the_last_finished_copy_is_even_between_its_duration_and_one_interval_more() -> None:
    moment = 10 * 21600.0 + np.linspace(0, 21600.0, 21601)[:-1]
    age = np.sort(age_of_last_copy(moment, 21600.0, 600.0))
    assert np.array_equal(age, np.arange(600.0, 600.0 + 21600.0))


def test_before_the_first_copy_everything_is_lost() -> None:
    assert np.isinf(age_of_last_copy(np.array([59.0]), 3600.0, 60.0)).all()


def test_members_with_independent_copies_lose_the_age_of_the_youngest() -> None:
    ages = np.random.default_rng(1).uniform(0, 86_400.0, (5, 200_000))
    assert youngest(ages).mean() == pytest.approx(86_400.0 / 6, rel=0.01)  # 200 000 draws: a standard error of 0.2 %
