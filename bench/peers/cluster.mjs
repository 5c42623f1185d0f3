// Runs a server in as many processes as PROCESSES says; they share the port and the connections to PostgreSQL.
import cluster from 'node:cluster'

const processes = Number(process.env.PROCESSES ?? 1)
const connections = Number(process.env.CONNECTIONS ?? 16)

/** Calls serve({port, url, connections}) in each process; it returns how to stop. */
export async function run (serve) {
  if (processes > 1 && cluster.isPrimary) {
    for (let i = 0; i < processes; i++) cluster.fork()
    let stopping = false
    cluster.on('exit', (worker, code) => {
      if (!stopping) {
        console.error(`process ${worker.process.pid} ended with ${code}`)
        process.exit(1)
      }
    })
    process.on('SIGINT', () => {
      stopping = true
      for (const worker of Object.values(cluster.workers)) worker.kill('SIGTERM')
    })
    return
  }
  const stop = await serve({
    port: Number(process.env.PORT), url: process.env.PEER_DATABASE_URL, connections: Math.max(1, Math.floor(connections / processes))
  })
  for (const signal of ['SIGINT', 'SIGTERM']) {
    // Connections are kept alive by clients, so nothing is waited for.
    process.on(signal, () => { Promise.resolve(stop()).finally(() => process.exit(0)) })
  }
}
