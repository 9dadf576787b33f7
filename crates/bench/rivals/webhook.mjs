// Webhook requests through the official Node SDK without a network; says how many, and the processor time they took.

import * as Lark from '@larksuiteoapi/node-sdk';

const spec = JSON.parse(process.env.LARKSPUR_BENCH);
let handled = 0;

const dispatcher = new Lark.EventDispatcher({
  encryptKey: spec.encrypt_key,
  verificationToken: spec.verification_token,
  loggerLevel: Lark.LoggerLevel.error,
}).register({
  [spec.event_type]: async (data) => {
    handled += data.background_check_id === undefined ? 0 : 1;
  },
});

async function run(seconds) {
  const end = performance.now() + seconds * 1000;
  let events = 0;
  while (performance.now() < end || events === 0) {
    for (let n = 0; n < 100; n++) {
      // As the SDK's own adapter for Node's server does it.
      await dispatcher.invoke(Object.assign(Object.create({ headers: spec.headers }), JSON.parse(spec.body)));
    }
    events += 100;
  }
  return events;
}

const warmUp = await run(spec.seconds / 10);
const before = process.cpuUsage();
const events = await run(spec.seconds);
const { user, system } = process.cpuUsage(before);
if (handled !== warmUp + events) throw new Error(`${warmUp + events} events, ${handled} handled`);
process.stdout.write(JSON.stringify({ events, cpu_us: user + system }) + '\n');
process.exit(0);
