// Takes tasks that never end, until it is killed: `victim.ts URL LEASE LIMIT`. It tells of each that has begun.
import { concurrency, WorkerBuilder } from '@apalis/core'
import { PostgresStorage } from '@apalis/postgres'

const [url = '', lease = '', limit = ''] = process.argv.slice(2)
const storage = await PostgresStorage.connect(url, { lease: Number(lease) })
await new WorkerBuilder('victim')
  .backend(storage.queue('bench'))
  .layer(concurrency(Number(limit)))
  .build(() => {
    process.send?.('begun')
    return new Promise(() => {})
  })
  .run()
