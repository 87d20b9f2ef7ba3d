"""Numbers, times and metric names as a reader likes to see them."""

import math

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_METRIC_NAMES = {
    "mcc": "MCC",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "r2": "R²",
    "mse": "MSE",
    "rmse": "RMSE",
    "mae": "MAE",
    "f1": "F1",
    "gc": "GC",
}


def metric_name(key: str) -> str:
    """Turn the key of a metric into its usual name: ``f1_macro`` into ``F1 macro``.

    Args:
        key: Key in ``metrics.json`` or ``log.jsonl``.

    Returns:
        The name, with words in place of underscores.
    """
    return " ".join(_METRIC_NAMES.get(word, word) for word in key.split("_"))


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with ``digits`` significant digits, or a dash for one that is undefined.

    Args:
        value: Any number; None and NaN stand for undefined.
        digits: Significant digits.

    Returns:
        The number, with thousands separated and powers of ten below 0.001.

    Example:
        >>> number(12345.6), number(0.81239), number(0.0003) == f"3{TIMES}10⁻⁴"
        ('12,346', '0.812', True)
    """
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    size = abs(value)
    if size >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    elif size == 0 or size >= 1e-3:
        text = f"{value:.{digits}g}"
    else:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        text = f"{mantissa}{TIMES}{power_of_ten(int(exponent))}"
    return text.replace("-", MINUS)


def power_of_ten(exponent: int) -> str:
    """Write a power of ten: ``10⁻⁴``.

    Args:
        exponent: The exponent.

    Returns:
        Ten with the exponent raised.
    """
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def score(value: float | None, decimals: int = 3) -> str:
    """Write a score with three decimals: 0.812, or a dash for one that is undefined.

    Args:
        value: A score such as MCC; None and NaN stand for undefined.
        decimals: Digits behind the point.

    Returns:
        The score as text.
    """
    if value is None or not math.isfinite(value):
        return DASH
    return (f"{value:.{decimals}f}" if abs(value) < 1000 else f"{value:,.0f}").replace("-", MINUS)


def interval(low: float | None, high: float | None) -> str:
    """Write a confidence interval.

    Args:
        low: Its lower end; None and NaN stand for undefined.
        high: Its upper end.

    Returns:
        For example ``0.424 to 0.615``.
    """
    ends = score(low), score(high)
    return DASH if DASH in ends else " to ".join(ends)


def difference(value: float, decimals: int = 3) -> str:
    """Write a difference of two scores with its sign and three decimals.

    Args:
        value: The difference.
        decimals: Digits behind the point.

    Returns:
        For example ``+0.041``.
    """
    return f"{value:+.{decimals}f}".replace("-", MINUS)


def count(value: int | None) -> str:
    """Write a large count short: ``12.15 M`` for 12,150,000.

    Args:
        value: A count; None if unknown.

    Returns:
        The count in millions or billions where it is that large.
    """
    if value is None:
        return DASH
    for size, unit in ((10**9, "B"), (10**6, "M")):
        if value >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:,}"


def duration(seconds: float | None) -> str:
    """Write a time span in its two largest units.

    Args:
        seconds: The span; None and NaN stand for unknown.

    Returns:
        For example ``2 h 05 min``.

    Example:
        >>> duration(7500), duration(90), duration(4.2)
        ('2 h 05 min', '1 min 30 s', '4.2 s')
    """
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"
