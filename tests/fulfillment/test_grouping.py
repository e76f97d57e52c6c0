from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput, InvalidManifest, InvalidPolicy, OrdercoreError
from ordercore.fulfillment.grouping import propose
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.proposal import (
    EDITS_MAX,
    PLACEMENTS_MAX,
    Edit,
    Group,
    MergeGroups,
    MoveUnits,
    Placement,
    ReasonKind,
    SplitProposal,
    by_hand,
    rearranged,
)
from ordercore.fulfillment.split_rule import (
    GROUPS_MAX,
    RULES_MAX,
    CutAbove,
    FloorOf,
    KeepApart,
    KeepTogether,
    KeepWhole,
    Measure,
    SplitBy,
    SplitPolicy,
    SplitRule,
)
from ordercore.goods import LineId, Manifest, Sku
from ordercore.party import Destination
from ordercore.pricing.cart import Customs

HOME = Destination("CN")
FRESH = KeepApart("fresh", SplitBy.CATEGORY, values=("fresh",))
BY_SOURCE = KeepApart("source", SplitBy.WAREHOUSE)
BATTERY = KeepApart("battery", SplitBy.ATTRIBUTE, "battery", as_one=True)


def item(
    line: str,
    quantity: int = 1,
    amount: int = 10_00,
    grams: int = 500,
    category: str = "",
    **attributes: str,
) -> Item:
    """Some units of a line with the sku of the same name; ``amount`` is of all of them."""
    said = tuple(attributes.items())
    return Item(
        LineId(line), Sku(f"S{line}"), quantity, grams, 0, amount, category, attributes=said
    )


def policy(*rules: SplitRule) -> SplitPolicy:
    """Rules in this order."""
    return SplitPolicy(rules)


def goods(proposal: SplitProposal) -> list[dict[str, int]]:
    """The units of each group."""
    return [dict(group.goods.items) for group in proposal.groups]


def kinds(group: Group) -> dict[str, ReasonKind]:
    """What each rule did to a group."""
    return {reason.rule: reason.kind for reason in group.reasons}


def split(items: list[Item], *rules: SplitRule) -> list[dict[str, int]]:
    """The units of the groups that these rules make."""
    return goods(propose(items, policy(*rules), HOME))


# What is kept apart ---------------------------------------------------------------------------


def test_without_rules_an_order_stays_whole() -> None:
    """An order that no rule splits is one group, and the group says so."""
    proposal = propose([item("1", 2), item("2")], SplitPolicy(), HOME, currency="CNY")
    (group,) = proposal.groups
    assert dict(group.goods.items) == {"1": 2, "2": 1}
    assert (group.name, group.amount, group.weight_grams) == ("1", 20_00, 1_500)
    assert kinds(group) == {"": ReasonKind.UNSPLIT}
    assert proposal.explain() == (
        "the order stays whole\n"
        "group 1: 2 of line 1, 1 of line 2; 1500 g, 20.00 CNY\n"
        "  no rule splits the order"
    )


def test_fresh_goods_go_apart() -> None:
    """With values named, only these leave the rest, which stays together whatever it is."""
    order = [item("1", category="fresh"), item("2", category="toys"), item("3", category="books")]
    proposal = propose(order, policy(FRESH), HOME)
    assert goods(proposal) == [{"1": 1}, {"2": 1, "3": 1}]
    assert [group.reasons[0].value for group in proposal.groups] == ["fresh", ""]
    assert proposal.groups[1].reasons[0].text == "category: not fresh"


@pytest.mark.parametrize(
    ("by", "attribute"),
    [
        (SplitBy.WAREHOUSE, "warehouse"),
        (SplitBy.SHIPPING_METHOD, "shipping_method"),
        (SplitBy.DECLARATION, "declaration"),
        (SplitBy.PRESALE, "presale"),
        (SplitBy.PROVIDER, "provider"),
        (SplitBy.SOURCE_COUNTRY, "source_country"),
    ],
)
def test_goods_go_apart_by_what_their_line_says(by: SplitBy, attribute: str) -> None:
    """Lines that say different things of themselves part; one that says nothing goes by itself."""
    order = [item("1", **{attribute: "a"}), item("2"), item("3", **{attribute: "b"})]
    order.append(item("4", **{attribute: "a"}))
    assert split(order, KeepApart("x", by)) == [{"1": 1, "4": 1}, {"2": 1}, {"3": 1}]


def test_a_group_knows_its_source_by_assignment_or_by_what_its_lines_say() -> None:
    """An assignment comes before the attribute; where units stand at several sources there is no one source."""
    order = [
        item("1", warehouse="a"),
        item("2", warehouse="b"),
        item("3"),
        item("4", warehouse="b"),
    ]
    rule = KeepApart("x", SplitBy.WAREHOUSE)
    assert [group.source for group in propose(order, policy(rule), HOME).groups] == ["a", "b", ""]
    placed = [Placement("c", line="2"), Placement("a", line="3")]
    found = propose(order, policy(rule), HOME, placed)
    assert [(group.source, sorted(group.goods.as_dict())) for group in found.groups] == [
        ("a", ["1", "3"]),
        ("c", ["2"]),
        ("b", ["4"]),
    ]
    assert [group.sources for group in propose(order, policy(), HOME).groups] == [("a", "b")]


