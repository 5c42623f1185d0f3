// Mercurius on Caseload's tables: a schema and loaders by hand, with the JIT compiler, one prepared statement for each edge.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import pg from 'pg'
import { run } from './cluster.mjs'

const organization = process.env.ORGANIZATION

const schema = `
  type Query {
    customers(first: Int!): CustomerPage!
    customer(referenceId: String!): Customer
    callTasks(first: Int!, after: String): CallTaskPage!
  }
  type PageInfo { hasNextPage: Boolean!, endCursor: String }
  type CustomerPage { nodes: [Customer!]!, pageInfo: PageInfo! }
  type CallTaskPage { nodes: [CallTask!]!, pageInfo: PageInfo! }
  type Customer {
    id: ID!, referenceId: String, firstName: String, lastName: String, email: String, timeZone: String, language: String, doNotCall: Boolean!, createdAt: String!
    primaryPhone: Phone, primaryAddress: Address
    loans(first: Int!): [Loan!]!, schedules(first: Int!): [Schedule!]!, callAttempts(first: Int!): [CallAttempt!]!
  }
  type Phone { id: ID!, number: String!, lineType: String, blockedAt: String }
  type Address { id: ID!, line1: String, line2: String, city: String, state: String, postalCode: String }
  type Loan { id: ID!, externalId: String!, status: String, principalBalance: String, amountDue: String, daysPastDue: Int, nextDueOn: String }
  type Schedule {
    id: ID!, status: String!, planNumber: Int!, timeZone: String!, plannedAt: String, plannedUntil: String
    taskType: TaskType, tasks(first: Int!): [CallTask!]!
  }
  type CallTask { id: ID!, state: String!, attemptNumber: Int!, dueAt: String!, dueLocal: String!, timeZone: String!, windowEndsAt: String, taskType: TaskType }
  type TaskType { id: ID!, name: String!, purpose: String! }
  type CallAttempt { id: ID!, occurredAt: String!, direction: String!, phoneNumber: String, outcome: String }
`

// Times go out as text: made into objects they would only be written again.
for (const type of ['DATE', 'TIMESTAMP', 'TIMESTAMPTZ']) pg.types.setTypeParser(pg.types.builtins[type], text => text)

const columns = {
  customers: 'id, reference_id AS "referenceId", first_name AS "firstName", last_name AS "lastName", email, time_zone AS "timeZone", language, do_not_call AS "doNotCall", created_at AS "createdAt"',
  call_tasks: 'id, state, attempt_number AS "attemptNumber", due_at AS "dueAt", due_local AS "dueLocal", time_zone AS "timeZone", window_ends_at AS "windowEndsAt", task_type_id AS "taskTypeId"',
  customer_phones: 'id, number, line_type AS "lineType", blocked_at AS "blockedAt"',
  customer_addresses: 'id, line1, line2, city, state, postal_code AS "postalCode"',
  loans: 'id, external_id AS "externalId", status, principal_balance AS "principalBalance", amount_due AS "amountDue", days_past_due AS "daysPastDue", next_due_on AS "nextDueOn"',
  schedules: 'id, status, plan_number AS "planNumber", time_zone AS "timeZone", planned_at AS "plannedAt", planned_until AS "plannedUntil", task_type_id AS "taskTypeId"',
  call_attempts: 'id, occurred_at AS "occurredAt", direction, phone_number AS "phoneNumber", outcome',
  task_types: 'id, name, purpose'
}

await run(async ({ port, url, connections }) => {
  const pool = new pg.Pool({ connectionString: url, max: connections, idleTimeoutMillis: 0 })
  const query = async (name, text, values) => (await pool.query({ name, text, values: [organization, ...values] })).rows

  // One row for each parent, found by a column of the child.
  const one = (table, column, where, key) => ({
    loader: async queries => {
      const rows = await query(`one ${table}`, `SELECT ${column} AS parent, ${columns[table]} FROM ${table}
        WHERE organization_id = $1 AND ${column} = ANY($2::uuid[])${where}`, [[...new Set(queries.map(q => q.obj[key]))]])
      const found = new Map(rows.map(row => [row.parent, row]))
      return queries.map(q => found.get(q.obj[key]) ?? null)
    },
    opts: { cache: false }
  })

  // The first rows of each parent.
  const many = (table, column, order) => ({
    loader: async queries => {
      // All parents of one selection have the same arguments.
      const rows = await query(`many ${table}`, `SELECT p.key AS parent, c.* FROM unnest($2::uuid[]) WITH ORDINALITY p(key, position)
        CROSS JOIN LATERAL (SELECT ${columns[table]} FROM ${table} WHERE organization_id = $1 AND ${column} = p.key ORDER BY ${order}, id LIMIT $3) c
        ORDER BY p.position`, [queries.map(q => q.obj.id), queries[0].params.first])
      const found = new Map()
      for (const row of rows) {
        const list = found.get(row.parent)
        if (list) list.push(row)
        else found.set(row.parent, [row])
      }
      return queries.map(q => found.get(q.obj.id) ?? [])
    },
    opts: { cache: false }
  })

  const page = (rows, first, cursor) => {
    const nodes = rows.slice(0, first)
    return { nodes, pageInfo: { hasNextPage: rows.length > first, endCursor: nodes.length > 0 ? cursor(nodes[nodes.length - 1]) : null } }
  }
  const cursor = (at, id) => Buffer.from(`${at}|${id}`).toString('base64url')

  const app = Fastify({ logger: false })
  app.register(mercurius, {
    schema,
    jit: 1,
    graphiql: false,
    path: '/graphql',
    resolvers: {
      Query: {
        customers: async (_, { first }) => page(
          await query('customers', `SELECT ${columns.customers} FROM customers WHERE organization_id = $1 ORDER BY created_at, id LIMIT $2`, [first + 1]),
          first, row => cursor(row.createdAt, row.id)),
        customer: async (_, { referenceId }) =>
          (await query('customer', `SELECT ${columns.customers} FROM customers WHERE organization_id = $1 AND reference_id = $2`, [referenceId]))[0] ?? null,
        callTasks: async (_, { first, after }) => {
          const end = row => cursor(row.dueAt, row.id)
          if (!after) return page(await query('tasks', `SELECT ${columns.call_tasks} FROM call_tasks WHERE organization_id = $1 ORDER BY due_at, id LIMIT $2`, [first + 1]), first, end)
          const at = Buffer.from(after, 'base64url').toString().split('|')
          return page(await query('tasks after', `SELECT ${columns.call_tasks} FROM call_tasks
            WHERE organization_id = $1 AND (due_at, id) > ($3::timestamptz, $4::uuid) ORDER BY due_at, id LIMIT $2`, [first + 1, ...at]), first, end)
        }
      }
    },
    loaders: {
      Customer: {
        primaryPhone: one('customer_phones', 'customer_id', " AND label = 'PRIMARY'", 'id'),
        primaryAddress: one('customer_addresses', 'customer_id', " AND label = 'PRIMARY'", 'id'),
        loans: many('loans', 'customer_id', 'created_at'),
        schedules: many('schedules', 'customer_id', 'created_at'),
        callAttempts: many('call_attempts', 'customer_id', 'occurred_at')
      },
      Schedule: { taskType: one('task_types', 'id', '', 'taskTypeId'), tasks: many('call_tasks', 'schedule_id', 'due_at') },
      CallTask: { taskType: one('task_types', 'id', '', 'taskTypeId') }
    }
  })
  await app.listen({ port, host: '127.0.0.1' })
  return async () => { app.server.closeAllConnections(); await app.close(); await pool.end() }
})
