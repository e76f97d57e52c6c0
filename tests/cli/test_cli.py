from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ordercore.cli import main
from ordercore.cli.given import BYTES_MAX
from ordercore.policy import known_keys
from ordercore.quotation import KEYS, parse_cart

ROOT = Path(__file__).parents[2]
CARTS = sorted((ROOT / "examples" / "carts").glob("*.json"))
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/reference/cart.schema.json").read_text("utf-8"))
SHOP = ROOT / "examples" / "policies" / "shop.toml"

Out = pytest.CaptureFixture[str]


def cart(**more: Any) -> dict[str, Any]:
    """A cart document of one line."""
    line = {"sku": "TEA", "quantity": 3, "unit_price": "9.99"}
    return {"currency": "EUR", "at": "2026-05-20T12:00:00Z", "lines": [line], **more}


def priced(tmp_path: Path, document: object, *options: str) -> int:
    """Price a document from a file."""
    path = tmp_path / "cart.json"
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return main(["price", str(path), *options])


def complaint(out: Out, code: int) -> str:
    """The one line on standard error, after exit code 2 and nothing on standard output."""
    told = out.readouterr()
    assert code == 2
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("ordercore: ")
    return line


# price


@pytest.mark.parametrize("path", CARTS, ids=lambda path: path.stem)
def test_every_example_is_priced_and_reconciles(path: Path, capsys: Out) -> None:
    """The total of an example is the sum of its lines and charges, to the last digit."""
    assert main(["price", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = [*found["lines"], *found["charges"]]

    def minor(text: str) -> int:
        return int(text.replace(".", ""))

    assert sum(minor(row["total"]) for row in rows) == minor(found["total"])
    assert sum(minor(row["tax"]) for row in found["taxes"]) == minor(found["tax"])


def test_order_a_is_told_with_its_tax(capsys: Out) -> None:
    """Order A at 13 % inside the price: 269.97 of which 31.05 is tax."""
    assert main(["price", str(ROOT / "examples/carts/order-a.json")]) == 0
    out = capsys.readouterr().out
    assert "tax 13 % on 238.92   31.05" in out
    assert "total               269.97" in out


def test_explain_says_the_rule_of_each_figure(capsys: Out) -> None:
    """Each line of the explanation ends in the rule that made the figure."""
    assert main(["price", str(ROOT / "examples/carts/order-a.json"), "--explain"]) == 0
    out = capsys.readouterr().out
    assert "    order discount: -10.00  ('coupon': fixed amount;" in out


def test_explain_in_json_is_a_tree_of_texts(tmp_path: Path, capsys: Out) -> None:
    """With --json the explanation stands beside the figures, amounts as texts."""
    assert priced(tmp_path, cart(), "--json", "--explain") == 0
    tree = json.loads(capsys.readouterr().out)["explanation"]
    assert (tree["figure"], tree["amount"]) == ("total", "29.97")
    assert tree["parts"][0]["parts"][0]["rule"] == "3 x 9.99"


def test_a_policy_file_prices_a_cart_without_pricing(tmp_path: Path, capsys: Out) -> None:
    """The [pricing] table of the file is used."""
    policies = tmp_path / "p.toml"
    policies.write_text('[pricing.tax]\nrates = [{ percent = "19" }]\n', encoding="utf-8")
    assert priced(tmp_path, cart(), "--policies", str(policies), "--json") == 0
    assert json.loads(capsys.readouterr().out)["taxes"][0]["percent"] == "19"


def test_pricing_in_the_cart_stands_before_the_policy_file(tmp_path: Path, capsys: Out) -> None:
    """The cart's own rates replace those of the file."""
    policies = tmp_path / "p.toml"
    policies.write_text('[pricing.tax]\nrates = [{ percent = "19" }]\n', encoding="utf-8")
    own = cart(pricing={"tax": {"rates": [{"percent": "7"}]}})
    assert priced(tmp_path, own, "--policies", str(policies), "--json") == 0
    assert [tax["percent"] for tax in json.loads(capsys.readouterr().out)["taxes"]] == ["7"]


@pytest.mark.parametrize("path", CARTS, ids=lambda path: path.stem)
def test_examples_fit_the_schema(path: Path) -> None:
    """Each example is valid by the published JSON Schema."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert list(validator.iter_errors(json.loads(path.read_text("utf-8")))) == []


def test_the_schema_is_one(tmp_path: Path) -> None:
    """The published schema is itself valid."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", KEYS)
def test_the_schema_and_the_reader_know_the_same_keys(kind: str) -> None:
    """A key is in the schema exactly when the reader takes it."""
    assert tuple(SCHEMA["$defs"][kind]["properties"]) == KEYS[kind]
    assert SCHEMA["$defs"][kind]["additionalProperties"] is False


def schema_keys(node: dict[str, Any], path: str) -> set[str]:
    """The keys of a part of the schema, written as the policies write theirs."""
    if "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].removeprefix("#/$defs/")]
    if "oneOf" in node:
        found = {f"{path}.type"}
        for member in node["oneOf"]:
            kind = member["properties"]["type"]["const"]
            found |= schema_keys(member, f"{path}.<{kind}>") - {f"{path}.<{kind}>.type"}
        return found
    if "properties" in node:
        assert node["additionalProperties"] is False, path
        inner = node["properties"].items()
        return set().union(*[schema_keys(part, f"{path}.{key}") for key, part in inner])
    listed = node.get("items", {})
    if (listed and not {"enum", "type"} & listed.keys()) or "properties" in listed:
        return schema_keys(listed, f"{path}[]")
    return {path}


def test_the_schema_and_the_policies_know_the_same_pricing_keys() -> None:
    """The pricing part of the schema has the keys of the [pricing] table; a host's code is no JSON."""
    known = {key for key in known_keys() if key.startswith("pricing.") and ".<host>." not in key}
    assert schema_keys({"$ref": "#/$defs/pricing"}, "pricing") == known


def lines(**change: Any) -> dict[str, Any]:
    """A cart whose line is changed."""
    whole = cart()
    whole["lines"][0].update(change)
    return whole


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "invalid_document at line 1 column 2: not JSON"),
        ("[]", "invalid_document: it is an object, not a list"),
        ('{"currency": "EUR", "currency": "USD"}', "key 'currency' stands twice"),
        ('{"currency": NaN}', "NaN is no JSON"),
        ("[" * 100_000, "too deep"),
        (lines(unit_price=9.99), 'lines[0].unit_price: a float is not exact money: write it as text, "9.99"'),
        (lines(unit_price=9), 'lines[0].unit_price: a whole number is not exact money: write it as text, "9"'),
        (lines(unit_price="9.999"), "invalid_money at lines[0].unit_price: 9.999 has more decimals"),
        (lines(unit_price="NaN"), "invalid_money at lines[0].unit_price"),
        (lines(unit_price="1" + "0" * 30), "amount_too_large at lines[0].unit_price"),
        (lines(unit_price="-1"), "invalid_cart at lines[0].unit_price"),
        (lines(unit_price=None), "lines[0].unit_price: it is text, not null"),
        (lines(quantity=0), "invalid_quantity at lines[0].quantity"),
        (lines(quantity=1.5), "invalid_quantity at lines[0].quantity: it is a whole number, not a float"),
        (lines(quantity=True), "invalid_quantity at lines[0].quantity"),
        (lines(sku=7), "lines[0].sku: it is text, not a whole number"),
        (lines(qty=1), "lines[0].qty: unknown key"),
        (lines(unitprice="1"), "did you mean 'unit_price'?"),
        (lines(tax_included="yes"), "lines[0].tax_included: it is true or false, not text"),
        (lines(attributes={"size": 4}), "lines[0].attributes.size: it is text"),
        (lines(discounts=[{"percent": "101"}]), "lines[0].discounts[0].percent"),
        (lines(discounts=[{"percent": 10}]), "lines[0].discounts[0].percent: a whole number is not exact"),
        (lines(discounts=[{}]), "lines[0].discounts[0]: a discount has either"),
        (lines(discounts=[{"amount": "1", "cap": "1"}]), "discounts[0].cap: only a percent has a cap"),
        (lines(discounts={}), "lines[0].discounts: it is a list, not an object"),
        (cart(currency="EUX"), "unknown_currency at currency"),
        (cart(lines=[]), "invalid_cart at lines: a cart has 1 to"),
        (cart(kind="odd"), "kind: unknown kind 'odd'; known: regular"),
        (cart(at="noon"), "at: 'noon' is no moment"),
        (cart(at="2026-05-20T12:00:00"), "at: a time needs a zone"),
        (cart(at="0001-01-01T00:00:00+05:00"), "at: the time is beyond the calendar"),
        (cart(shipping={}), "shipping.amount: it is missing"),
        (cart(customer={"id": 1}), "customer.id: it is text"),
        (cart(address={"lines": "x"}), "address.lines: it is a list"),
        (cart(pricing={"tax": {"scope": "cart"}}), "invalid_policy at pricing.tax.scope"),
        (cart(pricing={"tax": {"rates": [{"percent": 19}]}}), "pricing.tax.rates[0].percent"),
        (cart(pricing={"rates": []}), "invalid_policy at pricing.rates: unknown key"),
        (cart(pricing={"tax": {"rates": [{"percent": "7", "category": "food"}]}}), "lines[0].tax_category: no tax rate"),
        ({"lines": []}, "currency: it is missing"),
    ],
)  # fmt: skip
def test_a_wrong_cart_is_refused_in_one_line(
    tmp_path: Path, capsys: Out, document: object, told: str
) -> None:
    """Exit code 2, and one line that says which file, where in it, and why."""
    line = complaint(capsys, priced(tmp_path, document))
    assert told in line
    assert str(tmp_path / "cart.json") in line