def test_goods_go_apart_by_merchant_and_origin() -> None:
    """Whose goods they are and where they were made stand in fields of their own."""
    one = Item(LineId("1"), Sku("A"), 1, merchant="tea-house", customs=Customs("61", "CN"))
    two = Item(LineId("2"), Sku("B"), 1, customs=Customs("61", "CN"))
    three = Item(LineId("3"), Sku("C"), 1, customs=Customs("61", "VN"))
    order = [one, two, three]
    assert split(order, KeepApart("x", SplitBy.MERCHANT)) == [{"1": 1}, {"2": 1, "3": 1}]
    assert split(order, KeepApart("x", SplitBy.ORIGIN)) == [{"1": 1, "2": 1}, {"3": 1}]


def test_any_battery_goes_apart_from_none() -> None:
    """``as_one`` tells goods that have an attribute from goods that do not, and no more."""
    order = [item("1", battery="ion"), item("2"), item("3", battery="metal")]
    assert split(order, BATTERY) == [{"1": 1, "3": 1}, {"2": 1}]
    each = KeepApart("battery", SplitBy.ATTRIBUTE, "battery")
    assert split(order, each) == [{"1": 1}, {"2": 1}, {"3": 1}]


def test_several_rules_part_by_all_of_them() -> None:
    """Goods share a group when no rule tells them apart."""
    order = [
        item("1", category="fresh", provider="p"),
        item("2", provider="p"),
        item("3", category="fresh", provider="q"),
        item("4", category="fresh", provider="p"),
    ]
    proposal = propose(order, policy(FRESH, KeepApart("provider", SplitBy.PROVIDER)), HOME)
    assert goods(proposal) == [{"1": 1, "4": 1}, {"2": 1}, {"3": 1}]
    assert kinds(proposal.groups[0]) == {
        "fresh": ReasonKind.PARTED,
        "provider": ReasonKind.PARTED,
    }
    assert kinds(proposal.groups[1]) == {"fresh": ReasonKind.PARTED}


def test_a_rule_holds_for_its_destinations_alone() -> None:
    """A rule for other countries makes no group, and the proposal says which it is for."""
    order = [item("1", battery="ion"), item("2")]
    abroad = KeepApart("battery", SplitBy.ATTRIBUTE, "battery", as_one=True, countries=("US", "DE"))
    assert len(propose(order, policy(abroad), Destination("US")).groups) == 2
    proposal = propose(order, policy(abroad), HOME)
    assert len(proposal.groups) == 1
    (reason,) = proposal.reasons
    assert (reason.rule, reason.kind, reason.text) == (
        "battery",
        ReasonKind.UNUSED,
        "holds for US, DE",
    )


# Sources --------------------------------------------------------------------------------------


def test_goods_go_apart_by_the_source_of_each_sku() -> None:
    """A mapping from sku to source is an assignment, and may name what is not ordered."""
    assignment = {"S1": "SHA", "S2": "PEK", "S3": "SHA", "S9": "SZX"}
    order = [item("1"), item("2"), item("3")]
    proposal = propose(order, policy(BY_SOURCE), HOME, assignment)
    assert goods(proposal) == [{"1": 1, "3": 1}, {"2": 1}]
    assert [placed.source for placed in proposal.groups[0].placed] == ["SHA", "SHA"]


def test_the_quantity_of_a_line_is_spread_over_its_sources() -> None:
    """Placements for a line come first, then those of its sku, and what nobody has is by itself."""
    order = [item("1", 7, amount=100), item("2", 2)]
    assignment = [
        Placement("PEK", sku="S1", quantity=3),
        Placement("SHA", line="1", quantity=2),
        Placement("SHA", line="2"),
    ]
    proposal = propose(order, policy(BY_SOURCE), HOME, assignment)
    assert goods(proposal) == [{"1": 2, "2": 2}, {"1": 3}, {"1": 2}]
    # 100 over 7 units is 15, 15, 14, 14, 14, 14, 14: the first units bear the odd cents
    assert [group.items[0].amount for group in proposal.groups] == [30, 42, 28]


def test_presale_units_go_apart_from_stock() -> None:
    """Of one line the units in stock and those of a coming batch are two groups."""
    assignment = [Placement("SHA", line="1", quantity=2), Placement("SHA", line="1", presale="may")]
    rule = KeepApart("presale", SplitBy.PRESALE)
    proposal = propose([item("1", 5)], policy(BY_SOURCE, rule), HOME, assignment)
    assert goods(proposal) == [{"1": 2}, {"1": 3}]
    assert [group.placed[0].presale for group in proposal.groups] == ["", "may"]


