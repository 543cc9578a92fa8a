"""How figures are printed: beside their goals, met or missed.

Here: rows, medians, the printed table. Not here: where the figures come from.
"""

import statistics
import sys
from dataclasses import dataclass


@dataclass
class Row:
    """One figure, of several measurements where they vary."""

    what: str
    # None of them when it could not be measured, which misses its goal.
    values: list
    unit: str
    # The most that is wanted, or with `at_least` the least; `None` where there is no goal.
    goal: float = None
    at_least: bool = False
    note: str = ""

    @property
    def median(self):
        return statistics.median(self.values)

    def verdict(self):
        if self.goal is None:
            return ""
        if not self.values:
            return "MISSED"
        met = self.median >= self.goal if self.at_least else self.median <= self.goal
        return "met" if met else "MISSED"

    def cells(self):
        spread = ""
        if len(self.values) > 1:
            spread = f"{number(min(self.values))} .. {number(max(self.values))}"
        goal = ""
        if self.goal is not None:
            goal = f"{'>=' if self.at_least else '<='} {number(self.goal)}"
        figure = f"{number(self.median)} {self.unit}".strip() if self.values else "not measured"
        return [self.what, figure, spread, goal, self.verdict(), self.note]


@dataclass
class Skipped:
    """What could not be measured, and why."""

    what: str
    why: str

    def verdict(self):
        return ""

    def cells(self):
        return [self.what, "skipped", "", "", "", self.why]


HEADING = ["what", "median", "spread", "goal", "", "note"]


def number(value):
    """Three digits that matter."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


# Every table that was shown, as text.
SHOWN = []


def skipped(what, why):
    """A row for what is left out, said on standard error, too."""
    print(f"skipped: {what}: {why}", file=sys.stderr)
    return Skipped(what, why)


def all_met(rows):
    """Whether no row misses its goal."""
    return all(row.verdict() != "MISSED" for row in rows)


def show(title, rows):
    """Prints rows as a table that Markdown takes as one, too."""
    lines = [HEADING, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADING))]
    rule = ["-" * width for width in widths]
    text = f"\n{title}\n\n"
    for line in [lines[0], rule, *lines[1:]]:
        cells = (cell.ljust(width) for cell, width in zip(line, widths))
        text += "| " + " | ".join(cells) + " |\n"
    print(text, end="", flush=True)
    SHOWN.append(text)


def show_again():
    """Prints all tables once more, without what was said in between."""
    print("\nAll figures\n-----------")
    print("".join(SHOWN), end="", flush=True)


def progress(text):
    """What is being done, for who waits."""
    print(text, file=sys.stderr, flush=True)
