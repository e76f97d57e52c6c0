"""The report of a replay: one HTML file with charts, the lifecycle with its counts, and the tables.

It loads nothing and runs nothing: charts are SVG in the page, styles stand in its head.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from ordercore.cli.charts import Bar, columns, rows
from ordercore.cli.sections import html_table
from ordercore.cli.summary import ATTRIBUTION, assumption, pounds, sections
from ordercore.lifecycle import svg
from ordercore.lifecycle.charts.standard import standard
from ordercore.order import FACTS

if TYPE_CHECKING:
    from ordercore.cli.summary import Result

__all__ = ["report_html"]

_STYLE: Final = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 24px 64px; max-width: 1180px; background: #fff; color: #1f2733;
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 17px; margin: 0 0 10px; }
p { margin: 0 0 8px; }
.lead, .note { color: #4b5768; }
.note { font-size: 13px; margin: 8px 0 0; }
.verdict { display: inline-block; margin: 14px 0 4px; padding: 6px 14px; border-radius: 6px;
  font-weight: 600; background: #dcefe1; color: #14532d; }
.verdict.bad { background: #fbe0e0; color: #7f1d1d; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 14px;
  margin: 18px 0 26px; }
.tile { border: 1px solid #dde2e9; border-radius: 8px; padding: 12px 16px; }
.tile b { display: block; font-size: 20px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: #4b5768; font-size: 13px; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap: 18px; }
section, figure { border: 1px solid #dde2e9; border-radius: 8px; padding: 16px 18px; margin: 0;
  min-width: 0; }
figure svg { display: block; width: 100%; height: auto; }
figure.lifecycle { margin: 18px 0; }
figure.lifecycle svg { max-width: 760px; margin: 0 auto; }
.whole { margin-top: 18px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: #4b5768; border-bottom: 1px solid #b8c0cc; }
th, td { padding: 4px 10px 4px 0; white-space: nowrap; }
td { border-bottom: 1px solid #eef1f5; }
.figure { text-align: right; padding: 4px 0 4px 10px; font-variant-numeric: tabular-nums; }
tbody tr:last-child td { border-bottom: 0; }
footer { margin-top: 28px; font-size: 13px; color: #4b5768; }
@media print { body { padding: 0; } section, figure { break-inside: avoid; } }
"""

_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_TURNOVER: Final = "#2f6f8f"
_REFUNDS: Final = "#b4532a"
_STATES: Final = "#3f7d58"
_TENDERS: Final = "#6a5a9c"


def report_html(result: Result) -> str:
    """The page."""
    tables = sections(result)
    narrow = [html_table(table) for table in tables if not table.wide]
    wide = [html_table(table) for table in tables if table.wide]
    verdict = "Every check of the books holds." if result.holds else "The books do not add up."
    bad = "" if result.holds else " bad"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replay of {escape(result.file)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>A year of a shop, replayed</h1>
<p class="lead">Each invoice of {escape(result.file)} was placed, paid, shipped, completed,
canceled or refunded by the engine, on a simulated clock. {escape(assumption(result.policies))}</p>
<p class="verdict{bad}">{verdict}</p>
</header>
{_tiles(result)}
<div class="grid">
{_charts(result)}
</div>
{_lifecycle(result)}
<div class="grid">
{"".join(narrow)}
</div>
{"".join(f'<div class="whole">{table}</div>' for table in wide)}
<footer>{escape(ATTRIBUTION)}</footer>
</body>
</html>
"""


def _tiles(result: Result) -> str:
    figures = result.figures
    kept = figures.placed - figures.closed_unpaid - figures.refunded
    speed = figures.orders * 1000 // max(result.milliseconds, 1)
    tiles = [
        (f"{figures.orders:,}", "orders"),
        (f"£{pounds(kept)}", "turnover, with tax"),
        (f"£{pounds(figures.refunded)}", "refunds requested"),
        (f"£{pounds(sum(row.amount for row in result.balances))}", "trial balance"),
        (f"{speed:,}", "orders per second"),
        (f"{result.peak_kib // 1024:,} MiB", "peak memory"),
    ]
    found = "".join(f'<div class="tile"><b>{of}</b><span>{what}</span></div>' for of, what in tiles)
    return f'<div class="tiles">{found}</div>'


def _charts(result: Result) -> str:
    figures = result.figures
    months = sorted(figures.months.items())
    paid = [Bar(_month(name), month.paid, _short(month.paid)) for name, month in months]
    back = [Bar(_month(name), month.refunded, _short(month.refunded)) for name, month in months]
    states = sorted(figures.states.items(), key=lambda pair: -pair[1])
    orders = [Bar(name.replace("_", " "), count, f"{count:,}") for name, count in states if count]
    gateways = sorted(figures.gateways.items(), key=lambda pair: -pair[1].taken)
    taken = [
        Bar(
            name.replace("_", " "), sums.taken - sums.undone, f"£{pounds(sums.taken - sums.undone)}"
        )
        for name, sums in gateways
    ]
    pictures = [
        ("Paid orders by month, thousand GBP", columns, paid, _TURNOVER),
        ("Refunds by month, thousand GBP", columns, back, _REFUNDS),
    ]
    found = [
        _figure(title, draw(title, bars, color, 100_000, ""))
        for title, draw, bars, color in pictures
    ]
    found.append(_figure("Orders by state", rows("Orders by state", orders, _STATES)))
    found.append(_figure("Taken by tender", rows("Taken by tender", taken, _TENDERS)))
    return "\n".join(found)


def _month(name: str) -> str:
    """``2010-12`` as ``Dec 10``."""
    return f"{_MONTHS[int(name[5:]) - 1]} {name[2:4]}"


def _short(pence: int) -> str:
    """Thousands of pounds with one digit behind the point, by half up."""
    tenths = (pence + 5_000) // 10_000
    return f"{tenths // 10:,}.{tenths % 10}" if tenths else "0"


def _figure(title: str, picture: str) -> str:
    return f"<figure><h2>{escape(title)}</h2>{picture}</figure>"


def _lifecycle(result: Result) -> str:
    chart = standard(FACTS)
    picture = svg(chart, counts=dict(result.figures.moves))
    note = "The figure at an arrow is how often that move was made; one that nobody made is drawn faintly."
    return (
        f'<figure class="lifecycle"><h2>The lifecycle, with its counts</h2>{picture}'
        f'<p class="note">{note}</p></figure>'
    )