def test_a_source_has_its_country() -> None:
    """Goods part by the country that they leave from."""
    assignment = [
        Placement("SHA", line="1", country="CN"),
        Placement("FRA", line="2", country="DE"),
    ]
    rule = KeepApart("from", SplitBy.SOURCE_COUNTRY)
    found = propose([item("1"), item("2"), item("3")], policy(rule), HOME, assignment)
    assert [group.reasons[0].value for group in found.groups] == ["CN", "DE", ""]


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ([Placement("SHA", line="9")], "assignment[0].line"),
        ([Placement("SHA", sku="9")], "assignment[0].sku"),
        ([Placement("SHA")], "assignment[0]"),
        ([Placement("SHA", line="1", sku="S1")], "assignment[0]"),
        ([Placement("SHA", line="1"), Placement("SHA", line="2", quantity=2)], "assignment[1]"),
        ([Placement("SHA", line="1", quantity=0)], "assignment[0].quantity"),
        (["SHA"], "assignment[0]"),
        (7, "assignment"),
    ],
)
def test_an_assignment_of_what_is_not_there_is_refused(assignment: object, path: str) -> None:
    """A wrong placement is told by its path."""
    with pytest.raises(OrdercoreError) as caught:
        propose([item("1"), item("2")], SplitPolicy(), HOME, assignment)  # type: ignore[arg-type]
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("items", lambda: propose(None, SplitPolicy(), HOME)),  # type: ignore[arg-type]
        ("to", lambda: propose([item("1")], SplitPolicy(), None)),  # type: ignore[arg-type]
        ("bundles", lambda: propose([item("1")], SplitPolicy(), HOME, bundles=5)),  # type: ignore[arg-type]
        ("assignment[0].source", lambda: propose([item("1")], SplitPolicy(), HOME, {"S1": 5})),  # type: ignore[dict-item]
        ("groups", lambda: by_hand([item("1")], None)),  # type: ignore[arg-type]
        ("proposal", lambda: rearranged(None, [])),  # type: ignore[arg-type]
        ("edits", lambda: rearranged(propose([item("1")], SplitPolicy(), HOME), None)),  # type: ignore[arg-type]
    ],
)
def test_l24_what_is_no_proposal_is_named(path: str, call: Callable[[], object]) -> None:
    """Wrong types are told by their path, never by a fault from below."""
    with pytest.raises(OrdercoreError) as caught:
        call()
    assert caught.value.path == path


# What is kept together ------------------------------------------------------------------------


def test_goods_that_are_kept_together_go_where_the_special_one_goes() -> None:
    """A kit with a battery is a kit with a battery, though most of it has none."""
    order = [item("1", 3), item("2", battery="ion"), item("3"), item("4", battery="ion")]
    kit = KeepTogether("kit", lines=("1", "2"))
    proposal = propose(order, policy(kit, BATTERY), HOME)
    assert goods(proposal) == [{"1": 3, "2": 1, "4": 1}, {"3": 1}]
    assert kinds(proposal.groups[0])["kit"] is ReasonKind.TOGETHER
    assert "kit: keeps lines 1, 2 together, before battery" in proposal.explain()


def test_the_earlier_rule_decides_between_apart_and_together() -> None:
    """Where two rules contradict each other the priority decides, and the reason says so."""
    order = [item("1"), item("2", battery="ion")]
    kit = KeepTogether("kit", skus=("S1", "S2"), priority=5)
    proposal = propose(order, policy(kit, BATTERY), HOME)
    assert goods(proposal) == [{"1": 1}, {"2": 1}]
    for group in proposal.groups:
        (said,) = [reason for reason in group.reasons if reason.rule == "kit"]
        assert said.kind is ReasonKind.OVERRULED
        assert said.text == "would keep lines 1, 2 together, but battery comes first"
    earlier = KeepTogether("kit", skus=("S1", "S2"), priority=-1)
    assert split(order, BATTERY, earlier) == [{"1": 1, "2": 1}]


def test_a_line_that_is_kept_together_is_not_spread() -> None:
    """One line alone may be named: its units then come from one group, whatever sources have them."""
    assignment = [Placement("SHA", line="1", quantity=2), Placement("PEK", line="1")]
    one = KeepTogether("pair", lines=("1",))
    proposal = propose([item("1", 5)], policy(one, BY_SOURCE), HOME, assignment)
    assert goods(proposal) == [{"1": 5}]
    assert [(p.source, p.quantity) for p in proposal.groups[0].placed] == [("SHA", 2), ("PEK", 3)]


def test_components_of_a_bundle_and_goods_of_one_value_stay_together() -> None:
    """A tie is by bundle, or by the value of an attribute; those without a value are free."""
    order = [item(str(i), provider=p) for i, p in enumerate("abab", 1)]
    bundles = KeepTogether("sets", bundles=True)
    by_provider = KeepApart("provider", SplitBy.PROVIDER)
    found = propose(order, policy(bundles, by_provider), HOME, bundles={"1": "b1", "2": "b1"})
    assert goods(found) == [{"1": 1, "2": 1, "3": 1}, {"4": 1}]
    gifts = [
        item("1", gift="x"),
        item("2", gift="x", battery="ion"),
        item("3"),
        item("4", gift="y"),
    ]
    same = KeepTogether("gifts", attribute="gift")
    assert split(gifts, same, BATTERY) == [{"1": 1, "2": 1}, {"3": 1, "4": 1}]
    only = KeepTogether("gifts", attribute="gift", values=("y",))
    assert split(gifts, only, BATTERY) == [{"1": 1, "3": 1, "4": 1}, {"2": 1}]


# What is not split ----------------------------------------------------------------------------


