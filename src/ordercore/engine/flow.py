"""Use cases are written once, as generators over port calls; runners drive them.

::

    def pay(...) -> Flow[Order]:
        outcome = yield from call(gateway.authorize, request)

A flow yields a `Step`, the runner makes the call and sends the answer in, or throws the port's error
at the yield. The sync runner, the async runner, the batch runner and a simulation drive the same code.
Rules that a tidy test holds: no ``yield`` under ``finally`` or ``with``, no broad ``except`` around one
(a dropped generator runs its ``finally``, and a port's bug must not be swallowed).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, Self, TypeVar

from ordercore.errors import InvalidInput, OrdercoreError, PortFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from ordercore.change import Change
    from ordercore.ports import OrderStore

__all__ = ["Flow", "Step", "arun", "call", "run", "run_batch"]

P = ParamSpec("P")
T = TypeVar("T")


class Step(tuple[Any, ...]):
    """One call of a port, to be made by a runner: the function, its arguments, its keywords or ``None``.

    A tuple, because an order makes some twenty of them.
    """

    __slots__ = ()

    def __new__(
        cls, fn: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any] | None = None
    ) -> Self:
        """Name the call; nothing is made yet."""
        return _step(cls, (fn, args, kw))

    @property
    def fn(self) -> Callable[..., Any]:
        """The port's function."""
        found: Callable[..., Any] = self[0]
        return found

    @property
    def args(self) -> tuple[Any, ...]:
        """Its arguments."""
        found: tuple[Any, ...] = self[1]
        return found

    @property
    def kw(self) -> dict[str, Any] | None:
        """Its keywords, ``None`` for none."""
        found: dict[str, Any] | None = self[2]
        return found

    @property
    def name(self) -> str:
        """Which port's which function: ``StripeGateway.authorize``."""
        owner = getattr(self.fn, "__self__", None)
        name = getattr(self.fn, "__name__", str(self.fn))
        return f"{type(owner).__name__}.{name}" if owner is not None else name

    def __repr__(self) -> str:
        return f"{self.name}(..)"


_step = tuple.__new__


Flow = Generator[Step, Any, T]
"""A use case under way: yields steps, returns its result."""


def call(fn: Callable[P, T | Awaitable[T]], *args: P.args, **kw: P.kwargs) -> Flow[T]:
    """Ask a runner to call a port; ``yield from`` gives the answer."""
    answer: T = yield _step(Step, (fn, args, kw or None))
    return answer


def _refuse(answer: Any, step: Step) -> NoReturn:
    """An awaitable where a plain value was due: close it, and say which port."""
    close = getattr(answer, "close", None)
    if close is not None:
        close()
    raise InvalidInput(f"{step.name} is asynchronous: use AsyncOrderEngine", path=step.name)


def _make(step: Step) -> Any:
    """The port's answer to a step."""
    fn, args, kw = step
    answer = fn(*args) if kw is None else fn(*args, **kw)
    if hasattr(answer, "__await__"):
        _refuse(answer, step)
    return answer


def _known(error: Exception, name: str, count: int, step: Step) -> OrdercoreError:
    """The port's error, of the library's tree, with a note of the use case and the step."""
    if not isinstance(error, OrdercoreError):
        what = type(error).__name__
        known = PortFailed(f"{step.name} raised {what}: {error}", port=step.name, error=what)
        known.__cause__ = error
        error = known
    error.add_note(f"in {name}, step {count}: {step!r}")
    return error


def run(flow: Flow[T], name: str = "flow") -> T:
    """Drive ``flow`` to its end with plain calls."""
    count = 0
    answer: Any = None
    try:
        step = flow.send(None)
        while True:
            count += 1
            try:
                fn, args, kw = step
                answer = fn(*args) if kw is None else fn(*args, **kw)
                if hasattr(answer, "__await__"):
                    _refuse(answer, step)
            except Exception as error:  # noqa: BLE001 - handed to the flow, which decides
                step = flow.throw(_known(error, name, count, step))
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def arun(flow: Flow[T], name: str = "flow") -> T:
    """Drive ``flow`` to its end, awaiting what the ports answer with."""
    count = 0
    try:
        step = flow.send(None)
        while True:
            count += 1
            try:
                answer = step.fn(*step.args, **(step.kw or {}))
                if hasattr(answer, "__await__"):
                    answer = await answer
            except Exception as error:  # noqa: BLE001 - handed to the flow, which decides
                step = flow.throw(_known(error, name, count, step))
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


class _Lane:
    """One flow of a batch: its next step, or its end."""

    __slots__ = ("error", "flow", "made", "result", "step")

    def __init__(self, flow: Flow[Any]) -> None:
        self.flow = flow
        self.step: Step | None = None
        self.made = 0
        self.result: Any = None
        self.error: OrdercoreError | None = None

    def go(self, answer: Any = None, error: Exception | None = None) -> None:
        """Resume the flow; an error of the library's tree ends this lane alone."""
        try:
            self.step = self.flow.send(answer) if error is None else self.flow.throw(error)
        except StopIteration as end:
            self.step, self.result = None, end.value
        except OrdercoreError as failed:
            self.step, self.error = None, failed


def run_batch(
    flows: Sequence[Flow[T]], store: OrderStore, name: str = "batch"
) -> list[T | OrdercoreError]:
    """Drive several flows abreast, and make their commits together.

    In each round every flow makes one step; the commits of a round become one commit, so many orders
    share one durable write. Where the common commit is refused (one of them was stale), each is made alone.
    Returns each flow's result, or its error of the library's tree.
    """
    lanes = [_Lane(flow) for flow in flows]
    for lane in lanes:
        lane.go()
    active = [lane for lane in lanes if lane.step is not None]
    while active:
        commits: list[tuple[_Lane, Step]] = []
        for lane in active:
            step = lane.step
            if step is None:
                continue
            lane.made += 1
            if step.fn == store.commit and step.kw is None:
                commits.append((lane, step))
            else:
                _advance(lane, step, name)
        if commits:
            _commit_together(commits, store, name)
        active = [lane for lane in active if lane.step is not None]
    return [lane.result if lane.error is None else lane.error for lane in lanes]


def _advance(lane: _Lane, step: Step, name: str) -> None:
    try:
        answer = _make(step)
    except Exception as error:  # noqa: BLE001 - handed to the flow, which decides
        lane.go(error=_known(error, name, lane.made, step))
    else:
        lane.go(answer)


def _commit_together(commits: list[tuple[_Lane, Step]], store: OrderStore, name: str) -> None:
    changes: list[Change] = [change for _, step in commits for change in step.args[0]]
    try:
        _make(Step(store.commit, (changes,)))
    except OrdercoreError:
        for lane, step in commits:
            _advance(lane, step, name)
    else:
        for lane, _ in commits:
            lane.go(None)
