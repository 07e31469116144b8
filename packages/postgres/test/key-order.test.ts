import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { sleep, systemClock, TaskBuilder } from '@apalis/core'
import { Pool } from 'pg'
import { PostgresStorage } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'

const { open, missing: skip } = findPostgres()
const server = await open?.()
after(() => server?.[Symbol.asyncDispose]())

/** Settles when a push to the schema waits for somebody. */
async function isWaiting(schema: string): Promise<void> {
  const sql = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ $1`
  while ((await server?.query(sql, [`"${schema}".insert_1`]))?.length !== 1) {
    await sleep(systemClock, 5)
  }
}

test(
  'bulk pushes take their keys in one order, in whatever order they are given',
  { skip },
  async () => {
    assert.ok(server)
    const schema = freshSchema()
    const pool = new Pool({ connectionString: server.url })
    const storage = await PostgresStorage.connect(pool, { schema })
    const other = await PostgresStorage.connect(pool, { schema })
    const tasks = storage.queue<number>('work')
    await using _closing = {
      async [Symbol.asyncDispose]() {
        await storage.close()
        await other.close()
        await pool.end()
      },
    }
    const tx = await pool.connect()
    await tx.query('BEGIN')
    const a = await tasks.within(tx).push(1, { unique: 'a' })
    const bulk = tasks.pushAll(['b', 'a'].map((key) => new TaskBuilder(2).unique(key).build()))
    await isWaiting(schema)
    // It waits for the first in order, and has taken nothing by then that others want.
    const b = await other.queue<number>('work').push(3, { unique: 'b' })
    await tx.query('COMMIT')
    tx.release()
    assert.deepEqual(await bulk, [b, a])
  },
)

/** Tasks of one push: their ids, their keys, and whose id each push gives back. */
const together: Readonly<
  Record<string, readonly (readonly [id: string, key: string, gives: string])[]>
> = {
  'of the tasks of a push with one id or one key the first is stored': [
    ['x', 'key 2', 'x'],
    ['x', 'key 1', 'x'],
    ['y', 'key 1', 'y'],
    ['z', 'key 2', 'x'],
  ],
  'where that meets the key of another, the second with its id is stored, before a later one with the same key':
    [
      ['x', 'key 2', 'x'],
      ['y', 'key 2', 'x'],
      ['y', 'key 1', 'y'],
      ['z', 'key 1', 'y'],
    ],
}

for (const [name, tasks] of Object.entries(together)) {
  test(name, { skip }, async () => {
    assert.ok(server)
    const pool = new Pool({ connectionString: server.url })
    const storage = await PostgresStorage.connect(pool, { schema: freshSchema() })
    const queue = storage.queue<string>('work')
    const ids = await queue.pushAll(
      tasks.map(([id, key]) => new TaskBuilder(`${id} ${key}`).id(id).unique(key).build()),
    )
    assert.deepEqual(
      ids,
      tasks.map(([, , gives]) => gives),
    )
    const stored = await Promise.all(['x', 'y', 'z'].map((id) => queue.fetchById(id)))
    assert.deepEqual(
      stored.map((task) => task?.args),
      ['x key 2', 'y key 1', undefined],
    )
    await storage.close()
    await pool.end()
  })
}

test(
  'a key that goes to a later task of the same push, since its holder goes meanwhile',
  { skip },
  async () => {
    assert.ok(server)
    const schema = freshSchema()
    const pool = new Pool({ connectionString: server.url })
    const storage = await PostgresStorage.connect(pool, { schema })
    const tasks = storage.queue<number>('work')
    const holder = await tasks.push(1, { unique: 'key' })
    const tx = await pool.connect()
    await tx.query('BEGIN')
    await tasks.within(tx).push(2, { id: 'later' })
    const bulk = tasks.pushAll(
      ['earlier', 'later'].map((id) => new TaskBuilder(3).id(id).unique('key').build()),
    )
    // The first has met the holder, the second waits for its id.
    await isWaiting(schema)
    await tasks.kill(holder)
    await tx.query('ROLLBACK')
    tx.release()
    assert.deepEqual(await bulk, ['later', 'later'])
    await storage.close()
    await pool.end()
  },
)