def test_a_small_order_is_left_whole_by_the_later_rules() -> None:
    """Below the floor the rules after it do not split; those before it still do."""
    order = [item("1", category="fresh"), item("2", provider="p"), item("3", provider="q")]
    small = KeepWhole("small", Measure.AMOUNT, 50_00)
    later = KeepApart("provider", SplitBy.PROVIDER)
    proposal = propose(order, policy(FRESH, small, later), HOME, currency="CNY")
    assert goods(proposal) == [{"1": 1}, {"2": 1, "3": 1}]
    (said,) = [reason for reason in proposal.groups[1].reasons if reason.rule == "small"]
    assert said.kind is ReasonKind.WHOLE
    assert said.text == "the order is 30.00 CNY, below 50.00 CNY: not split by provider"
    enough = KeepWhole("small", Measure.AMOUNT, 30_00)
    assert len(split(order, FRESH, enough, later)) == 3


def test_a_small_group_is_left_whole_where_a_large_one_is_split() -> None:
    """A floor may be of each group that the earlier rules have made."""
    order = [item(str(i), grams=400, category=c, provider=p) for i, (c, p) in enumerate(
        [("fresh", "p"), ("fresh", "q"), ("", "p"), ("", "q"), ("", "p")], 1
    )]  # fmt: skip
    small = KeepWhole("small", Measure.WEIGHT, 1_000, FloorOf.GROUP)
    found = split(order, FRESH, small, KeepApart("provider", SplitBy.PROVIDER))
    assert found == [{"1": 1, "2": 1}, {"3": 1, "5": 1}, {"4": 1}]


def test_a_floor_spares_a_group_from_later_limits_only() -> None:
    """A limit before the floor cuts, one after it does not."""
    small = KeepWhole("small", Measure.UNITS, 10)
    limit = CutAbove("limit", Measure.WEIGHT, 1_000)
    assert split([item("1", 4)], small, limit) == [{"1": 4}]
    assert split([item("1", 4)], limit, small) == [{"1": 2}, {"1": 2}]


# What is cut ----------------------------------------------------------------------------------


def test_a_group_above_a_limit_is_cut_in_the_order_of_the_lines() -> None:
    """Groups are filled one after the other, and a line's quantity is spread over them."""
    order = [item("1", 3), item("2", 2), item("3", 1)]
    limit = CutAbove("heavy", Measure.WEIGHT, 1_000)
    proposal = propose(order, policy(limit), HOME)
    assert goods(proposal) == [{"1": 2}, {"1": 1, "2": 1}, {"2": 1, "3": 1}]
    assert {reason.text for group in proposal.groups for reason in group.reasons} == {
        "cut, since 3000 g is above 1000 g"
    }


def test_a_unit_above_a_limit_stays_alone() -> None:
    """What cannot be cut has a group of its own, and the others are filled past it."""
    order = [item("1"), item("2", 2, grams=1_500), item("3")]
    proposal = propose(order, policy(CutAbove("heavy", Measure.WEIGHT, 1_000)), HOME)
    assert goods(proposal) == [{"1": 1, "3": 1}, {"2": 1}, {"2": 1}]
    texts = [reason.text for reason in proposal.groups[1].reasons]
    assert "1500 g is above 1000 g, and cannot be cut" in texts
    assert ReasonKind.ALONE not in kinds(proposal.groups[0]).values()


def test_amounts_are_cut_by_what_each_unit_costs() -> None:
    """Of 10.01 for three units the first two bear the odd cents, so 6.68 takes two of them."""
    order = [item("1", 3, amount=10_01)]
    limit = CutAbove("dear", Measure.AMOUNT, 6_68)
    proposal = propose(order, policy(limit), HOME)
    assert [(group.goods.total(), group.amount) for group in proposal.groups] == [
        (2, 6_68),
        (1, 3_33),
    ]
    assert split(order, CutAbove("dear", Measure.AMOUNT, 6_67)) == [{"1": 1}, {"1": 2}]


def test_all_limits_hold_at_once() -> None:
    """A group is closed by whichever limit it meets first."""
    order = [item("1", 4, amount=4_00, grams=900), item("2", 4, amount=40_00, grams=10)]
    rules = CutAbove("w", Measure.WEIGHT, 2_000), CutAbove("a", Measure.AMOUNT, 15_00)
    assert split(order, *rules) == [{"1": 2}, {"1": 2, "2": 1}, *[{"2": 1}] * 3]


def test_goods_that_are_kept_together_are_cut_by_an_earlier_limit_alone() -> None:
    """A tie before the limit leaves its goods whole and alone; a tie after it gives way."""
    order = [item("1", 2), item("2", 1), item("3")]
    limit = CutAbove("heavy", Measure.WEIGHT, 1_000)
    kit = KeepTogether("kit", lines=("1", "2"))
    before = propose(order, policy(kit, limit), HOME)
    assert goods(before) == [{"1": 2, "2": 1}, {"3": 1}]
    assert kinds(before.groups[0]) == {"heavy": ReasonKind.CUT, "kit": ReasonKind.TOGETHER}
    after = propose(order, policy(limit, kit), HOME)
    assert goods(after) == [{"1": 2}, {"2": 1, "3": 1}]
    assert kinds(after.groups[0])["kit"] is ReasonKind.OVERRULED
    assert "but heavy comes first" in after.explain()
    fits = propose([item("3"), item("1"), item("2")], policy(limit, kit), HOME)
    assert goods(fits) == [{"3": 1}, {"1": 1, "2": 1}]


