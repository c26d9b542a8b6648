"""Money: floats while deciding, whole minor units of one currency from then on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from pipeline.core.errors import ConfigError

# ISO 4217 currencies whose minor unit is not a hundredth.
_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}


def outcome_unit(metric: str, currency: str) -> str:
    """Return what an amount of an outcome counts: `EUR of revenue`, `conversions`, `new trials`.

    Revenue is in the portfolio's currency; what another metric counts is in its name.
    """
    words = metric.replace("_", " ")
    return f"{currency} of {words}" if metric == "revenue" else words


def minor_digits(currency: str) -> int:
    """Return how many decimals the currency's amounts have (ISO 4217).

    Raises:
        ConfigError: not three capital letters.
    """
    if not (
        len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()
    ):
        raise ConfigError(f"currency: got {currency!r}, need a three-letter ISO code such as EUR")
    return _DIGITS.get(currency, 2)


def to_minor(amount: float, currency: str) -> int:
    """Return the amount in whole minor units, halves to even.

    Raises:
        ConfigError: the amount is not finite.
    """
    if not math.isfinite(amount):
        raise ConfigError(f"an amount of money must be finite, got {amount!r}")
    scaled = Decimal(repr(float(amount))).scaleb(minor_digits(currency))
    return int(scaled.to_integral_value(rounding=ROUND_HALF_EVEN))


def from_minor(minor: int, currency: str) -> float:
    """Return the amount as the nearest float of the major unit."""
    return float(Decimal(minor).scaleb(-minor_digits(currency)))


def round_money(amount: float, currency: str) -> float:
    """Return the amount rounded to the currency's minor unit."""
    return from_minor(to_minor(amount, currency), currency)


def plain_money(amount: float, currency: str) -> str:
    """Return `1234.50` of EUR, `1234` of JPY and `1234.500` of KWD: for one line of text."""
    return f"{amount:.{minor_digits(currency)}f}"


def sum_money(amounts: Sequence[float], currency: str) -> float:
    """Return the exact total of amounts that are already whole minor units."""
    return from_minor(sum(to_minor(amount, currency) for amount in amounts), currency)


def worth_saying(rate: float) -> int:
    """Return the power of ten of money for which an outcome of `rate` per unit is worth saying.

    1 where a unit of money earns 1 or more, 100,000 where it earns 0.00002: nobody reads that.
    """
    if rate <= 0:
        return 1
    return int(10 ** min(max(math.ceil(-math.log10(rate)), 0), 6))


def sum_words(amount: int, currency: str) -> str:
    """Return `EUR` for one of them and `100 000 JPY` for more."""
    return currency if amount == 1 else f"{amount:,} {currency}".replace(",", " ")
