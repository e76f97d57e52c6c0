"""How the tables of merging stand in a policy document: a row of letters for each state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ordercore.errors import InvalidPolicy
from ordercore.order.merge import MergeCell, MergeMatrix, MergePolicy, MergeRule
from ordercore.policy.kinds import Choice, Many, Span, Text, Whole, below, table, wrong
from ordercore.value import value

__all__ = ["MERGING"]

_STATES_MAX = 200
_TABLES_MAX = 100
_LETTERS = {MergeCell.YES: "Y", MergeCell.STAFF: "S", MergeCell.NO: "-"}


@value
class _Matrix:
    """A `MergeMatrix` with the lifecycle that it is for, its rows as text."""

    lifecycle: str
    states: tuple[str, ...]
    rows: tuple[str, ...]
    customer: int = 0


class _Matrices(Many):
    """A table for each of some lifecycles."""

    def read(self, raw: Any, path: str) -> dict[str, MergeMatrix]:  # type: ignore[override]
        """By lifecycle."""
        found: dict[str, MergeMatrix] = {}
        for i, one in enumerate(super().read(raw, path)):
            where = f"{path}[{i}]"
            if one.lifecycle in found:
                reason = f"the lifecycle {one.lifecycle!r} has a table already"
                raise InvalidPolicy(reason, path=f"{where}.lifecycle")
            if len(set(one.states)) != len(one.states):
                raise InvalidPolicy("each state stands there once", path=f"{where}.states")
            if len(one.rows) != len(one.states):
                reason = f"needs a row for each of {len(one.states)} states, not {len(one.rows)}"
                raise InvalidPolicy(reason, path=f"{where}.rows")
            found[one.lifecycle] = MergeMatrix(
                one.states, tuple([_row(one, j, where) for j in range(len(one.rows))]), one.customer
            )
        return found

    def fit(self, found: Any, path: str) -> None:
        """Refuse what no document could hold."""
        if not isinstance(found, Mapping):
            wrong(path, "a mapping by lifecycle", found)
        for name, matrix in found.items():
            if type(name) is not str:
                wrong(path, "a mapping by lifecycle", name)
            if type(matrix) is not MergeMatrix:
                wrong(below(path, name), "a MergeMatrix", matrix)
            rows = matrix.rows if type(matrix.rows) is tuple else (None,)
            for row in rows:
                if type(row) is not tuple or not all([isinstance(cell, MergeCell) for cell in row]):
                    wrong(f"{below(path, name)}.rows", "tuples of MergeCell", row)
        super().fit(_written(found), path)

    def write(self, found: Any) -> list[Any]:
        """In the order of the names."""
        return super().write(_written(found))


def _row(one: _Matrix, at: int, path: str) -> tuple[MergeCell, ...]:
    codes = one.rows[at].replace(" ", "")
    if len(codes) != len(one.states):
        reason = f"needs a letter for each of {len(one.states)} states, not {len(codes)}"
        raise InvalidPolicy(reason, path=f"{path}.rows[{at}]")
    cells = {letter: cell for cell, letter in _LETTERS.items()}
    return tuple([cells[code] for code in codes])


def _written(found: Mapping[str, MergeMatrix]) -> tuple[_Matrix, ...]:
    return tuple(
        [
            _Matrix(
                name, matrix.states,
                tuple([" ".join([_LETTERS[cell] for cell in row]) for row in matrix.rows]),
                matrix.customer,
            )
            for name, matrix in sorted(found.items())
        ]
    )  # fmt: skip


_NAME = Text(".+", "text that is not empty")
MERGING = table(
    MergePolicy,
    matrices=_Matrices(
        table(
            _Matrix,
            lifecycle=_NAME,
            states=Many(_NAME, _STATES_MAX, 1),
            rows=Many(Text("[-YS ]+", "a row of Y, S and -"), _STATES_MAX, 1),
            customer=Whole(0, _STATES_MAX),
        ),
        _TABLES_MAX,
    ),
    waived=Many(Choice(MergeRule), len(MergeRule)),
    window=Span(),
)
"""The section ``[merging]``."""
