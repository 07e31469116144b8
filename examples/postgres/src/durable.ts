// Tasks that are pushed by one storage, and done by another. `DATABASE_URL=postgres://…` names a server.
import { PGlite } from '@electric-sql/pglite'

const database = process.env['DATABASE_URL'] ?? (await PGlite.create())

// #region example
import { concurrency, json, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '@apalis/postgres'

// A URL, `postgres://…`; or a pool of yours.
const storage = await PostgresStorage.connect(database)
const greetings = storage.queue<string, string>('greetings', { result: json<string>() })

const worker = new WorkerBuilder('greeter')
  .backend(greetings)
  .layer(concurrency(10))
  .build((name) => `Hello, ${name}!`)
const running = worker.run()

// From this process, or from any other that reaches the database.
const id = await greetings.push('Barbara', { unique: 'barbara', delay: '50ms' })
console.log(await greetings.result(id, { timeout: '10s' }))

worker.stop()
await running
await storage.close()
// #endregion

// Output:
// Hello, Barbara!
