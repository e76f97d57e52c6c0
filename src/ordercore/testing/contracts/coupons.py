"""What a coupon book promises."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ordercore.errors import CouponUnavailable, InvalidInput
from ordercore.pricing import CouponStatus
from ordercore.testing.contracts.asking import Contract
from ordercore.testing.story import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.ports import Answer, CouponBook
    from ordercore.pricing import Coupon

__all__ = ["CouponBookContract"]

RACERS = 64
"""Orders that want one code at once."""

_MINUTE = timedelta(minutes=1)


class CouponBookContract(Contract):
    """What a `CouponBook` promises. Give `make_book` and, for lapses, `advance`.

    The book knows these codes, valid at any time:

    - ``ONCE-1`` and ``ONCE-2``, each for one use, of the promotion ``once``;
    - ``OPEN``, for any number of uses, of ``open``;
    - ``TWICE-A`` and ``TWICE-B``, for any number of uses, of ``twice``, which may be used twice in all;
    - ``EACH``, for any number of uses, of ``each``, which each customer may use once;
    - ``ADA``, for one use, of ``gift``, given to the customer ``ada``.
    """

    def make_book(self) -> Answer[CouponBook]:
        """A new book with these codes; its time is noon (`ordercore.testing.START`)."""
        raise NotImplementedError

    def advance(self, by: timedelta) -> None:
        """Let the book's time go on."""
        raise NotImplementedError

    def close_book(self, book: CouponBook) -> Answer[None]:
        """Let go of what the book holds open."""

    book: CouponBook

    @pytest.fixture(autouse=True)
    def _one_book_a_test(self, _one_loop_a_test: None) -> Iterator[None]:
        self.book = self.ask(self.make_book())
        yield
        self.ask(self.close_book(self.book))

    def hold(self, name: str, *codes: str, customer: str = "c-1", minutes: int = 60) -> None:
        """Hold codes until so long after noon."""
        self.ask(self.book.hold(name, codes, customer, START + minutes * _MINUTE))

    def use(self, name: str) -> None:
        """Make a hold final."""
        self.ask(self.book.use(name))

    def release(self, name: str) -> None:
        """Give a holding back."""
        self.ask(self.book.release(name))

    def refused(self, name: str, *codes: str, customer: str = "c-2") -> str:
        """Which code is named when these are refused."""
        with pytest.raises(CouponUnavailable) as caught:
            self.hold(name, *codes, customer=customer, minutes=10_000)
        return str(caught.value.data["coupon"])

    def find(self, code: str, customer: str = "c-1") -> Coupon:
        """What the book says of one code."""
        (found,) = self.ask(self.book.find((code,), customer))
        return found

    def status(self, code: str) -> CouponStatus:
        """What became of a code."""
        return self.find(code).status

    def test_it_tells_what_it_knows_and_leaves_out_the_rest(self) -> None:
        """Known codes come in the order asked, with their promotion; unknown ones are left out."""
        found = self.ask(self.book.find(("OPEN", "no such code", "ADA", "ONCE-1"), "c-1"))
        told = [(c.code, c.promotion, c.single_use, c.holder) for c in found]
        assert told == [
            ("OPEN", "open", False, ""),
            ("ADA", "gift", True, "ada"),
            ("ONCE-1", "once", True, ""),
        ]
        assert {c.status for c in found} == {CouponStatus.FREE}
        assert self.ask(self.book.find((), "c-1")) == ()

    def test_a_code_for_one_use_is_held_by_one_order_at_a_time(self) -> None:
        """Held by one order it is refused to another, and the refusal names it."""
        self.hold("h-1", "ONCE-1")
        assert self.status("ONCE-1") is CouponStatus.HELD
        assert self.refused("h-2", "ONCE-1") == "ONCE-1"

    def test_of_many_orders_at_once_exactly_one_holds_a_code(self) -> None:
        """However many ask for a code for one use together, one gets it and all others are refused."""
        until = START + 60 * _MINUTE

        async def asked(number: int) -> bool:
            try:
                answer = self.book.hold(f"h-{number}", ("ONCE-1",), f"c-{number}", until)
                if inspect.isawaitable(answer):
                    await answer
            except CouponUnavailable:
                return False
            return True

        async def all_asked() -> int:
            return sum(await asyncio.gather(*[asked(number) for number in range(RACERS)]))

        def one(number: int) -> bool:
            return asyncio.run(asked(number))

        if inspect.iscoroutinefunction(self.book.hold):
            together: Answer[int] = all_asked()
            won = self.ask(together)
        else:
            with ThreadPoolExecutor(RACERS) as pool:
                won = sum(pool.map(one, range(RACERS)))
        assert won == 1
        assert self.status("ONCE-1") is CouponStatus.HELD

    def test_codes_are_held_all_or_none(self) -> None:
        """Where one code is taken, the others stay free."""
        self.hold("h-1", "ONCE-2")
        assert self.refused("h-2", "ONCE-1", "OPEN", "ONCE-2") == "ONCE-2"
        assert self.status("ONCE-1") is CouponStatus.FREE
        assert self.find("OPEN").used_in_all == 0

    def test_an_unknown_code_is_not_held(self) -> None:
        """Nothing is held of what the book does not have."""
        assert self.refused("h-1", "no such code") == "no such code"

    def test_the_same_holding_is_the_same_hold(self) -> None:
        """A retry takes nothing more, before it was made final and after."""
        self.hold("h-1", "ONCE-1", "OPEN")
        self.hold("h-1", "ONCE-1", "OPEN")
        self.use("h-1")
        self.hold("h-1", "ONCE-1", "OPEN")
        assert self.status("ONCE-1") is CouponStatus.USED
        assert self.find("OPEN").used_in_all == 1

    def test_a_code_given_to_a_customer_is_held_for_nobody_else(self) -> None:
        """The holder of a code may use it, others may not."""
        assert self.refused("h-1", "ADA", customer="c-1") == "ADA"
        self.hold("h-1", "ADA", customer="ada")

    def test_a_hold_lapses(self) -> None:
        """At its time the code is free again, and somebody else may take it."""
        self.hold("h-1", "ONCE-1", minutes=60)
        self.advance(59 * _MINUTE)
        assert self.status("ONCE-1") is CouponStatus.HELD
        self.advance(_MINUTE)
        assert self.status("ONCE-1") is CouponStatus.FREE
        self.hold("h-2", "ONCE-1", minutes=120)
        with pytest.raises(CouponUnavailable) as caught:
            self.use("h-1")
        assert caught.value.data["coupon"] == "ONCE-1"

    def test_a_lapsed_hold_is_used_while_its_codes_are_free(self) -> None:
        """Time alone takes nothing away: what nobody else took is made final."""
        self.hold("h-1", "ONCE-1", "OPEN", minutes=60)
        self.advance(61 * _MINUTE)
        self.use("h-1")
        assert self.status("ONCE-1") is CouponStatus.USED
        assert self.find("OPEN").used_in_all == 1

    @pytest.mark.parametrize("minutes", [0, -1])
    def test_a_hold_that_is_over_is_none(self, minutes: int) -> None:
        """Held until now or before, nothing would be held: it is refused, and the code stays free."""
        with pytest.raises(InvalidInput) as caught:
            self.hold("h-1", "OPEN", minutes=minutes)
        assert caught.value.path == "until"
        assert self.find("OPEN").used_in_all == 0
        with pytest.raises(CouponUnavailable):
            self.use("h-1")

    @pytest.mark.parametrize("codes", [("TWICE-A", "TWICE-B"), ("TWICE-B", "TWICE-A")])
    def test_codes_are_taken_in_the_order_asked(self, codes: tuple[str, str]) -> None:
        """Where one use is left for two codes, the second is named: at a hold, and at the use of one
        that lapsed."""
        self.hold("h-1", *codes, minutes=60)
        self.advance(61 * _MINUTE)
        self.hold("h-2", "TWICE-A", customer="c-2", minutes=600)
        assert self.refused("h-3", *codes) == codes[1]
        with pytest.raises(CouponUnavailable) as caught:
            self.use("h-1")
        assert caught.value.data["coupon"] == codes[1]

    def test_codes_of_one_order_count_for_each_other(self) -> None:
        """An order that takes two codes of one promotion has used it twice, before it is paid and after."""
        self.hold("h-1", "TWICE-A", "TWICE-B", minutes=60)
        assert self.find("TWICE-A").used_in_all == 2
        assert self.refused("h-2", "TWICE-A") == "TWICE-A"
        self.advance(61 * _MINUTE)
        self.use("h-1")
        assert self.find("TWICE-B").used_in_all == 2
        assert self.refused("h-2", "TWICE-B") == "TWICE-B"

    def test_a_lapsed_hold_is_used_as_a_whole_or_not_at_all(self) -> None:
        """Where one of its codes was taken meanwhile, the others stay free."""
        self.hold("h-1", "ONCE-1", "ONCE-2", minutes=60)
        self.advance(61 * _MINUTE)
        self.hold("h-2", "ONCE-2", minutes=120)
        with pytest.raises(CouponUnavailable):
            self.use("h-1")
        assert self.status("ONCE-1") is CouponStatus.FREE

    def test_a_use_does_not_lapse(self) -> None:
        """Made final in time, the code stays used for good; twice is once."""
        self.hold("h-1", "ONCE-1", minutes=60)
        self.use("h-1")
        self.use("h-1")
        self.advance(600 * _MINUTE)
        assert self.status("ONCE-1") is CouponStatus.USED
        assert self.refused("h-2", "ONCE-1") == "ONCE-1"

    def test_a_holding_never_made_cannot_be_used(self) -> None:
        """There is nothing to make final."""
        with pytest.raises(CouponUnavailable):
            self.use("h-9")

    def test_a_release_frees_once_before_and_after_use(self) -> None:
        """Released codes are free again; released twice, a code that somebody else took stays theirs."""
        for name, final in (("h-1", False), ("h-2", True)):
            self.hold(name, "ONCE-1", "OPEN")
            if final:
                self.use(name)
            self.release(name)
            assert self.status("ONCE-1") is CouponStatus.FREE
            assert self.find("OPEN").used_in_all == 0
        self.hold("h-3", "ONCE-1")
        self.release("h-1")
        self.release("h-2")
        assert self.status("ONCE-1") is CouponStatus.HELD

    def test_a_released_holding_cannot_be_used(self) -> None:
        """A payment that comes after the order closed takes no code, even one that is free."""
        for final in (False, True):
            self.hold("h-1", "ONCE-1")
            if final:
                self.use("h-1")
            self.release("h-1")
            with pytest.raises(CouponUnavailable):
                self.use("h-1")
            assert self.status("ONCE-1") is CouponStatus.FREE

    def test_a_released_holding_can_be_made_anew(self) -> None:
        """What an order gave back it may hold again under the same name, unless somebody else took it."""
        for final in (False, True):
            self.hold("h-1", "ONCE-1")
            if final:
                self.use("h-1")
            self.release("h-1")
            self.hold("h-2", "ONCE-1")
            with pytest.raises(CouponUnavailable):
                self.hold("h-1", "ONCE-1")
            self.release("h-2")
            self.hold("h-1", "ONCE-1")
            self.use("h-1")
            assert self.status("ONCE-1") is CouponStatus.USED
            self.release("h-1")

    def test_a_release_of_nothing_is_nothing(self) -> None:
        """Releasing what was never held changes nothing, and a hold of that name can still be made."""
        self.release("h-9")
        self.hold("h-9", "ONCE-1")
        assert self.status("ONCE-1") is CouponStatus.HELD

    def test_a_code_for_many_is_held_by_many(self) -> None:
        """A code without limits is everybody's; uses and holds are counted in all and by customer."""
        for number in range(3):
            self.hold(f"h-{number}", "OPEN", customer=f"c-{number % 2}")
        self.use("h-0")
        found = self.find("OPEN", customer="c-0")
        assert (found.used_in_all, found.used_by_customer) == (3, 2)
        assert found.status is CouponStatus.FREE

    def test_a_limit_in_all_counts_the_promotion_under_any_code(self) -> None:
        """Two uses of two codes are the last; what lapses or is released counts no more."""
        self.hold("h-1", "TWICE-A", customer="c-1", minutes=60)
        self.hold("h-2", "TWICE-B", customer="c-2", minutes=600)
        assert self.refused("h-3", "TWICE-A", customer="c-3") == "TWICE-A"
        self.advance(61 * _MINUTE)
        self.hold("h-3", "TWICE-A", customer="c-3", minutes=600)
        assert self.refused("h-4", "TWICE-B", customer="c-4") == "TWICE-B"
        self.release("h-2")
        self.hold("h-4", "TWICE-B", customer="c-4", minutes=600)
        with pytest.raises(CouponUnavailable):
            self.use("h-1")

    def test_a_limit_for_each_customer_counts_that_customer(self) -> None:
        """Each may use it once, and again when it came back."""
        self.hold("h-1", "EACH", customer="c-1")
        assert self.refused("h-2", "EACH", customer="c-1") == "EACH"
        self.hold("h-3", "EACH", customer="c-2")
        self.release("h-1")
        self.hold("h-2", "EACH", customer="c-1")

    def test_it_says_whether_it_joins_the_store(self) -> None:
        """A book says whether it writes in the store's own transaction."""
        assert isinstance(self.book.joins, bool)
