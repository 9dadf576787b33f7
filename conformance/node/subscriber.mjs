// A subscriber with the official Node SDK: one case from LARKSPUR_CASE, what arrives as lines of JSON on stdout.

import http from 'node:http';
import fs from 'node:fs';
import * as Lark from '@larksuiteoapi/node-sdk';

const config = JSON.parse(process.env.LARKSPUR_CASE);
let failuresLeft = config.fail_first;

// Written at once, so that a process that dies of its handler has said what it was given.
function say(line) {
  const bytes = Buffer.from(JSON.stringify(line) + '\n');
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

// The SDK hands header and event over as one flat object.
async function onEvent(data) {
  const failing = failuresLeft > 0;
  failuresLeft -= failing ? 1 : 0;
  const flat = Object.fromEntries(Object.entries(data));
  say({ event: data.event_type, flat, failing });
  if (failing) throw new Error('this handler fails on purpose');
}

// Answers what the card's button says.
async function onCard(data) {
  say({ event: data.event_type, flat: Object.fromEntries(Object.entries(data)) });
  return toast(data.action.value.echo);
}

async function onOldCard(card) {
  const { open_id, open_message_id, token } = card;
  say({ event: 'card.action.trigger_v1', payload: { open_id, open_message_id, token, value: card.action.value } });
  return toast(card.action.value.echo);
}

function toast(content) {
  return { toast: { type: 'info', content } };
}

const webhook = config.mode === 'webhook';
const secrets = webhook ? { encryptKey: config.encrypt_key, verificationToken: config.verification_token } : {};
const handlers = config.types.map((type) => [type, type.startsWith('card.') ? onCard : onEvent]);
const dispatcher = new Lark.EventDispatcher(secrets).register(Object.fromEntries(handlers));

if (webhook) {
  const server = http.createServer();
  server.on('request', Lark.adaptDefault('/webhook/event', dispatcher, { autoChallenge: true }));
  const cards = new Lark.CardActionHandler(secrets, onOldCard);
  server.on('request', Lark.adaptDefault('/webhook/card', cards, { autoChallenge: true }));
  server.listen(config.port, '127.0.0.1', () => say({ ready: true }));
} else {
  const client = new Lark.WSClient({
    appId: config.app_id,
    appSecret: config.app_secret,
    domain: config.domain,
    onError: (error) => say({ error: String(error) }),
  });
  say({ ready: true });
  client.start({ eventDispatcher: dispatcher });
}