def test_a_tie_that_gives_way_to_a_limit_gives_way_to_all() -> None:
    """What a limit unties is told apart again by the rules between them."""
    order = [item("1", 2), item("2", battery="ion"), item("3", 2, battery="ion")]
    rules = (
        CutAbove("heavy", Measure.WEIGHT, 1_000),
        KeepTogether("kit", lines=("1", "2")),
        BATTERY,
    )
    proposal = propose(order, policy(*rules), HOME)
    assert goods(proposal) == [{"1": 2}, {"2": 1, "3": 1}, {"3": 1}]


def test_an_order_that_falls_into_too_many_groups_is_refused() -> None:
    """A limit of one unit on a line of thousands ends in an error, not in thousands of groups."""
    limit = CutAbove("one", Measure.UNITS, 1)
    assert len(split([item("1", GROUPS_MAX)], limit)) == GROUPS_MAX
    with pytest.raises(InvalidManifest):
        split([item("1", GROUPS_MAX + 1)], limit)
    with pytest.raises(InvalidManifest):
        split(
            [item("1", GROUPS_MAX), item("2", provider="p")],
            KeepApart("x", SplitBy.PROVIDER),
            limit,
        )


def test_a_rule_that_counts_money_is_for_its_currency() -> None:
    """For another currency it does not hold; without one the order's must be told."""
    order = [item("1", 2)]
    limit = CutAbove("dear", Measure.AMOUNT, 9_00, currency="EUR")
    assert len(propose(order, policy(limit), HOME, currency="EUR").groups) == 2
    found = propose(order, policy(limit), HOME, currency="CNY")
    assert [reason.text for reason in found.reasons] == ["holds for orders in EUR"]
    for wrong in ("", "QQQ", 7):
        with pytest.raises(InvalidInput) as caught:
            propose(order, policy(limit), HOME, currency=wrong)  # type: ignore[arg-type]
        assert caught.value.path == "currency"


# By hand --------------------------------------------------------------------------------------

ORDER = [item("1", 3, amount=10_00), item("2", 2), item("3")]


def of(**units: int) -> Manifest:
    """Units by line: ``of(l1=2)`` is two of line 1."""
    return Manifest.of({name[1:]: number for name, number in units.items()})


def test_groups_by_hand_are_what_somebody_wants() -> None:
    """Any partition of the units may be wanted; each group says that it was."""
    proposal = by_hand(ORDER, [of(l1=1, l3=1), of(l1=2, l2=2)], currency="CNY")
    assert [group.amount for group in proposal.groups] == [13_34, 16_66]
    assert {reason.rule for group in proposal.groups for reason in group.reasons} == {"by hand"}
    assert proposal.goods().as_dict() == {"1": 3, "3": 1, "2": 2}


@pytest.mark.parametrize(
    ("manifests", "path"),
    [
        ([], "groups"),
        ([of(l1=3, l2=2, l3=1), Manifest()], "groups[1]"),
        ([of(l1=3), of(l2=2)], "groups"),
        ([of(l1=3, l2=2), of(l2=1, l3=1)], "groups[1][2]"),
        ([of(l1=3, l2=2, l3=1, l9=1)], "groups[0][9]"),
        ([Manifest(((LineId("1"), -1),))], "groups[0][1]"),  # type: ignore[arg-type]
        ([{"1": 3}], "groups[0]"),
    ],
)
def test_groups_by_hand_hold_each_unit_once(manifests: list[Manifest], path: str) -> None:
    """A unit in no group, in two, or of no line is told by its path."""
    with pytest.raises(OrdercoreError) as caught:
        by_hand(ORDER, manifests)
    assert caught.value.path == path


def test_units_move_between_groups() -> None:
    """Moved units leave one group for another or for a new one, and both say so."""
    proposal = by_hand(ORDER, [of(l1=3), of(l2=2, l3=1)])
    found = rearranged(
        proposal,
        [
            MoveUnits(of(l1=1), "1", "2"),
            MoveUnits(of(l2=1, l1=1), "2"),
            MoveUnits(of(l1=2), "1", "2"),
        ],
    )
    assert [group.name for group in found.groups] == ["2", "3"]
    assert goods(found) == [{"2": 1, "3": 1, "1": 2}, {"2": 1, "1": 1}]
    assert [group.amount for group in found.groups] == [21_66, 8_34]
    assert "by hand: 1 of line 2, 1 of line 1 came from group 2" in found.explain()


