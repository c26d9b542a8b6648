"""The spend that a price buys on a Hill curve: its marginal return is the price, at any scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.allocation.hill import Hill
from tests.effort import effort

slopes = st.one_of(
    st.floats(0.2, 1.0), st.floats(1.0, 30.0), st.floats(-9, -1).map(lambda x: 1 + 10**x)
)


@effort(100)
@given(
    rows=st.lists(
        st.tuples(slopes, st.floats(-12, 12), st.floats(-12, 12), st.floats(-12, -1e-3)),
        min_size=1,
        max_size=30,
    )
)
def test_the_marginal_return_of_what_a_price_buys_is_the_price(rows):
    slope, ceiling, half, share = (np.array(column) for column in zip(*rows, strict=True))
    curves = Hill(10**ceiling, 10**half, slope)
    peak = np.where(slope > 1, curves.inflection(), curves.half_saturation)
    price = curves.marginal(peak) * 10**share
    spend, response = curves.tail(price)
    assert curves.marginal(spend) == pytest.approx(price, rel=1e-9)
    assert (spend >= np.where(slope > 1, peak, 0.0) * (1 - 1e-6)).all()
    moved, _ = curves.tail(price * 1.0001)
    near, _ = curves.tail(price, spend * 1.3)
    assert near == pytest.approx(spend, rel=1e-9)
    far = share < -1e-2  # nearer to the peak the response has no end
    assert ((moved - spend) / np.log(1.0001))[far] == pytest.approx(response[far], rel=1e-2)


def test_a_price_that_no_spend_earns_buys_the_inflection_and_hinders_no_other_line():
    slope = np.array([1.0, 1.5, 2.0, 3.0])
    curves = Hill(np.full(4, 5.0), np.full(4, 10.0), slope)
    dear = np.array([0.1, 1e3, 0.2, 1e3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spend, response = curves.tail(dear)
    assert spend[[1, 3]] == pytest.approx(curves.inflection()[[1, 3]])
    assert (response[[1, 3]] == 0).all()
    assert curves.marginal(spend)[[0, 2]] == pytest.approx(dear[[0, 2]], rel=1e-12)
