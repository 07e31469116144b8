import { performance } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { SqliteStorage } from '@apalis/sqlite'
import type { Contender, Suite } from '../contender.ts'
import type { Deliveries } from '../delivery.ts'
import { openPlainjob } from './plainjob.ts'
import { withFile } from './with-file.ts'

/** A push: settles when the task is stored. */
type Push = (index: number) => unknown

/** Single pushes by so many at the same time, each waiting for its own. What counts as delivered is what stands in the file. */
export const push: Suite = {
  contenders: [
    pusher('apalis', '@apalis/sqlite', 'SELECT args FROM apalis_task', async (path) => {
      const storage = await SqliteStorage.open(path)
      const queue = storage.queue<{ readonly index: number }>('bench')
      return { push: (index) => queue.push({ index }), close: () => storage.close() }
    }),
    pusher('one commit a push', 'node', 'SELECT args FROM task', async (path) => {
      const db = new DatabaseSync(path)
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      db.exec('CREATE TABLE task (id INTEGER PRIMARY KEY, args TEXT NOT NULL)')
      const insert = db.prepare('INSERT INTO task (args) VALUES (?)')
      return { push: (index) => insert.run(JSON.stringify({ index })), close: () => db.close() }
    }),
    pusher('plainjob', 'plainjob', 'SELECT data FROM plainjob_jobs', async (path) => {
      const queue = openPlainjob(path)
      return { push: (index) => queue.add('bench', { index }), close: () => queue.close() }
    }),
  ],
  compared: ['apalis'],
  unit: 'pushes/s',
  of: 'pushes',
  tasks: 20_000,
  concurrency: 50,
  warmUp: 2_000,
}

function pusher(
  name: string,
  from: string,
  stored: string,
  open: (path: string) => Promise<{ readonly push: Push; readonly close: () => unknown }>,
): Contender {
  return {
    name,
    package: from,
    run: (tasks, concurrency, deliveries) =>
      withFile(async (path) => {
        const { push: one, close } = await open(path)
        globalThis.gc?.()
        const begun = performance.now()
        let next = 0
        const pushInTurn = async (): Promise<void> => {
          while (next < tasks) await one(next++)
        }
        await Promise.all(Array.from({ length: concurrency }, pushInTurn))
        const value = (tasks * 1_000) / (performance.now() - begun)
        await close()
        // Closed by all others by now: a second copy of SQLite would break the locks of the first.
        count(path, stored, deliveries)
        return { value }
      }),
  }
}

function count(path: string, stored: string, deliveries: Deliveries): void {
  const db = new DatabaseSync(path)
  for (const row of db.prepare(stored).all()) {
    const [args] = Object.values(row)
    deliveries.run((JSON.parse(String(args)) as { readonly index: number }).index)
  }
  db.close()
}
