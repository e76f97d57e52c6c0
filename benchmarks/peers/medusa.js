// Medusa's totals of a cart: `decorateCartTotals`, which gets each line's discounts ready shared and does not round.
// The argument is the cart: {lines: [[units, price, discount, share of the order's, percent, tax included]], shipping},
// money in minor units.
"use strict";
const path = require("path");
const { here, serve } = require("./serve.js");

// The package exports its index alone, which loads far more than the totals.
const root = path.join(process.cwd(), "node_modules/@medusajs/utils");
const { decorateCartTotals } = here(path.join(root, "dist/totals/cart/index.js"));
const { version } = here(path.join(root, "package.json"));
const { lines, shipping } = JSON.parse(process.argv[2]);

function cart() {
  return {
    currency_code: "usd",
    items: lines.map(([quantity, price, off, share, rate, inside], i) => ({
      id: "l" + i,
      quantity,
      unit_price: price / 100,
      is_tax_inclusive: inside,
      // what is off a price with tax inside is meant with tax inside
      adjustments: [off, share].filter((x) => x).map((x) => ({ amount: x / 100, is_tax_inclusive: inside })),
      tax_lines: rate ? [{ rate }] : [],
    })),
    shipping_methods: [{ id: "s", amount: shipping / 100, adjustments: [], tax_lines: [] }],
    region: { automatic_taxes: true },
  };
}

const number = (x) => Number(x.numeric ?? x);
serve(version, {
  totals: {
    make: cart,
    run: (input) => decorateCartTotals(input, { includeTaxes: true }),
    told: (found) => ({ total: number(found.total), tax: number(found.tax_total) }),
  },
}).catch((error) => { console.error(error); process.exit(1); });
