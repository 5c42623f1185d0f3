import { StrictMode, useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { GraphiQL, GraphiQLInterface } from 'graphiql';
import { GraphiQLProvider, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { DOC_EXPLORER_PLUGIN, DocExplorerStore } from '@graphiql/plugin-doc-explorer';
import { HISTORY_PLUGIN, HistoryStore } from '@graphiql/plugin-history';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './style.css';

/* global EDITOR_WORKER, JSON_WORKER, GRAPHQL_WORKER */

const workers = { json: JSON_WORKER, graphql: GRAPHQL_WORKER };
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(workers[label] ?? EDITOR_WORKER, { name: label }),
};

const API_KEY = 'caseload:apiKey';

// A browser may refuse storage altogether; then everything is kept until the page is left.
function storageOrMemory(name) {
  try {
    const storage = window[name];
    storage.getItem(API_KEY);
    return storage;
  } catch {
    const values = new Map();
    return {
      getItem: (key) => values.get(key) ?? null,
      setItem: (key, value) => values.set(key, value),
      removeItem: (key) => values.delete(key),
      key: (i) => [...values.keys()][i] ?? null,
      get length() {
        return values.size;
      },
    };
  }
}

const session = storageOrMemory('sessionStorage');
const local = storageOrMemory('localStorage');

// Documents and variables of tabs and history may hold personal data, so they end with the browser tab.
// Only how the page looks outlives it.
const lasting = /^graphiql:(theme|.*Flex)$/;
const storageFor = (key) => (lasting.test(key) ? local : session);
const storedKeys = (storage) =>
  Array.from({ length: storage.length }, (_, i) => storage.key(i)).filter((key) => key.startsWith('graphiql:'));
const storage = {
  getItem: (key) => storageFor(key).getItem(key),
  setItem: (key, value) => storageFor(key).setItem(key, value),
  removeItem: (key) => storageFor(key).removeItem(key),
  clear: () => [session, local].forEach((s) => storedKeys(s).forEach((key) => s.removeItem(key))),
  get length() {
    return storedKeys(session).length + storedKeys(local).length;
  },
};

// firstVisit returns the tabs to open: one for each kind of user, the rest wait in the Examples panel.
// GraphiQL fills the editors from storage and forgets the variables of the first tab when there are none,
// so they are put there as if the person had typed them.
function firstVisit(tabs) {
  const first = tabs.filter((tab, i) => tabs.findIndex((other) => other.audience === tab.audience) === i);
  if (first.length && !storage.getItem('graphiql:tabState')) {
    storage.setItem('graphiql:query', first[0].query);
    storage.setItem('graphiql:variables', first[0].variables);
  }
  return first.length ? first.map(({ query, variables }) => ({ query, variables })) : undefined;
}

function fetcherWith(endpoint, apiKey) {
  const credential = apiKey ? { 'X-API-Key': apiKey } : {};
  const url = new URL(endpoint, location.href);
  const socket = new URL(url);
  socket.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return createGraphiQLFetcher({
    url: url.href,
    subscriptionUrl: socket.href,
    headers: credential,
    wsConnectionParams: credential,
    enableIncrementalDelivery: false,
  });
}

function ExamplesIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" aria-hidden="true">
      <path d="M12 6.5C10 5 7 4.5 3.5 4.5v14C7 18.5 10 19 12 20.5c2-1.5 5-2 8.5-2v-14c-3.5 0-6.5.5-8.5 2Z" />
      <path d="M12 6.5v14" />
    </svg>
  );
}

function examplesPlugin(tabs, licenses) {
  const audiences = [...new Set(tabs.map((tab) => tab.audience))];
  function Examples() {
    const { addTab } = useGraphiQLActions();
    const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({ queryEditor, variableEditor }));
    const open = (tab) => {
      addTab();
      queryEditor?.setValue(tab.query);
      variableEditor?.setValue(tab.variables);
    };
    return (
      <section className="caseload-examples" aria-label="Examples">
        <div className="graphiql-doc-explorer-title">Examples</div>
        <p>Each opens in a tab of its own, ready to run once your API key is in the field above.</p>
        {audiences.map((audience) => (
          <div key={audience}>
            <h3>{audience}</h3>
            <ul>
              {tabs
                .filter((tab) => tab.audience === audience)
                .map((tab) => (
                  <li key={tab.title}>
                    <button type="button" onClick={() => open(tab)}>
                      <strong>{tab.title}</strong>
                      <span>{tab.note}</span>
                    </button>
                  </li>
                ))}
            </ul>
          </div>
        ))}
        <footer>
          <a href={licenses} target="_blank" rel="noreferrer">
            Licences of the software on this page
          </a>
        </footer>
      </section>
    );
  }
  return { title: 'Examples', icon: ExamplesIcon, content: Examples };
}

