import { execFile } from 'node:child_process'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Harness, TestClock } from '@apalis/core/testing'
import {
  connectNodeSqlite,
  type SqliteConnect,
  type SqliteConnection,
  type SqliteTransaction,
} from '../../src/client.ts'
import type { SqliteStore } from '../../src/sqlite-store.ts'
import { testFolder } from './files.ts'
import { openStore } from './stores.ts'

/** What the conformance suite runs on: stores of a file, each as if in a process of its own. */
export function fileHarness(
  connect: SqliteConnect = connectNodeSqlite,
): Harness<SqliteTransaction, 'concurrent-transactions'> {
  const clock = new TestClock()
  const folder = testFolder()
  const path = folder.file()
  const stores: SqliteStore[] = []
  return {
    clock,
    async open() {
      const store = await openStore(path, { clock, connect, synchronous: 'normal' })
      stores.push(store)
      return store
    },
    advance: (ms) => clock.advance(ms),
    async begin() {
      const tx = connect(path)
      tx.exec('BEGIN')
      const end = async (how: string): Promise<void> => {
        tx.exec(how)
        tx.close()
      }
      return { tx, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') }
    },
    async corrupt(queue, id, args) {
      // By the same client: two copies of SQLite in one process break each other's locks.
      const connection = connect(path)
      writeArgs(connection, queue, id, args)
      connection.close()
    },
    async runProducer(queue) {
      const program = fileURLToPath(import.meta.resolve('./producer.ts'))
      const args = ['--conditions=@apalis/source', program, path, queue]
      await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
    },
    async close() {
      await Promise.all(stores.map((store) => store.close()))
      folder[Symbol.dispose]()
    },
  }
}

/** The same in memory, where everybody shares one store. */
export function memoryHarness(): Harness<SqliteTransaction, 'transactions' | 'producer'> {
  const clock = new TestClock()
  let connection: DatabaseSync | undefined
  let store: Promise<SqliteStore> | undefined
  return {
    clock,
    async open() {
      store ??= openStore(':memory:', {
        clock,
        connect: (path) => (connection = new DatabaseSync(path)),
      })
      return leftOpen(await store)
    },
    advance: (ms) => clock.advance(ms),
    async corrupt(queue, id, args) {
      if (connection !== undefined) writeArgs(connection, queue, id, args)
    },
    close: async () => (await store)?.close(),
  }
}

/** A store that whoever shares it cannot close. */
function leftOpen(store: SqliteStore): SqliteStore {
  return new Proxy(store, {
    get(target, key) {
      if (key === 'close') return async () => {}
      const member: unknown = Reflect.get(target, key)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function writeArgs(connection: SqliteConnection, queue: string, id: string, args: string): void {
  connection
    .prepare(
      `UPDATE apalis_task SET args = ?
        WHERE id = ? AND queue = (SELECT id FROM apalis_queue WHERE name = ?)`,
    )
    .run(args, id, queue)
}
