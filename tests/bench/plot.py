# SPDX-License-Identifier: Apache-2.0
"""A plot of ratios to native: a panel for each group, horizontal bars, logarithmic, as SVG text."""
import math
from xml.sax.saxutils import escape

# Readable on light and on dark: middle tones, and the text in the reader's own colour.
COLOURS = ["#3b82c4", "#d9822b", "#3d9970", "#b0549b", "#8a7f2e", "#c0504d", "#6f6fc8", "#5b9aa0"]
PANELS = [("micro", "Operations"), ("micro_busy", "Operations, every processor busy"),
          ("start", "Start to end of true"), ("jobs", "Whole programs")]
LEFT, RIGHT, WIDTH, BAR, GAP, TITLE, AXIS = 170, 60, 900, 9, 8, 34, 22


def _text(x, y, words, anchor="start", size=12, weight="normal", opacity=1):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'opacity="{opacity}">{escape(words)}</text>')


def _label(ratio):
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def _ticks(low, high):
    return [m * 10 ** e for e in range(-2, 6) for m in (1, 2, 5) if low <= m * 10 ** e <= high]


def _panel(top, title, operations, runtimes, low, high):
    """The elements of a panel and where it ends."""
    def x(ratio):
        return LEFT + (math.log(ratio) - math.log(low)) / (math.log(high) - math.log(low)) * (WIDTH - LEFT - RIGHT)

    out, y = [_text(8, top + 20, title, size=15, weight="bold")], top + TITLE
    bars = []
    for op, values in operations.items():
        shown = [r for r in runtimes if values.get(r, {}).get("ratio")]
        if not shown:
            continue
        bars.append(_text(LEFT - 8, y + len(shown) * BAR / 2 + 4, op, anchor="end"))
        for r in shown:
            ratio = values[r]["ratio"]
            a, b = sorted((x(1), x(min(max(ratio, low), high))))
            bars.append(f'<rect x="{a:.1f}" y="{y}" width="{max(b - a, 1):.1f}" height="{BAR - 1}" '
                        f'fill="{COLOURS[runtimes.index(r) % len(COLOURS)]}">'
                        f'<title>{escape(op)}, {escape(r)}: {_label(ratio)} × native</title></rect>')
            bars.append(_text(b + 3, y + BAR - 1.5, _label(ratio), size=8.5))
            y += BAR
        y += GAP
    for t in _ticks(low, high):
        strong = t == 1
        out.append(f'<line x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{top + TITLE - 4}" y2="{y}" stroke="currentColor" '
                   f'stroke-opacity="{0.7 if strong else 0.15}"/>')
        out.append(_text(x(t), y + 14, f"{t:g}×", anchor="middle", size=10, opacity=0.8))
    return out + bars, y + AXIS


def ratios(results):
    """SVG of everything in results that has a ratio to native."""
    runtimes = [r for r in results["runtimes"] if r != "native"]
    groups = results["groups"]
    every = [v["ratio"] for g, _ in PANELS for op in groups.get(g, {}).get("operations", {}).values()
             for v in op.values() if v["ratio"]]
    low, high = min([0.5] + every) * 0.95, max([2] + every) * 1.1
    body, y = [], 50
    body.append(_text(8, 20, "Time as a multiple of native: right of 1× is slower, left of it faster", size=16, weight="bold"))
    at = 8
    for i, r in enumerate(runtimes):
        body.append(f'<rect x="{at}" y="32" width="12" height="10" fill="{COLOURS[i % len(COLOURS)]}"/>')
        body.append(_text(at + 16, 41, r))
        at += 40 + 7 * len(r)
    for group, title in PANELS:
        operations = groups.get(group, {}).get("operations", {})
        if any(v["ratio"] for op in operations.values() for v in op.values()):
            part, y = _panel(y, title, operations, runtimes, low, high)
            body += part
    m, c = results["machine"], results["conditions"]
    body.append(_text(8, y + 18, f"{results['date']}, {m['processors']} × {m['cpu']}, Linux {m['kernel']}, "
                      f"{c.get('rounds', '?')} rounds", size=10, opacity=0.8))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 28}" width="{WIDTH}" '
            f'font-family="sans-serif" fill="currentColor" color="#808080">\n' + "\n".join(body) + "\n</svg>\n")
