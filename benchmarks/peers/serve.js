// Answers on standard input: "<case> <times>" gives the seconds of one run of that case.
// Each run gets an input of its own, which the calculators change; what making it costs is taken off.
// The time is the processor's or the wall's, whichever is less, so that neither a busy neighbor
// nor node's own helper threads are told as the calculator's time.
"use strict";
const readline = require("readline");
const { createRequire } = require("module");

// The packages lie in the folder of the run, not beside this file.
exports.here = createRequire(process.cwd() + "/");

async function spent(act, times) {
  const cpu = process.cpuUsage(), wall = process.hrtime.bigint();
  for (let i = 0; i < times; i++) {
    const found = act();
    if (found instanceof Promise) await found;
  }
  const passed = Number(process.hrtime.bigint() - wall) / 1e9, used = process.cpuUsage(cpu);
  return Math.min(passed, (used.user + used.system) / 1e6) / times;
}

async function seconds(one, times) {
  const whole = await spent(() => one.run(one.make()), times);
  return whole - (await spent(one.make, times));
}

exports.serve = async function serve(version, cases) {
  const figures = {};
  for (const [name, one] of Object.entries(cases)) {
    const input = one.make();
    figures[name] = one.told((await one.run(input)) ?? input);
    const end = Date.now() + 1500; // until the compiler has settled
    do await seconds(one, 50); while (Date.now() < end);
  }
  console.log(JSON.stringify({ version, node: process.version, figures }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, times] = line.trim().split(" ");
    console.log(await seconds(cases[name], Number(times)));
  }
};