def test_a_missing_cart_is_refused(capsys: Out) -> None:
    """A file that is not there is told as such."""
    line = complaint(capsys, main(["price", "nowhere.json"]))
    assert (
        line
        == "ordercore: nowhere.json: invalid_document: cannot open the file: no such file or directory"
    )


def test_a_cart_that_is_too_long_is_refused(tmp_path: Path, capsys: Out) -> None:
    """A document is read up to its bound."""
    line = complaint(capsys, priced(tmp_path, " " * (BYTES_MAX + 1)))
    assert "at most 4194304 bytes" in line


def test_a_cart_in_another_encoding_is_refused(tmp_path: Path, capsys: Out) -> None:
    """Bytes that are no UTF-8 are told as such."""
    path = tmp_path / "cart.json"
    path.write_bytes(b"\xff{}")
    assert "not text in UTF-8" in complaint(capsys, main(["price", str(path)]))


def test_what_a_cart_says_reaches_the_cart() -> None:
    """Every key of the document has its place in the cart."""
    found = parse_cart((ROOT / "examples/carts/gift-basket.json").read_text("utf-8"))
    tea, cup = found.cart.lines
    assert (tea.tax_category, tea.weight_grams, tea.attributes) == (
        "food",
        280,
        {"harvest": "spring"},
    )
    assert cup.extra == {"engraving": "A & C"}
    assert (found.cart.shop, found.cart.customer.id, found.cart.address.postcode) == (
        "tea",
        "ada",
        "10115",
    )
    assert found.cart.shipping is not None


