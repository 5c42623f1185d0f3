// Proves the WebSocket endpoint with the graphql-ws client; see checks.mjs for the settings.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { check, finish, firstEvent, key, subscription, wsURL } from './checks.mjs';

function connect(apiKey) {
  return createClient({
    url: wsURL,
    webSocketImpl: WebSocket,
    connectionParams: { 'X-API-Key': apiKey },
    retryAttempts: 0,
    keepAlive: 1_000,
  });
}

const client = connect(key);

await check('a query runs over the socket', async () => {
  const results = [];
  for await (const result of client.iterate({ query: '{ __typename }' })) results.push(result);
  if (results.length !== 1) throw new Error(`${results.length} results instead of one`);
  if (results[0].errors?.length) throw new Error(results[0].errors[0].message);
  if (typeof results[0].data?.__typename !== 'string') throw new Error('the result has no __typename');
});

await check('a subscription delivers an event', async () => {
  await firstEvent(client.iterate(subscription));
});

await check('a document that does not fit the schema is an error of its own', async () => {
  try {
    await client.iterate({ query: '{ thereIsNoSuchFieldAtAll }' }).next();
  } catch (problem) {
    if (Array.isArray(problem) && problem[0]?.extensions?.code) return;
    throw problem;
  }
  throw new Error('it was run');
});

await client.dispose();

await check('a wrong key is closed with 4403', async () => {
  const stranger = connect('cl_wrong');
  try {
    await stranger.iterate({ query: '{ __typename }' }).next();
  } catch (problem) {
    if (problem?.code === 4403) return;
    throw problem;
  }
  throw new Error('the connection was acknowledged');
});

finish();
