// Builds the playground into ../assets: one script, one style sheet, three workers, the icon and the
// licences of everything in them, each gzipped under a name that holds a hash of its content, and
// manifest.json, which says which is which. The same sources give the same bytes.
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const assets = path.join(here, '..', 'assets');
const served = '/playground/assets/';

// What the bundle is made of. A Go test hashes the same files in the same way and fails on a stale bundle.
const sources = ['build.mjs', 'icon.svg', 'main.jsx', 'package-lock.json', 'package.json', 'style.css'];

const options = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  outdir: assets,
  entryNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  publicPath: served,
  format: 'iife',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  // The notices are kept, with those of packages that have none in their code, in licenses.txt.
  legalComments: 'none',
  jsx: 'automatic',
  loader: { '.ttf': 'file' },
  logLevel: 'warning',
  define: { 'process.env.NODE_ENV': '"production"', 'process.env.USE_IMPORT': '"true"' },
};

const workers = await build({
  ...options,
  entryPoints: {
    'editor.worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
    'json.worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
    'graphql.worker': 'monaco-graphql/esm/graphql.worker.js',
  },
});

const workerURL = (name) => {
  const file = workers.outputFiles.find((f) => path.basename(f.path).startsWith(`${name}.worker-`));
  return JSON.stringify(served + path.basename(file.path));
};

const main = await build({
  ...options,
  entryPoints: { playground: 'main.jsx' },
  define: {
    ...options.define,
    EDITOR_WORKER: workerURL('editor'),
    JSON_WORKER: workerURL('json'),
    GRAPHQL_WORKER: workerURL('graphql'),
  },
});

await rm(assets, { recursive: true, force: true });
await mkdir(assets, { recursive: true });

const emitted = [];
async function emit(name, content) {
  const gzipped = gzipSync(content, { level: 9 });
  // zlib writes which system it ran on into byte 9 of the header; 255 is "unknown", and the same everywhere.
  gzipped[9] = 255;
  await writeFile(path.join(assets, `${name}.gz`), gzipped);
  emitted.push({ name, raw: content.length, gzipped: gzipped.length });
  return name;
}

async function emitHashed(name, content) {
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 8).toUpperCase();
  const { name: stem, ext } = path.parse(name);
  return emit(`${stem}-${hash}${ext}`, content);
}

let script, style;
for (const file of [...workers.outputFiles, ...main.outputFiles]) {
  const name = await emit(path.basename(file.path), file.contents);
  if (/^playground-.*\.js$/.test(name)) script = name;
  if (/^playground-.*\.css$/.test(name)) style = name;
}
const icon = await emitHashed('icon.svg', await readFile(path.join(here, 'icon.svg')));
const licenses = await emitHashed('licenses.txt', Buffer.from(await notices([workers, main])));

const hash = createHash('sha256');
for (const name of sources) hash.update(await readFile(path.join(here, name)));
const manifest = { sources: hash.digest('hex'), script, style, icon, licenses };
await writeFile(path.join(assets, 'manifest.json'), JSON.stringify(manifest, null, 2) + '\n');

for (const { name, raw, gzipped } of emitted) {
  console.log(`${name.padEnd(36)} ${(raw / 1024).toFixed(0).padStart(6)} KiB ${(gzipped / 1024).toFixed(0).padStart(6)} KiB gz`);
}
console.log(`${'total'.padEnd(36)} ${' '.repeat(10)} ${(emitted.reduce((n, e) => n + e.gzipped, 0) / 1024).toFixed(0).padStart(6)} KiB gz`);

// notices collects name, version and licence text of every package that has a file in the bundles.
async function notices(results) {
  const folders = new Set();
  for (const result of results) {
    for (const input of Object.keys(result.metafile.inputs)) {
      const match = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input);
      if (match) folders.add(match[0]);
    }
  }
  let text = 'The playground is built from these packages.\n';
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(path.join(here, folder, 'package.json')));
    text += `\n${'-'.repeat(80)}\n${name} ${version} (${license})\n`;
    for (const file of (await readdir(path.join(here, folder))).sort()) {
      if (/^(licen[sc]e|notice|thirdpartynotices)/i.test(file)) {
        text += `\n${(await readFile(path.join(here, folder, file), 'utf8')).trim()}\n`;
      }
    }
  }
  return text;
}
