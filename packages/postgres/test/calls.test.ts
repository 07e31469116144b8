import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isBackendError } from '@apalis/core'
import { Client, Pool } from 'pg'
import { Calls } from '../src/calls.ts'
import { PostgresStorage } from '../src/index.ts'
import { GivenUp, type Link } from '../src/link.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
const url = server?.url ?? ''
after(() => server?.[Symbol.asyncDispose]())

/** A link whose statements end as told, one after the other. */
function scripted(...ends: readonly (Error | string)[]): Link {
  const left = [...ends]
  return {
    parallel: false,
    direct: true,
    async run() {
      const end = left.shift()
      if (end instanceof Error) throw end
      return { rows: [{ answer: end }] }
    },
    listen: () => Promise.reject(new Error('not here')),
    close: async () => {},
  }
}

function serverError(code: string): Error {
  return Object.assign(new Error(`the server says ${code}`), { code })
}

test('what the server undid for another’s sake is tried again, and counted', async () => {
  const link = scripted(serverError('40P01'), serverError('40001'), '[1]')
  const calls = new Calls({ link, schema: 's', timeoutMs: 5_000 })
  assert.deepEqual(await calls.json('get', 'get_1', []), [1])
  assert.equal(calls.conflicts, 2)
})

test('inside a transaction of the caller nothing is tried again', async () => {
  const calls = new Calls({ link: scripted(), schema: 's', timeoutMs: 5_000 })
  const within = { query: () => Promise.reject(serverError('40P01')) }
  await assert.rejects(calls.call('insert', 'insert_1', [], { within }), isBackendError)
  assert.equal(calls.conflicts, 0)
})

const errors: readonly (readonly [code: string, transient: boolean, applied: 'no' | 'unknown'])[] =
  [
    ['23514', false, 'no'],
    ['22P05', false, 'no'],
    ['42P01', false, 'no'],
    ['25006', true, 'no'],
    ['25P03', true, 'no'],
    ['25P04', true, 'no'],
    ['53100', true, 'no'],
    ['53300', true, 'no'],
    ['55P03', true, 'no'],
    ['57014', true, 'no'],
    ['57P01', true, 'unknown'],
    ['57P03', true, 'no'],
    ['08006', true, 'unknown'],
    ['ECONNRESET', true, 'unknown'],
    // Of five letters, as codes of the server are.
    ['EPIPE', true, 'unknown'],
    ['ECONNREFUSED', true, 'no'],
  ]

test('an error says whether the same may succeed later, and whether anything may have happened', async () => {
  for (const [code, transient, applied] of errors) {
    const calls = new Calls({ link: scripted(serverError(code)), schema: 's', timeoutMs: 5_000 })
    await assert.rejects(calls.call('settle', 'exchange_1', []), (error) => {
      assert.ok(isBackendError(error))
      assert.deepEqual([error.transient, error.applied], [transient, applied], code)
      return true
    })
  }
})

test('what was given up after it was sent may have happened, what was not sent has not', async () => {
  for (const [sent, applied] of [
    [true, 'unknown'],
    [false, 'no'],
  ] as const) {
    const link = scripted(new GivenUp('no answer within 5000 ms', sent))
    const calls = new Calls({ link, schema: 's', timeoutMs: 5_000 })
    await assert.rejects(calls.call('insert', 'insert_1', []), { transient: true, applied })
  }
})

test(
  'a call that waits for a lock is given up in time, leaves nothing waiting, and others go on',
  {
    skip,
  },
  async () => {
    const schema = freshSchema()
    const pool = new Pool({ connectionString: url, application_name: schema })
    const storage = await PostgresStorage.connect(pool, { schema, callTimeout: '400ms' })
    const tasks = storage.queue<string>('mail')
    await tasks.push('a')
    const stranger = new Client({ connectionString: url })
    await stranger.connect()
    await stranger.query('BEGIN')
    await stranger.query(`UPDATE ${schema}.queue SET paused = true`)
    await assert.rejects(
      tasks.pause(),
      (error) => isBackendError(error) && error.transient && /no answer within/.test(error.message),
    )
    assert.equal(typeof (await tasks.push('b')), 'string')
    const waiting = `SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE application_name = $1 AND wait_event_type = 'Lock'`
    // Who waited is told to stop, and does so in its own time.
    for (;;) {
      const { rows } = await stranger.query<{ count: number }>(waiting, [schema])
      if (rows[0]?.count === 0) break
    }
    await stranger.query('ROLLBACK')
    await stranger.end()
    await tasks.pause()
    await storage.close()
    await pool.end()
  },
)

test(
  'tasks of one worker that are taken and settled from all sides at once are each ended once',
  {
    skip,
  },
  async () => {
    const schema = freshSchema()
    const storages = await Promise.all(
      Array.from({ length: 4 }, () => PostgresStorage.connect(url, { schema })),
    )
    const [first] = storages
    assert.ok(first !== undefined)
    const tasks = first.queue<number>('mail')
    const ids = await tasks.pushBulk(Array.from({ length: 200 }, (_, index) => index))
    // Every storage kills every task, in another order.
    const killed = await Promise.all(
      storages.map(async (storage, index) => {
        const own = storage.queue<number>('mail')
        const order = index % 2 === 0 ? ids : ids.toReversed()
        const ends = await Promise.all(order.map((id) => own.kill(id)))
        return ends.filter(Boolean).length
      }),
    )
    assert.equal(
      killed.reduce((sum, count) => sum + count, 0),
      200,
    )
    const { killed: counted, pending } = await tasks.metrics()
    assert.deepEqual([counted, pending], [200, 0])
    await Promise.all(storages.map((storage) => storage.close()))
  },
)
