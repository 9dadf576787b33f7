// A client of the official Node SDK; answers each line on stdin with the number of events it has handled.

import readline from 'node:readline';
import * as Lark from '@larksuiteoapi/node-sdk';

const spec = JSON.parse(process.env.LARKSPUR_BENCH);
let handled = 0;

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', () => process.stdout.write(`${handled}\n`));
lines.on('close', () => process.exit(0));

const loggerLevel = Lark.LoggerLevel.error;
const eventDispatcher = new Lark.EventDispatcher({ loggerLevel }).register({
  [spec.event_type]: async (data) => {
    handled += data.background_check_id === undefined ? 0 : 1;
  },
});
new Lark.WSClient({ appId: spec.app_id, appSecret: spec.app_secret, domain: spec.domain, loggerLevel })
  .start({ eventDispatcher });
