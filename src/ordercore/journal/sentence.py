"""The sentences of the journal: English templates by name, to be put into a language.

Catalogs translate a template (context ``journal``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LISTED_MAX", "SENTENCES", "Field", "Sentence", "say"]

LISTED_MAX: Final = 6
"""Most goods, payments or tags that a sentence lists by name."""

Field = int | str | datetime | timedelta | tuple[Any, ...]


@value
class Sentence:
    """One thing to say: the name of a template in `SENTENCES`, and its fields."""

    name: str
    fields: tuple[tuple[str, Field], ...] = attrs.field(default=(), repr=False)

    @property
    def template(self) -> str:
        """The English template."""
        return SENTENCES[self.name]


SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # the order
        "placed": "The order was placed: {total:money}.",
        "pay_by": "It is to be paid by {at:time}.",
        "adopted": "The order was taken over in the state “{state:state}”: {total:money}, {paid:money} paid before.",
        "moved": "“{via:event}” moved the order from “{source:state}” to “{to:state}”.",
        "stays": "“{via:event}”: the order stays in “{to:state}”.",
        "moved_by_hand": "The order was moved by hand from “{source:state}” to “{to:state}”.",
        "released": "Nothing is held for it any more.",
        "sealed": "It is closed for good.",
        "amended": "What was agreed was changed ({parts:parts}): {total:money} instead of {was:money}.",
        "amended_same": "What was agreed was changed ({parts:parts}); the total stays at {total:money}.",
        "recovered": "The order lives again: {total:money} instead of {was:money}.",
        "overruled": "A rule was set aside: {rule:word}.",
        "valid": "The order was reviewed and is valid.",
        "invalid": "The order was reviewed and is not valid.",
        "not_in_order": "Not in order: {points:list}.",
        "assigned": "The order is now the work of {to}.",
        "unassigned": "The order is nobody's work any more.",
        "note": "Note for the customer: “{text}”",
        "internal_note": "An internal note was written.",
        "tagged": "Tagged: {tags:list}.",
        "untagged": "Tags taken off: {tags:list}.",
        "item": "{goods:goods} is now “{status:item}”.",
        "closing": "The order is to close.",
        "closing_later": "The order is to close once its channels have answered.",
        "reminded": "Payment is still due by {at:time}.",
        "reminded_open": "Payment is still due.",
        # orders that go apart and become one
        "split_up": "Split into {count} orders: {numbers:list}.",
        "split_part": "{number}: {goods:goods}, {total:money}.",
        "split_part_for": "{number}: {goods:goods}, {total:money} ({reasons:list}).",
        "split_off": "It began as a part of the order {parent}: {total:money}, {paid:money} paid before.",
        "split_off_reasons": "Why it is one: {reasons:list}.",
        "rejoined": "Its {count} parts are one order again: {total:money}.",
        "combined": "Took in {number}: {total:money}, of which {due:money} is due.",
        "combined_even": "Took in {number}: {total:money}, and nothing is due.",
        "merged_into": "It is part of {number} from now on, with its goods and its money.",
        "unmerged": "{number} is apart again: {total:money} instead of {was:money}.",
        "restored": "It is apart again from {source}, and has its own goods and money back.",
        "brought_in": "Came along, paid before: {payments:payments}.",
        "taken_out": "Goes along: {payments:payments}.",
        # time
        "paused": "Clocks stand still: {pause}.",
        "resumed": "Clocks run on: {pause}.",
        "extended": "The timer “{timer:word}” got {more:span} more.",
        "step_overran": "The step “{step:step}” takes longer than {target:span}.",
        "timer_overran": "“{timer:word}”: it takes longer than {target:span}.",
        "escalated": "“{timer:word}”: somebody above must look.",
        # payments
        "paying": "Payment began: {payments:payments}.",
        "carried": "Paid before and counted on: {payments:payments}.",
        "reallotted": "What was paid stands for the goods of today: {payments:payments}.",
        "open": "{gateway}: {amount:money} asked.",
        "waiting": "{gateway}: {amount:money} waits for the payer.",
        "authorized": "{gateway}: {amount:money} held.",
        "authorized_less": "{gateway}: {amount:money} held, {asked:money} was asked.",
        "capturing": "{gateway}: {amount:money} to be taken.",
        "captured": "{gateway}: {amount:money} taken.",
        "captured_part": "{gateway}: {amount:money} taken, {left:money} still held.",
        "captured_rest": "{gateway}: {amount:money} taken, {taken:money} in all.",
        "captured_of_held": "{gateway}: {amount:money} taken of {asked:money} that was held.",
        "captured_other": "{gateway}: {amount:money} taken, {asked:money} was asked.",
        "capture_over": "{gateway}: no more is taken, it stays at {taken:money}.",
        "declined": "{gateway}: {amount:money} declined.",
        "declined_for_now": "{gateway} cannot take {amount:money} now, and took nothing.",
        "not_sent": "{gateway}: {amount:money} could not be asked, and nothing was moved.",
        "rerouted": "{gateway} takes over from {other}: {amount:money} asked.",
        "taken_on_shipment": "To be held, and taken when goods leave: {payments:payments}.",
        "taken_on_delivery": "To be collected when the goods arrive: {payments:payments}.",
        "taken_by_hand": "To be held, and taken when staff says so: {payments:payments}.",
        "in_coins": "Rounded to coins: {amount:money}.",
        "closing_attempt": "{gateway}: {amount:money} to be given up.",
        "returning": "{gateway}: {amount:money} to be given back.",
        "returned": "{gateway}: {amount:money} given back.",
        "given_up": "{gateway}: {amount:money} given up, nothing was taken.",
        "capture": "To be taken: {payments:payments}.",
        "capture_no_more": "No more is to be taken: {gateways:list}.",
        "undo": "To be given back: {payments:payments}.",
        "resolved": "A refund goes another way, so what each payment stands for was worked out anew.",
        "authorization_ending": "{gateway}: {amount:money} is held until {at:time} and was not taken; somebody must look.",
        "held_late": "{gateway}: {amount:money} came after the order had ended, and is kept until somebody decides.",
        "forfeited": "{amount:money} of the deposit is kept.",
        "forfeited_tax": "{tax:money} of it is tax.",
        "charged_back": "{gateway}: the payer's bank took {amount:money} back.",
        "charged_back_twice": "{amount:money} of it had gone back before: the customer owes that.",
        "charged_back_fee": "{gateway} keeps {amount:money} for it.",
        "fee": "{gateway} keeps {amount:money} as its fee.",
        "fee_back": "{gateway} gives {amount:money} of its fee back.",
        "remitted": "{gateway}: {amount:money} paid out to the bank.",
        "remitted_less": "{gateway}: {amount:money} paid out to the bank, {fee:money} kept as a fee.",
        "shared": "Owed to merchants: {merchants:payments}. Kept as commission: {commission:money}.",
        "shared_back": "No longer owed to merchants: {merchants:payments}. Commission given up: {commission:money}.",
        "earned": "The sale was booked: {net:money} net, {tax:money} tax.",
        "funded": "Borne by third parties: {amount:money}.",
        "duties": "Collected for the destination: {amount:money}.",
        # refunds
        "refund": "{amount:money} is to go back: {goods:goods}.",
        "refund_of_all": "{amount:money} is to go back.",
        "surplus": "{amount:money} was paid above the price, and is to go back.",
        "only_held": "Only held, so nothing has to be paid back: {amount:money}.",
        "refund_elsewhere": "It goes another way, as the customer agreed: {payments:payments}.",
        "refund_sent": "{gateway}: {amount:money} is asked back.",
        "refund_sent_as_one": "{gateway}: {amount:money} is asked back, {parts} parts as one.",
        "refund_rerouted": "{amount:money} goes to {gateway} instead of {other}, as the customer agreed.",
        "refund_again": "{gateway}: {amount:money} is tried once more.",
        "refund_let_go": "{gateway}: {amount:money} is let go, it was only held.",
        "refund_no_coin": "{gateway}: there is no coin for {amount:money}.",
        "refund_accepted": "{gateway}: {amount:money} is on its way back.",
        "refund_arrived": "{gateway}: {amount:money} arrived back.",
        "refund_failed": "{gateway}: {amount:money} did not go back.",
        "refund_unknown": "{gateway}: unknown whether {amount:money} went back.",
        "refund_late": "{gateway}: {amount:money} has not arrived back in time.",
        "refund_stranded": "{gateway}: {amount:money} cannot go back this way; somebody must look.",
        # what is no refund
        "compensation": "{gateway}: {amount:money} is granted to the customer, beside any refund.",
        "approved": "Approved by {by}.",
        "compensation_accepted": "{gateway}: the grant of {amount:money} is on its way.",
        "compensation_arrived": "{gateway}: the grant of {amount:money} arrived.",
        "compensation_failed": "{gateway}: the grant of {amount:money} was not paid.",
        "compensation_unknown": "{gateway}: unknown whether the grant of {amount:money} was paid.",
        # goods
        "shipped": "Left: {goods:goods}.",
        "carrier": "Carrier: {carrier}.",
        "tracking": "Tracking number: {tracking}.",
        "withdrawn": "Will not be shipped: {goods:goods}.",
        "received": "The goods arrived.",
        "received_by_time": "Counted as arrived, since nobody said otherwise in time.",
        # goods that are collected
        "code_issued": "A pickup code was given for {store}, good until {at:time}.",
        "code_refused": "A wrong pickup code was tried at {store}.",
        "code_locked": "None is taken there until {at:time}.",
        "code_void": "The code is void now: too many wrong tries.",
        "collected": "Handed over at {store}: {goods:goods}, worth {amount:money}.",
        "collected_by_proxy": "Somebody else came for it, as the customer agreed.",
        # parcels
        "planned": "Planned as parcels: {count}.",
        "planned_parcel": "Parcel {parcel}: {goods:goods}.",
        "picked": "Parcel {parcel} is picked: {goods:goods}.",
        "picked_short": "Not found, and to be planned again: {goods:goods}.",
        "packed": "Parcel {parcel} is packed and weighs {grams} g.",
        "trimmed": "Parcel {parcel} is left with: {goods:goods}.",
        "parcel_canceled": "Parcel {parcel} is canceled.",
        "waybill_asked": "{carrier} is asked for a waybill of parcel {parcel}.",
        "waybill_booked": "{carrier}: waybill {number} of parcel {parcel}.",
        "waybill_cost": "Its carriage costs {amount:money}.",
        "waybill_refused": "{carrier} does not take parcel {parcel}.",
        "waybill_canceling": "Parcel {parcel}: its carrier is asked to cancel the waybill.",
        "waybill_stands": "{carrier} did not cancel: waybill {number} of parcel {parcel} stands.",
        "waybill_canceled": "{carrier}: the waybill of parcel {parcel} is canceled.",
        "redirected": "Parcel {parcel} goes to another address.",
        "master": "Parcel {parcel} goes with others under the waybill {number}.",
        "parcel_dispatched": "Parcel {parcel}: handed to its carrier, {at:time}.",
        "parcel_in_transit": "Parcel {parcel}: on its way, {at:time}.",
        "parcel_out_for_delivery": "Parcel {parcel}: out for delivery, {at:time}.",
        "parcel_exception": "Parcel {parcel}: something hinders it, {at:time}.",
        "parcel_refused": "Parcel {parcel}: not taken at the door, {at:time}.",
        "parcel_returned": "Parcel {parcel}: back at the sender, {at:time}.",
        "parcel_lost": "Parcel {parcel}: lost, {at:time}.",
        "parcel_delivered": "Parcel {parcel}: delivered, {at:time}.",
        "collect": "To be collected with parcel {parcel}: {amount:money}.",
        # steps
        "step_done": "{step:step}: done.",
        "step_took": "{step:step}: done in {spent:span}.",
        "step_current": "{step:step}: under way for {spent:span}, since {at:time}.",
        "step_ahead": "{step:step}: still to come.",
        "step_skipped": "{step:step}: not gone through.",
        "step_left": "{step:step}: broken off after {spent:span}.",
        "step_target": "Target: {target:span}.",
        "step_over": "Longer than its target of {target:span}.",
        "step_over_then": "It took longer than its target.",
    }
)
"""Every sentence by its name. A kind after the colon says how a field is shown: money, times and spans
by the reader's language; states, events, items and steps by their labels."""


def say(name: str, **fields: Field) -> Sentence:
    """The sentence of this name with these fields."""
    return Sentence(name, tuple(fields.items()))
