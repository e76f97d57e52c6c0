"""Cut ``examples/data/online_retail.csv.gz`` out of the full UCI "Online Retail" file.

    python examples/cut_online_retail.py FULL.csv.gz examples/data/online_retail.csv.gz

Whole customers, so that a cancellation finds the sale it cancels: every customer whose number
hashes below a bound (about one in twelve), and the named ones. Then single invoices by name:
guests, odd codes, odd rows. Rows stay as they are, in their order. The same full file gives the
same slice. Standard library only.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import sys
from pathlib import Path

FULL_SHA256 = "c35975c40d0e1e105090fbb11188a409393055f873841bd012915475fc84e69f"
SHARE_IN_THOUSAND = 80

# fmt: off
CUSTOMERS = {
    "12346": "74,215 units bought and given back 16 minutes later",
    "16446": "80,995 units bought and given back 12 minutes later",
    "13405": "bank charges, one of them a tenth of a penny", "15823": "bank charges of 15.00",
    "13952": "a price of a tenth of a penny", "15618": "the same", "16198": "the same",
    "12836": "an invoice with two time stamps and other invoices between its rows",
    "16098": "an invoice with two time stamps",
    # At least one customer of each country that the hash leaves out.
    "12818": "Austria", "12414": "Austria and Denmark", "15388": "Canada", "17443": "Canada",
    "14442": "Channel Islands", "14931": "Channel Islands", "12781": "Czech Republic",
    "12406": "Denmark", "14016": "EIRE", "15108": "European Community", "12717": "Greece",
    "12353": "Bahrain", "12769": "Brazil", "14912": "Italy", "12775": "Netherlands",
    "12347": "Iceland", "12653": "Israel", "12666": "Israel", "12754": "Japan",
    "12764": "Lebanon", "15332": "Lithuania", "17828": "Malta", "12785": "Portugal",
    "12446": "RSA", "12565": "Saudi Arabia", "12744": "Singapore", "12697": "Sweden",
    "12558": "USA", "12607": "USA", "12739": "United Arab Emirates", "14265": "Unspecified",
}
INVOICES = {
    "A563185": "bad debt", "A563186": "bad debt, negative price", "A563187": "the same",
    "C537600": "Amazon fee", "C537630": "Amazon fee", "537632": "Amazon fee, reversed",
    "C537572": "bank charges without a customer", "C564763": "charity commission",
    "C537581": "samples", "549684": "samples, positive",
    "C536379": "discount", "C549452": "discount of 1,867.86",
    "C537610": "a guest's cancellation by hand, without a sale",
    "536540": "EIRE, with carriage", "536885": "guest in EIRE", "553857": "guest, Unspecified",
    "549738": "guest in Hong Kong", "546558": "guest in Hong Kong, by hand",
    "C546557": "its cancellation, which comes before it",
    "540238": "gift vouchers and DOT", "573585": "1,114 lines, gift vouchers and DOT",
    "556955": "a gift voucher without a price", "541870": "guest, with DOT",
    "C542540": "cancels postage, DOT and a line of 541870",
    "547007": "guest", "C547008": "cancels 547007", "548604": "guest", "C548605": "cancels 548604",
    "547089": "guest", "C547091": "cancels lines of 547089",
    "573177": "guest", "C573180": "cancels 573177",
    "577181": "guest", "C577779": "cancels lines of 577181",
    "550641": "guest, two time stamps", "542800": "before the rows of 542806",
    "C542805": "between the rows of 542806",
    "536589": "written off", "536764": "written off", "536996": "written off",
    "536941": "found in stock, no price", "537639": "the same", "539494": "described as '?'",
}
# fmt: on


def chosen(invoice: str, customer: str) -> bool:
    """Say whether a row of this invoice and customer belongs to the slice."""
    if invoice in INVOICES or customer in CUSTOMERS:
        return True
    digest = hashlib.sha256(customer.encode()).digest()
    return customer != "" and int.from_bytes(digest[:8], "big") % 1000 < SHARE_IN_THOUSAND


def main(source: Path, target: Path) -> None:
    """Write the slice and say what is in it."""
    unpacked = gzip.decompress(source.read_bytes())
    if hashlib.sha256(unpacked).hexdigest() != FULL_SHA256:
        sys.exit(f"{source} is not the full file: its sha256 should be {FULL_SHA256}")
    header, *lines = unpacked.decode("utf-8").splitlines(keepends=True)
    rows = list(csv.reader(lines))
    if len(rows) != len(lines):
        sys.exit("a row spans several lines")
    kept = [at for at, row in enumerate(rows) if chosen(row[0], row[6].removesuffix(".0"))]
    text = (header + "".join(lines[at] for at in kept)).encode("utf-8")
    # No name and no time in the header: the same rows give the same bytes.
    target.write_bytes(gzip.compress(text, compresslevel=9, mtime=0))
    missing = set(INVOICES) - {rows[at][0] for at in kept}
    missing |= set(CUSTOMERS) - {rows[at][6].removesuffix(".0") for at in kept}
    if missing:
        sys.exit(f"named, but not in the full file: {sorted(missing)}")
    invoices = {rows[at][0] for at in kept}
    customers = {rows[at][6] for at in kept} - {""}
    print(f"{len(kept)} rows, {len(invoices)} invoices, {len(customers)} customers")
    print(f"{len({rows[at][7] for at in kept})} countries, {target.stat().st_size} bytes")
    print(f"sha256 unpacked {hashlib.sha256(text).hexdigest()}")
    print(f"sha256 packed   {hashlib.sha256(target.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: cut_online_retail.py FULL.csv.gz SLICE.csv.gz")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