function Status({ apiKey }) {
  const { schema, fetchError, isIntrospecting } = useGraphiQL(({ schema, fetchError, isIntrospecting }) => ({
    schema,
    fetchError,
    isIntrospecting,
  }));
  const [kind, text] = !apiKey
    ? ['idle', 'Enter an API key to load the schema']
    : isIntrospecting
      ? ['busy', 'Loading the schema…']
      : fetchError
        ? ['bad', 'Schema not loaded: see the answer on the right']
        : schema
          ? ['good', 'Connected']
          : ['busy', 'Loading the schema…'];
  return (
    <output className="caseload-status" data-kind={kind}>
      {text}
    </output>
  );
}

function Header({ apiKey, onApiKey }) {
  const [draft, setDraft] = useState(apiKey);
  const [shown, setShown] = useState(false);
  const commit = () => onApiKey(draft.trim());
  return (
    <header className="caseload-header">
      <h1>
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M12 10V8.5A1.5 1.5 0 0 1 13.5 7h5A1.5 1.5 0 0 1 20 8.5V10M8.5 10h15A2.5 2.5 0 0 1 26 12.5v9a2.5 2.5 0 0 1-2.5 2.5h-15A2.5 2.5 0 0 1 6 21.5v-9A2.5 2.5 0 0 1 8.5 10ZM6 16.5h7.5m5 0H26" />
          <circle cx="16" cy="16.5" r="2.5" />
        </svg>
        Caseload
        <span>GraphQL playground</span>
      </h1>
      <Status apiKey={apiKey} />
      <form
        role="search"
        aria-label="Credential"
        onSubmit={(event) => {
          event.preventDefault();
          commit();
        }}
      >
        <label htmlFor="api-key">API key</label>
        <span className="caseload-field">
          <input
            id="api-key"
            type={shown ? 'text' : 'password'}
            value={draft}
            onChange={(event) => setDraft(event.target.value)}
            onBlur={commit}
            placeholder="cl_…"
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            title="Sent as X-API-Key with every request. Kept until this browser tab is closed."
          />
          <button type="button" className="caseload-show" aria-pressed={shown} onClick={() => setShown(!shown)}>
            {shown ? 'Hide' : 'Show'}
          </button>
        </span>
        <button type="submit">Use key</button>
      </form>
    </header>
  );
}

function Playground({ endpoint, tabs, licenses }) {
  const [apiKey, setApiKey] = useState(() => session.getItem(API_KEY) ?? '');
  useEffect(() => {
    if (apiKey) session.setItem(API_KEY, apiKey);
    else session.removeItem(API_KEY);
  }, [apiKey]);

  const fetcher = useMemo(() => fetcherWith(endpoint, apiKey), [endpoint, apiKey]);
  const examples = useMemo(() => examplesPlugin(tabs, licenses), [tabs, licenses]);
  const plugins = useMemo(
    () => [DOC_EXPLORER_PLUGIN, examples, HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })],
    [examples],
  );
  const opened = useMemo(() => firstVisit(tabs), [tabs]);

  return (
    <GraphiQLProvider
      fetcher={fetcher}
      // null: do not ask a server that answers nobody for its schema.
      schema={apiKey ? undefined : null}
      plugins={plugins}
      referencePlugin={DOC_EXPLORER_PLUGIN}
      visiblePlugin={examples}
      defaultTabs={opened}
      defaultQuery=""
      storage={storage}
      shouldPersistHeaders={false}
    >
      <HistoryStore>
        <DocExplorerStore>
          <Header apiKey={apiKey} onApiKey={setApiKey} />
          <GraphiQLInterface showPersistHeadersSettings={false} defaultEditorToolsVisibility="variables">
            <GraphiQL.Logo>
              <span />
            </GraphiQL.Logo>
          </GraphiQLInterface>
        </DocExplorerStore>
      </HistoryStore>
    </GraphiQLProvider>
  );
}

async function start(element) {
  const response = await fetch(element.dataset.examples);
  const { endpoint, tabs } = await response.json();
  createRoot(element).render(
    <StrictMode>
      <Playground endpoint={endpoint} tabs={tabs} licenses={element.dataset.licenses} />
    </StrictMode>,
  );
}

start(document.getElementById('playground'));
