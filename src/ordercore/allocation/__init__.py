"""Share money out exactly: by weight, within bounds, by unit, over lines and tenders, over time.

The story of the five cents: share 5 cents 70 to 30.
The exact shares are 3.5 and 1.5. Round both up and 6 cents are paid out of 5;
round both down and one cent is gone.
No rounding of the single share can mend this: somebody must get 4 and somebody 1,
and a rule must say who. So this library never divides money. It allocates it.

>>> allocate(5, (70, 30))
(4, 1)

The laws, named as the tests name them:

- L1 shares sum: the parts, with the remainder where a rule keeps it apart,
  add up to the whole, exactly, whatever the sign and the weights.
- L2 quota: by the default rule, without floors and caps, each part is less than one minor unit
  away from its exact share, and a weight of zero gets zero. `RemainderRule` says
  what the other rules keep.
- L4 units rebuild lines: the shares of single units add up to the share of any run of them.
- L25 matrix: lines by tenders, both margins exact, no negative cell,
  each cell the floor or the ceiling of its exact share.

Amounts are integers in minor units of one currency, of any size. Nothing here is a float.
"""

from __future__ import annotations

from ordercore.allocation.drawing import draw, drawn
from ordercore.allocation.margins import Column, matrix
from ordercore.allocation.share import (
    Apart,
    RemainderRule,
    allocate,
    allocate_apart,
    allocate_within,
    share_of_units,
)

__all__ = [
    # one dimension: an amount over weights
    "Apart",
    "RemainderRule",
    "allocate",
    "allocate_apart",
    "allocate_within",
    "share_of_units",
    # two dimensions: lines by tenders
    "Column",
    "matrix",
    # over time: a row of the matrix, drawn down
    "draw",
    "drawn",
]
