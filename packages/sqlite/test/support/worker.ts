// Works on a queue of numbers until it is stopped, and notes each start of a handler as a row of its own:
// `node worker.ts PATH`.
import { DatabaseSync } from 'node:sqlite'
import { Monitor, sleep, systemClock, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'

const [path = ''] = process.argv.slice(2)
const storage = await SqliteStorage.open(path, { lease: '1s', synchronous: 'normal' })
const notes = new DatabaseSync(`${path}.notes`, { timeout: 10_000 })
notes.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
const note = notes.prepare('INSERT INTO notes (n, worker) VALUES (?, ?)')

const monitor = new Monitor().register(() =>
  new WorkerBuilder('worker').backend(storage.queue<number>('numbers')).build(async (n) => {
    note.run(n, process.pid)
    await sleep(systemClock, 1)
  }),
)
monitor.onEvent((event) => {
  if (event.type === 'engage') return
  if (event.type === 'error')
    console.log('error', 'operation' in event ? event.operation : '', event.error)
})
console.log('working')
await monitor.runWithSignal()
await storage.close()
