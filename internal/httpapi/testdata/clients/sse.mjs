// Proves the event streams with the graphql-sse client in its distinct connections mode; see checks.mjs
// for the settings.
import { createClient } from 'graphql-sse';

import { check, finish, firstEvent, httpURL, key, subscription } from './checks.mjs';

function connect(apiKey) {
  return createClient({
    url: httpURL,
    singleConnection: false,
    headers: { 'X-API-Key': apiKey },
    retryAttempts: 0,
  });
}

const client = connect(key);

await check('a query runs over a stream', async () => {
  const results = [];
  for await (const result of client.iterate({ query: '{ __typename }' })) results.push(result);
  if (results.length !== 1) throw new Error(`${results.length} results instead of one`);
  if (results[0].errors?.length) throw new Error(results[0].errors[0].message);
  if (typeof results[0].data?.__typename !== 'string') throw new Error('the result has no __typename');
});

await check('a subscription delivers an event', async () => {
  await firstEvent(client.iterate(subscription));
});

await check('a document that does not fit the schema is an event with errors', async () => {
  const { value } = await client.iterate({ query: '{ thereIsNoSuchFieldAtAll }' }).next();
  if (!value?.errors?.[0]?.extensions?.code) throw new Error('there are no errors with a code');
});

await check('a wrong key is refused with 401', async () => {
  try {
    await connect('cl_wrong').iterate({ query: '{ __typename }' }).next();
  } catch (problem) {
    if (problem?.response?.status === 401) return;
    throw problem;
  }
  throw new Error('the stream was opened');
});

client.dispose();
finish();