def test_groups_are_made_one_by_hand() -> None:
    """A merged group keeps the first name and the reasons of all."""
    order = [item("1", category="fresh"), item("2"), item("3", provider="p")]
    rules = policy(FRESH, KeepApart("provider", SplitBy.PROVIDER))
    found = rearranged(propose(order, rules, HOME), [MergeGroups(("1", "3"))])
    assert goods(found) == [{"1": 1, "3": 1}, {"2": 1}]
    assert kinds(found.groups[0]) == {
        "fresh": ReasonKind.PARTED,
        "provider": ReasonKind.PARTED,
        "by hand": ReasonKind.BY_HAND,
    }


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (MoveUnits(of(l1=1), "9"), "edits[0].out_of"),
        (MoveUnits(of(l1=1), "1", "9"), "edits[0].into"),
        (MoveUnits(of(l1=1), "1", "1"), "edits[0].into"),
        (MoveUnits(of(l2=1), "1", "2"), "edits[0].goods[2]"),
        (MoveUnits(of(l1=4), "1", "2"), "edits[0].goods[1]"),
        (MoveUnits(Manifest(), "1", "2"), "edits[0].goods"),
        (MergeGroups(("1",)), "edits[0].names"),
        (MergeGroups(("1", "1")), "edits[0].names"),
        (MergeGroups(("1", "9")), "edits[0].names[1]"),
        ("join", "edits[0]"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(edit: Edit, path: str) -> None:
    """A wrong edit is told by its path."""
    proposal = by_hand(ORDER, [of(l1=3), of(l2=2, l3=1)])
    with pytest.raises(OrdercoreError) as caught:
        rearranged(proposal, [edit])
    assert caught.value.path == path


# Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "path"),
    [
        ([], "items"),
        ([item("1"), item("1")], "items[1].line"),
        ([item("1", 0)], "items[0].quantity"),
        ([item("1", grams=-1)], "items[0].weight_grams"),
        ([item("1", amount=1.5)], "items[0].amount"),  # type: ignore[arg-type]
        (["1"], "items[0]"),
    ],
)
def test_items_that_are_none_are_refused(items: list[Item], path: str) -> None:
    """What cannot be split is told by its path."""
    with pytest.raises(OrdercoreError) as caught:
        propose(items, SplitPolicy(), HOME)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ((KeepApart("", SplitBy.CATEGORY),), "rules[0].name"),
        ((FRESH, FRESH), "rules[1].name"),
        ((KeepApart("x", "category"),), "rules[0].by"),
        ((KeepApart("x", SplitBy.ATTRIBUTE),), "rules[0].attribute"),
        ((KeepApart("x", SplitBy.CATEGORY, "battery"),), "rules[0].attribute"),
        ((KeepApart("x", SplitBy.CATEGORY, values=("",)),), "rules[0].values"),
        ((KeepApart("x", SplitBy.CATEGORY, values=("a", "a")),), "rules[0].values"),
        ((KeepApart("x", SplitBy.CATEGORY, as_one=1),), "rules[0].as_one"),
        ((KeepApart("x", SplitBy.CATEGORY, countries=("de",)),), "rules[0].countries"),
        ((KeepApart("x", SplitBy.CATEGORY, priority=10**10),), "rules[0].priority"),
        ((KeepTogether("x"),), "rules[0].skus"),
        ((KeepTogether("x", lines=("",)),), "rules[0].lines"),
        ((KeepTogether("x", skus=("A",), values=("a",)),), "rules[0].values"),
        ((KeepTogether("x", attribute=1),), "rules[0].attribute"),
        ((KeepTogether("x", bundles="yes"),), "rules[0].bundles"),
        ((KeepWhole("x", "units", 1),), "rules[0].of"),
        ((KeepWhole("x", Measure.UNITS, 0),), "rules[0].below"),
        ((KeepWhole("x", Measure.UNITS, 1, "order"),), "rules[0].floor_of"),
        ((KeepWhole("x", Measure.UNITS, 1, currency="EUR"),), "rules[0].currency"),
        ((CutAbove("x", Measure.WEIGHT, 1.5),), "rules[0].at_most"),
        ((CutAbove("x", Measure.AMOUNT, 1, "QQQ"),), "rules[0].currency"),
        (("x",), "rules[0]"),
        ([FRESH], "rules"),
        (tuple([KeepApart(str(i), SplitBy.CATEGORY) for i in range(RULES_MAX + 1)]), "rules"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_hold_is_refused(rules: tuple[SplitRule, ...], path: str) -> None:
    """A wrong rule is told by its path in the document."""
    with pytest.raises(InvalidPolicy) as caught:
        SplitPolicy(rules).check()
    assert caught.value.path == f"splitting.{path}"
    with pytest.raises(InvalidPolicy):
        propose([item("1")], SplitPolicy(rules), HOME)


def test_a_group_is_found_by_its_name() -> None:
    """The goods of all groups and a group by its name are at hand; an unknown name is refused."""
    proposal = by_hand(ORDER, [of(l1=3), of(l2=2, l3=1)])
    assert proposal.manifests() == (of(l1=3), of(l2=2, l3=1))
    assert proposal.group("2").goods == of(l2=2, l3=1)
    with pytest.raises(InvalidInput) as caught:
        proposal.group("3")
    assert caught.value.data["allowed"] == ("1", "2")


def test_batches_are_bounded() -> None:
    """Too many placements, edits or groups are refused before anything is done with them."""
    with pytest.raises(InvalidManifest) as caught:
        propose(ORDER, SplitPolicy(), HOME, [Placement("SHA", line="1")] * (PLACEMENTS_MAX + 1))
    assert caught.value.path == "assignment"
    merge = MergeGroups(("1", "2"))
    with pytest.raises(InvalidInput) as edits:
        rearranged(by_hand(ORDER, [of(l1=3, l2=2, l3=1)]), [merge] * (EDITS_MAX + 1))
    assert edits.value.path == "edits"
    full = propose([item("1", GROUPS_MAX + 1)], SplitPolicy(), HOME)
    moves = [MoveUnits(of(l1=1), "1")] * EDITS_MAX
    with pytest.raises(InvalidInput) as groups:
        rearranged(full, moves)
    assert groups.value.path == f"edits[{GROUPS_MAX - 1}]"
    goods_of = [item(str(i), category=str(i)) for i in range(GROUPS_MAX + 1)]
    with pytest.raises(InvalidManifest):
        split(goods_of, KeepApart("x", SplitBy.CATEGORY))


def test_a_policy_is_a_split_policy() -> None:
    """Rules by themselves are no policy."""
    with pytest.raises(InvalidInput):
        propose([item("1")], (FRESH,), HOME)  # type: ignore[arg-type]


# Laws -----------------------------------------------------------------------------------------

WORDS = st.sampled_from(["", "a", "b", "c"])
LINES = [str(number) for number in range(1, 6)]


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[Item], list[Placement]]:
    """Up to five lines, of which some units are placed."""
    items, placements = [], []
    for line in LINES[: draw(st.integers(1, 5))]:
        found = Item(
            LineId(line),
            Sku(f"S{line}"),
            draw(st.integers(1, 5)),
            draw(st.sampled_from([0, 100, 350, 900])),
            0,
            draw(st.integers(0, 5_000)),
            draw(WORDS),
            draw(WORDS),
            (("battery", draw(WORDS)), ("provider", draw(WORDS))),
        )
        items.append(found)
        left = found.quantity
        for source in draw(st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True)):
            if left:
                count = draw(st.integers(1, left))
                left -= count
                placements.append(Placement(source, line, "", count, "CN" * (source == "x")))
    return items, placements


