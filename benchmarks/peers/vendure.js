// Vendure's `OrderCalculator` on its own entities; zone, rates and shipping method answer at once, without a database.
// The argument is the cart: {lines: [[units, price, discount, share of the order's, percent, tax included]], shipping,
// off_line, off_order}, money in minor units; the lines' own discounts are not used, the two promotions are.
"use strict";
const path = require("path");
const { here, serve } = require("./serve.js");

const root = path.join(process.cwd(), "node_modules/@vendure/core");
const core = here(root);
const { OrderCalculator } = here(path.join(root, "dist/service/helpers/order-calculator/order-calculator"));
const { version } = here(path.join(root, "package.json"));
const { lines, shipping, off_line: offLine, off_order: offOrder } = JSON.parse(process.argv[2]);

const percents = [...new Set(lines.map((line) => line[4]).concat(0))];
const zone = { id: 1 };
const rates = percents.map((value, id) => new core.TaxRate({ id, value, enabled: true, zone, category: { id } }));
const config = {
  taxOptions: {
    taxZoneStrategy: { determineTaxZone: () => zone },
    taxLineCalculationStrategy: new core.DefaultTaxLineCalculationStrategy(),
    orderTaxCalculationStrategy: new core.DefaultOrderTaxCalculationStrategy(),
  },
  orderOptions: { orderLineDiscountDistributionStrategy: new core.DefaultOrderLineDiscountDistributionStrategy() },
};
const method = {
  id: 1,
  test: async () => true,
  apply: async () => ({ price: shipping, priceIncludesTax: false, taxRate: 0 }),
};
const calculator = new OrderCalculator(
  config,
  { getAllWithMembers: async () => [zone] },
  { getApplicableTaxRate: async (_context, _zone, id) => rates[id] },
  { findOne: async () => method },
  {},
  { get: (_context, _key, make) => make() },
);
const context = { channelId: 1, channel: { pricesIncludeTax: false } };

function order() {
  return new core.Order({
    id: 1, currencyCode: "USD", surcharges: [], couponCodes: [], modifications: [], fulfillments: [], promotions: [],
    lines: lines.map(([quantity, listPrice, , , percent, inside], i) => new core.OrderLine({
      id: i + 1, quantity, listPrice, listPriceIncludesTax: inside, orderPlacedQuantity: 0, adjustments: [],
      taxLines: [], taxCategoryId: percents.indexOf(percent), shippingLineId: 1,
    })),
    shippingLines: [new core.ShippingLine({
      id: 1, listPrice: shipping, listPriceIncludesTax: false, shippingMethodId: 1, adjustments: [], taxLines: [],
    })],
  });
}

const action = (name) => here(path.join(root, `dist/config/promotion/actions/${name}-discount-action`));

// Its own promotions: entities with the actions that it ships.
const entity = (id, kind, amount) => new core.Promotion({
  id, name: "p", enabled: true, couponCode: null, startsAt: null, endsAt: null, conditions: [],
  actions: [{ code: kind.code, args: [{ name: "discount", value: String(amount) }] }],
  promotionConditions: [], promotionActions: [kind],
});
const own = [
  entity(1, action("order-line-fixed").orderLineFixedDiscount, offLine),
  entity(2, action("order-fixed").orderFixedDiscount, offOrder),
];
// The calculator alone: promotions that are two functions, of no more than it asks for.
const bare = (id, apply) => ({ id, test: async () => true, apply: async (_context, args) => apply(args) });
const off = (id, amount) => ({ type: "PROMOTION", amount, description: "p", adjustmentSource: "PROMOTION:" + id, data: {} });
const functions = [
  bare(1, ({ orderLine }) => orderLine && off(1, -offLine)),
  bare(2, ({ order: whole, orderLine, shippingLine }) => whole && !orderLine && !shippingLine ? off(2, -offOrder) : undefined),
];

const one = (promotions) => ({
  make: order,
  run: async (input) => { await calculator.applyPriceAdjustments(context, input, promotions); return input; },
  told: (found) => ({ total: found.totalWithTax / 100, tax: (found.totalWithTax - found.total) / 100 }),
});
serve(version, { plain: one([]), bare: one(functions), promoted: one(own) }).catch((error) => { console.error(error); process.exit(1); });
