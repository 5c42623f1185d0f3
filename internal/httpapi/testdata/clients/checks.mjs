// What the live clients share: settings from the environment, checks, and the trigger of an event.
//
//   CASELOAD_URL                       the GraphQL endpoint, http(s) or ws(s)
//   CASELOAD_API_KEY                   a key that may subscribe
//   CASELOAD_SUBSCRIPTION              a subscription document
//   CASELOAD_SUBSCRIPTION_VARIABLES    its variables as JSON, optional
//   CASELOAD_TRIGGER                   a mutation that causes an event, optional
//   CASELOAD_TRIGGER_VARIABLES         its variables as JSON, optional

const PATIENCE = 20_000;
const TRIGGER_INTERVAL = 200;

function required(name) {
  const value = process.env[name];
  if (!value) {
    console.error(`set ${name}`);
    process.exit(2);
  }
  return value;
}

function json(name) {
  const value = process.env[name];
  if (!value) return undefined;
  try {
    return JSON.parse(value);
  } catch (problem) {
    console.error(`${name} is not JSON: ${problem.message}`);
    process.exit(2);
  }
}

const url = required('CASELOAD_URL');

export const httpURL = url.replace(/^ws/, 'http');
export const wsURL = url.replace(/^http/, 'ws');
export const key = required('CASELOAD_API_KEY');
export const subscription = {
  query: required('CASELOAD_SUBSCRIPTION'),
  variables: json('CASELOAD_SUBSCRIPTION_VARIABLES'),
};

const trigger = process.env.CASELOAD_TRIGGER && {
  query: process.env.CASELOAD_TRIGGER,
  variables: json('CASELOAD_TRIGGER_VARIABLES'),
};

let failed = false;

// check runs one check to its end and prints one line.
export async function check(name, run) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing happened within ${PATIENCE} ms`)), PATIENCE);
  });
  try {
    await Promise.race([run(), late]);
    console.log(`ok - ${name}`);
  } catch (problem) {
    failed = true;
    console.log(`not ok - ${name}: ${describe(problem)}`);
  } finally {
    clearTimeout(timer);
  }
}

// finish ends the process: a client that is still connected must not keep it alive.
export function finish() {
  process.exit(failed ? 1 : 0);
}

function describe(problem) {
  if (Array.isArray(problem)) return problem.map(describe).join('; ');
  if (typeof problem?.code === 'number') return `closed with ${problem.code} ${problem.reason}`;
  return problem?.message ?? String(problem);
}

// firstEvent returns the first result of an iterator, which must be free of errors. Until it arrives the
// trigger is posted again and again: there is no telling when the server has begun to listen.
export async function firstEvent(iterator) {
  let arrived = false;
  let reject;
  const broken = new Promise((_, r) => { reject = r; });
  const posts = (async () => {
    while (trigger && !arrived) {
      await post(trigger);
      await new Promise((resolve) => setTimeout(resolve, TRIGGER_INTERVAL));
    }
  })().catch(reject);
  try {
    const { value, done } = await Promise.race([iterator.next(), broken]);
    if (done) throw new Error('the subscription completed without an event');
    if (value.errors?.length) throw new Error(describe(value.errors));
    if (!value.data) throw new Error('the event has no data');
    return value;
  } finally {
    arrived = true;
    await posts;
    await iterator.return?.();
  }
}

async function post(request) {
  const response = await fetch(httpURL, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json;q=0.9',
      'x-api-key': key,
    },
    body: JSON.stringify(request),
  });
  const body = await response.json();
  if (body.errors?.length) throw new Error(`the trigger failed: ${describe(body.errors)}`);
  if (!response.ok) throw new Error(`the trigger was answered with status ${response.status}`);
}
