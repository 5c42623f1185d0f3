// Runs the audits of graphql-http against a started server and expects all of them to be ok.
//
//   CASELOAD_URL       the GraphQL endpoint
//   CASELOAD_API_KEY   a key that may introspect, as some audits select __type; it also takes the place of
//                      the preflight header that GET needs
//
// Prints one TAP line per audit and exits 1 unless every one is ok.

import { serverAudits } from 'graphql-http';

const EXPECTED = 61;

const url = process.env.CASELOAD_URL;
const key = process.env.CASELOAD_API_KEY;
if (!url || !key) {
  console.error('set CASELOAD_URL and CASELOAD_API_KEY');
  process.exit(2);
}

const fetchFn = (input, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set('X-API-Key', key);
  return fetch(input, { ...init, headers });
};

const audits = serverAudits({ url, fetchFn });
let ok = 0;
console.log(`1..${audits.length}`);
for (const [i, audit] of audits.entries()) {
  let result;
  try {
    result = await audit.fn();
  } catch (problem) {
    result = { status: 'error', reason: problem.message };
  }
  const passed = result.status === 'ok';
  if (passed) ok += 1;
  console.log(`${passed ? 'ok' : 'not ok'} ${i + 1} - ${audit.id} ${audit.name}`);
  if (!passed) console.log(`# ${result.status}: ${result.reason}`);
}
console.log(`# ${ok} of ${audits.length} ok`);
process.exit(ok === audits.length && audits.length === EXPECTED ? 0 : 1);
