// PostGraphile on Caseload's tables, as it is run in production: no GraphiQL, no watching, no explanations.
import { createServer } from 'node:http'
import { grafserv } from 'postgraphile/grafserv/node'
import { makePgService } from 'postgraphile/adaptors/pg'
import { postgraphile } from 'postgraphile'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { pgSmartTags } from 'postgraphile/utils'
import { run } from './cluster.mjs'

// The tables tell every edge by a foreign key but this one.
const edges = pgSmartTags([
  { kind: 'class', match: 'public.call_tasks', tags: { foreignKey: '(organization_id, task_type_id) references task_types (organization_id, id)' } }
])

await run(async ({ port, url, connections }) => {
  const server = postgraphile({
    extends: [PostGraphileAmberPreset],
    pgServices: [makePgService({ connectionString: url, schemas: ['public'], pubsub: false, poolConfig: { max: connections } })],
    plugins: [edges],
    // Orders are allowed whatever it thinks of the indexes.
    disablePlugins: ['PgIndexBehaviorsPlugin'],
    // Lists cost less than connections, which are kept for the page that goes on from a cursor.
    schema: { defaultBehavior: '+list +connection -insert -update -delete' },
    gather: { muteWarnings: true },
    grafast: { explain: false },
    grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false, websockets: false }
  })
  const service = server.createServ(grafserv)
  const http = createServer({ keepAliveTimeout: 60_000 })
  http.on('error', error => { console.error(error); process.exit(1) })
  await service.addTo(http)
  await server.getSchema()
  await new Promise(resolve => http.listen(port, '127.0.0.1', resolve))
  return async () => { http.closeAllConnections(); await server.release() }
})
