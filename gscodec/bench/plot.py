"""Rate curves as SVG, written by hand: log rate across, dB up, one line for each curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from gscodec.bench.curve import Point

__all__ = ["rate_plot", "ticks"]

WIDTH, HEIGHT = 780, 440
LEFT, RIGHT, TOP, BOTTOM = 56, 280, 36, 48  # right: the legend
# Okabe and Ito's colours, told apart by most eyes
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARGIN = 0.04  # of the range, at each end


def rate_plot(title: str, unit: str, curves: Mapping[str, Sequence[Point]], scale: float = 1.0) -> str:
    """The SVG. `unit` names the rate, which is kilobytes a frame times `scale`."""
    rates = [math.log10(p.kb * scale) for points in curves.values() for p in points]
    levels = [p.psnr for points in curves.values() for p in points]
    x, y = _axis(rates, LEFT, WIDTH - RIGHT), _axis(levels, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{escape(title)}</text>',
    ]
    parts += [_rule(x(math.log10(t)), TOP, 0, HEIGHT - BOTTOM - TOP) for t in log_ticks(rates)]
    parts += [_text(x(math.log10(t)), HEIGHT - BOTTOM + 16, f"{t:g}", "middle") for t in log_ticks(rates)]
    parts += [_rule(LEFT, y(t), WIDTH - RIGHT - LEFT, 0) for t in ticks(min(levels), max(levels))]
    parts += [_text(LEFT - 6, y(t) + 4, f"{t:g}", "end") for t in ticks(min(levels), max(levels))]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, unit, "middle"))
    parts.append(f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">dB</text>')
    for i, (label, points) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = [(x(math.log10(p.kb * scale)), y(p.psnr)) for p in sorted(points, key=lambda p: p.psnr)]
        parts += _line(places, colour)
        parts.append(f'<circle cx="{WIDTH - RIGHT + 16}" cy="{TOP + 20 * i + 8}" r="4" fill="{colour}"/>')
        parts.append(_text(WIDTH - RIGHT + 26, TOP + 20 * i + 12, label, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _axis(values: Sequence[float], start: float, end: float):
    """A map from the range of the values, widened by MARGIN, to start..end pixels."""
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    low, spread = low - MARGIN * spread, spread * (1 + 2 * MARGIN)
    return lambda value: start + (value - low) / spread * (end - start)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Multiples of 1, 2, 5 or 10 times a power of ten within low..high, at most `most`."""
    spread = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(spread / most))
    step = next(power * m for m in (1, 2, 5, 10, 20) if spread / (power * m) <= most - 1)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_ticks(logs: Sequence[float]) -> list[float]:
    """1, 2 and 5 times powers of ten within the range of the decimal logarithms."""
    low, high = min(logs), max(logs)
    values = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
    return [v for v in values if low - 0.02 <= math.log10(v) <= high + 0.02]


def _rule(x: float, y: float, dx: float, dy: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}l{dx:.1f} {dy:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(places: Sequence[tuple[float, float]], colour: str) -> list[str]:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    return [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]