APARTS = st.builds(
    lambda by, values, as_one: KeepApart(
        "", by, "battery" if by is SplitBy.ATTRIBUTE else "", tuple(sorted(values)), as_one
    ),
    st.sampled_from(
        [SplitBy.WAREHOUSE, SplitBy.CATEGORY, SplitBy.MERCHANT, SplitBy.PROVIDER, SplitBy.ATTRIBUTE]
    ),
    st.sets(st.sampled_from(["a", "b", "x"]), max_size=2),
    st.booleans(),
)
TOGETHERS = st.one_of(
    st.builds(
        lambda lines: KeepTogether("", lines=tuple(sorted(lines))),
        st.sets(st.sampled_from(LINES), min_size=1, max_size=3),
    ),
    st.just(KeepTogether("", attribute="provider")),
)
BOUNDS = {
    Measure.AMOUNT: st.integers(1, 8_000),
    Measure.WEIGHT: st.integers(1, 3_000),
    Measure.UNITS: st.integers(1, 8),
}
MEASURES = st.sampled_from(Measure)
FLOORS = MEASURES.flatmap(
    lambda of: st.builds(KeepWhole, st.just(""), st.just(of), BOUNDS[of], st.sampled_from(FloorOf))
)
LIMITS = MEASURES.flatmap(lambda of: st.builds(CutAbove, st.just(""), st.just(of), BOUNDS[of]))


def named(rules: list[SplitRule]) -> SplitPolicy:
    """The rules under names of their own."""
    found = []
    for i, rule in enumerate(rules):
        fields = {field.name: getattr(rule, field.name) for field in attrs.fields(type(rule))}
        found.append(type(rule)(**{**fields, "name": f"r{i}"}))
    return SplitPolicy(tuple(found))


def policies(*kinds_of_rules: st.SearchStrategy[SplitRule]) -> st.SearchStrategy[SplitPolicy]:
    """Policies of up to five rules of these kinds."""
    return st.lists(st.one_of(kinds_of_rules), max_size=5).map(named)


ALL = policies(APARTS, TOGETHERS, FLOORS, LIMITS)


@given(orders(), ALL)
def test_l16_groups_add_up_to_the_order(
    order: tuple[list[Item], list[Placement]], rules: SplitPolicy
) -> None:
    """Units, amounts, weights and placements of the groups add up to those of the order."""
    items, placements = order
    proposal = propose(items, rules, HOME, placements)
    assert proposal.goods().as_dict() == {i.line: i.quantity for i in items}
    for line in items:
        parts = [one for group in proposal.groups for one in group.items if one.line == line.line]
        assert sum(one.amount for one in parts) == line.amount
    assert sum(group.amount for group in proposal.groups) == sum(i.amount for i in items)
    assert sum(group.weight_grams for group in proposal.groups) == sum(
        i.weight_grams * i.quantity for i in items
    )
    placed = [one for group in proposal.groups for one in group.placed]
    assert sum(one.quantity or 0 for one in placed) == sum(one.quantity or 0 for one in placements)