# diagram


def test_a_diagram_is_mermaid_by_default(capsys: Out) -> None:
    """Without a file the diagram is printed as Mermaid text."""
    assert main(["diagram", "standard"]) == 0
    assert capsys.readouterr().out.startswith("stateDiagram-v2\n")


@pytest.mark.parametrize(("name", "start"), [("d.svg", "<svg "), ("d.mmd", "stateDiagram-v2")])
def test_a_diagram_follows_the_end_of_the_file_name(tmp_path: Path, name: str, start: str) -> None:
    """The file's ending says in which form the diagram is written."""
    assert main(["diagram", "standard", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text("utf-8").startswith(start)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["diagram", "nope"], "unknown_lifecycle: there is no lifecycle 'nope'; known: standard"),
        (["diagram", "standard", "-o", "d.png"], "a diagram is .svg or .mmd, not 'd.png'"),
        (["diagram", "standard", "-o", "no/where/d.svg"], "no such file or directory: no/where/d.svg"),
        (["diagram"], "LIFECYCLE"),
        (["prize"], 'Unknown command "prize"'),
        (["price", "cart.json", "--fast"], "--fast"),
        (["replay", "x.csv", "--limit", "few"], "--limit"),
        (["journal", "1"], "--store"),
        (["journal", "1", "--store", "sqlite:///nowhere.db"], "there is no store 'nowhere.db'"),
        (["journal", "1", "--store", "nowhere.db"], "a store is sqlite:///FILE"),
        (["policies", "check", "nowhere.toml"], "invalid_document at nowhere.toml"),
        (["replay", "nowhere.csv"], "nowhere.csv: invalid_document: cannot open the file"),
        (["replay", "nowhere.csv", "--limit", "0"], "--limit: at least one invoice"),
        (["replay", "nowhere.csv", "--synchronous", "OFF"], "it is FULL or NORMAL, not 'OFF'"),
        (["replay", "nowhere.csv", "--report", "no/where.html"], "there is no folder 'no'"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out, arguments: list[str], told: str
) -> None:
    """Exit code 2, one line, and no file is made."""
    monkeypatch.chdir(tmp_path)
    assert told in complaint(capsys, main(arguments))
    assert list(tmp_path.iterdir()) == []


# policies


def test_a_policy_document_in_order_is_told_so(capsys: Out) -> None:
    """The example passes."""
    assert main(["policies", "check", str(SHOP)]) == 0
    assert "in order" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[pricing", "bad.toml:1:"),
        ("[princing]", "did you mean 'pricing'?"),
        ("[pricing.tax]\nrates = [{ percent = 17.5 }]", "pricing.tax.rates[0].percent"),
        ('[posting]\nrecognize_in = ["nowhere"]', "no lifecycle has a state 'nowhere'"),
    ],
)
def test_a_wrong_policy_document_is_refused_in_one_line(
    tmp_path: Path, capsys: Out, text: str, told: str
) -> None:
    """Broken TOML, an unknown key, a float, and a state that no lifecycle has."""
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    assert told in complaint(capsys, main(["policies", "check", str(path)]))


# The command itself


def test_the_module_is_the_command() -> None:
    """``python -m ordercore`` runs in a process of its own, and its exit code is the command's."""
    command = [sys.executable, "-m", "ordercore"]
    good = subprocess.run(
        [*command, "diagram", "standard"], capture_output=True, text=True, check=False
    )
    assert (good.returncode, good.stderr) == (0, "")
    bad = subprocess.run(
        [*command, "price", "nowhere.json"], capture_output=True, text=True, check=False
    )
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)


def test_the_library_does_not_load_the_command() -> None:
    """Importing ordercore loads neither the command line nor what it needs."""
    code = (
        "import sys, ordercore\n"
        "print([m for m in sys.modules if m.split('.')[0] in {'cyclopts', 'rich'} or m == 'ordercore.cli'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_help_and_version_succeed(capsys: Out) -> None:
    """Asking for help or for the version is no error."""
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0
    assert "0.1.0" in capsys.readouterr().out