@given(orders(), ALL)
def test_l18_groups_and_proposal_name_every_rule(
    order: tuple[list[Item], list[Placement]], rules: SplitPolicy
) -> None:
    """Each group has a reason, and each rule is named by a group or by the proposal, never by both."""
    proposal = propose(order[0], rules, HOME, order[1])
    by_groups = {reason.rule for group in proposal.groups for reason in group.reasons} - {""}
    assert all(group.reasons for group in proposal.groups)
    by_order = {reason.rule for reason in proposal.reasons}
    assert by_groups | by_order == {rule.name for rule in rules.rules}
    assert not by_groups & by_order
    text = proposal.explain()
    assert all(f"  {rule.name}: " in text for rule in rules.rules)


@given(orders(), ALL)
@example(
    ([item("1", 2), item("2", battery="a"), item("3", 2, battery="a")], []),
    named([CutAbove("", Measure.WEIGHT, 1_000), KeepTogether("", lines=("1", "2")), BATTERY]),
)
def test_l16_a_group_is_not_split_again(
    order: tuple[list[Item], list[Placement]], rules: SplitPolicy
) -> None:
    """The same rules leave each group as it is."""
    for group in propose(order[0], rules, HOME, order[1]).groups:
        again = propose(group.items, rules, HOME, group.placed)
        assert [one.goods for one in again.groups] == [group.goods]
        assert again.groups[0].amount == group.amount


@given(orders(), policies(APARTS, TOGETHERS, FLOORS), st.randoms(use_true_random=False))
def test_l18_groups_do_not_depend_on_the_order_of_items(
    order: tuple[list[Item], list[Placement]], rules: SplitPolicy, chance: Random
) -> None:
    """Where nothing is cut, the same goods in another order make the same groups for the same reasons."""
    items, placements = order

    def found(items: list[Item]) -> set[object]:
        return {
            (frozenset(group.goods.items), frozenset(group.reasons))
            for group in propose(items, rules, HOME, placements).groups
        }

    shuffled = list(items)
    chance.shuffle(shuffled)
    assert found(shuffled) == found(items)


@given(orders(), policies(APARTS, LIMITS))
def test_l18_no_group_holds_what_a_rule_keeps_apart(
    order: tuple[list[Item], list[Placement]], rules: SplitPolicy
) -> None:
    """Without floors and ties no group mixes values, and none of more than one unit is above a limit."""
    for group in propose(order[0], rules, HOME, order[1]).groups:
        for rule in rules.rules:
            if isinstance(rule, KeepApart) and rule.by is SplitBy.CATEGORY and not rule.values:
                values = {bool(i.category) if rule.as_one else i.category for i in group.items}
                assert len(values) == 1
            elif isinstance(rule, CutAbove) and group.goods.total() > 1:
                units = group.goods.total()
                counted = {Measure.AMOUNT: group.amount, Measure.WEIGHT: group.weight_grams}
                assert counted.get(rule.of, units) <= rule.at_most


@given(orders(), ALL, st.sets(st.sampled_from(LINES), min_size=2, max_size=3))
def test_l18_the_first_rule_keeps_its_goods_together(
    order: tuple[list[Item], list[Placement]], rules: SplitPolicy, lines: set[str]
) -> None:
    """What the earliest rule keeps together is in one group, whatever else is asked."""
    first = KeepTogether("first", lines=tuple(sorted(lines)), priority=-1)
    proposal = propose(order[0], SplitPolicy((*rules.rules, first)), HOME, order[1])
    holding = [g for g in proposal.groups if lines & {line for line, _ in g.goods}]
    assert len(holding) <= 1


@given(orders(), ALL, st.data())
def test_l16_goods_moved_by_hand_still_add_up(
    order: tuple[list[Item], list[Placement]], rules: SplitPolicy, data: st.DataObject
) -> None:
    """After any move and any merge the groups hold the order's units and amounts."""
    items, placements = order
    proposal = propose(items, rules, HOME, placements)
    group = data.draw(st.sampled_from(proposal.groups))
    line, units = data.draw(st.sampled_from(group.goods.items))
    moved = Manifest.of({line: data.draw(st.integers(1, units))})
    others = ["", *[one.name for one in proposal.groups if one is not group]]
    found = rearranged(proposal, [MoveUnits(moved, group.name, data.draw(st.sampled_from(others)))])
    if len(found.groups) > 1:
        found = rearranged(found, [MergeGroups(tuple([g.name for g in found.groups[:2]]))])
    assert found.goods().as_dict() == {i.line: i.quantity for i in items}
    assert sum(one.amount for one in found.groups) == sum(i.amount for i in items)
    placed = [one for group in found.groups for one in group.placed]
    assert sum(one.quantity or 0 for one in placed) == sum(one.quantity or 0 for one in placements)


def test_a_part_of_an_item_keeps_all_that_is_known_of_it() -> None:
    """Cutting changes quantity and amount; a field that is added to `Item` must not get lost."""
    whole = Item(
        LineId("1"),
        Sku("A"),
        2,
        3,
        4,
        5,
        "fresh",
        "tea-house",
        (("battery", "ion"),),
        Customs("61"),
    )
    assert all(getattr(whole, f.name) != f.default for f in attrs.fields(Item))
    first, _ = propose([whole], policy(CutAbove("x", Measure.UNITS, 1)), HOME).groups
    (cut,) = first.items
    for field in attrs.fields(Item):
        if field.name not in {"quantity", "amount"}:
            assert getattr(cut, field.name) == getattr(whole, field.name), field.name
