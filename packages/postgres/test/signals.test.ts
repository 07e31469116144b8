import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type StoreSignal, type Worker, WorkerBuilder } from '@apalis/core'
import { Pool } from 'pg'
import { PostgresStorage } from '../src/index.ts'
import { Signals } from '../src/signals.ts'
import { freshSchema } from './support/schemas.ts'
import { findPgbouncer } from './support/pgbouncer.ts'
import { findPostgres } from './support/server.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
const url = server?.url ?? ''
after(() => server?.[Symbol.asyncDispose]())

/** Settles when the condition holds, which is looked at again whenever `look` is called. */
function awaited(condition: () => boolean): {
  readonly look: () => void
  readonly promise: Promise<void>
} {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = (): void => {
    if (condition()) resolve()
  }
  return { look, promise }
}

/** Two storages as if in two processes: the one waits for what the other ends. */
async function isHeard(one: PostgresStorage, other: PostgresStorage): Promise<void> {
  const id = await other.queue<string>('mail').push('a')
  const waits = assert.rejects(
    one.queue<string>('mail').result(id, { timeout: '20s' }),
    /was killed/,
  )
  await one.queue<string>('mail').pause()
  await other.queue<string>('mail').kill(id)
  await waits
}

/** Runs a worker that tells when it is idle, and what it runs. */
function work(
  storage: PostgresStorage,
  name: string,
  told: { readonly idle: () => void; readonly run: (args: string) => void },
): { readonly worker: Worker; readonly ended: Promise<void> } {
  const worker = new WorkerBuilder(name)
    .backend(storage.queue<string>('mail'))
    .onEvent(({ type }) => {
      if (type === 'idle') told.idle()
    })
    .build((args) => told.run(args))
  return { worker, ended: worker.run() }
}

test('what one process ends another hears of', { skip }, async () => {
  const schema = freshSchema()
  const one = await PostgresStorage.connect(url, { schema })
  const other = await PostgresStorage.connect(url, { schema })
  await isHeard(one, other)
  await one.close()
  await other.close()
})

test('without being told a storage looks by itself', { skip }, async () => {
  const schema = freshSchema()
  const one = await PostgresStorage.connect(url, { schema, listen: false })
  const other = await PostgresStorage.connect(url, { schema })
  await isHeard(one, other)
  await one.close()
  await other.close()
})

const bouncer = findPgbouncer()

test(
  'behind PgBouncer in transaction mode a storage looks by itself',
  {
    skip: skip ?? bouncer.missing,
  },
  async () => {
    assert.ok(server !== undefined && bouncer.open !== undefined)
    await using pgbouncer = await bouncer.open(server)
    const through = pgbouncer.through(url)
    const schema = freshSchema()
    const one = await PostgresStorage.connect(through, { schema })
    const other = await PostgresStorage.connect(through, { schema })
    await isHeard(one, other)
    await one.close()
    await other.close()
  },
)

test('a connection that listens and is lost is renewed, and hears again', { skip }, async () => {
  assert.ok(server !== undefined)
  const schema = freshSchema()
  const named = new URL(url)
  named.searchParams.set('application_name', schema)
  const pool = new Pool({ connectionString: named.href })
  const one = await PostgresStorage.connect(pool, { schema })
  const other = await PostgresStorage.connect(url, { schema })
  await isHeard(one, other)
  const id = await other.queue<string>('mail').push('b')
  const waits = assert.rejects(
    one.queue<string>('mail').result(id, { timeout: '20s' }),
    /was killed/,
  )
  // Every connection of the one process, whatever it is for.
  assert.ok((await server.terminate(schema)) > 0)
  await other.queue<string>('mail').kill(id)
  await waits
  await isHeard(one, other)
  await one.close()
  await pool.end()
  await other.close()
})

test(
  'a push inside a transaction of the caller wakes workers of all processes when that commits',
  {
    skip,
  },
  async () => {
    const schema = freshSchema()
    const pool = new Pool({ connectionString: url })
    const one = await PostgresStorage.connect(pool, { schema })
    const other = await PostgresStorage.connect(url, { schema })
    const ran: string[] = []
    const both = awaited(() => ran.length === 2)
    const idle: string[] = []
    const ready = awaited(() => idle.length === 2)
    const workers = [one, other].map((storage, index) =>
      work(storage, `w${index}`, {
        idle: () => {
          idle.push('')
          ready.look()
        },
        run: (args) => {
          ran.push(args)
          both.look()
        },
      }),
    )
    await ready.promise
    const tx = await pool.connect()
    await tx.query('BEGIN')
    await one.queue<string>('mail').within(tx).pushBulk(['a', 'b'])
    await tx.query('COMMIT')
    tx.release()
    await both.promise
    assert.deepEqual(ran.toSorted(), ['a', 'b'])
    for (const { worker } of workers) worker.context.stop()
    await Promise.all(workers.map(({ ended }) => ended))
    await one.close()
    await other.close()
    await pool.end()
  },
)

test('a process that pushes and closes at once has woken the others', { skip }, async () => {
  const schema = freshSchema()
  // Neither a poll nor a beat tells of the push.
  const one = await PostgresStorage.connect(url, { schema, lease: '1h', safetyPoll: '1h' })
  const idle = Promise.withResolvers<void>()
  const ran = Promise.withResolvers<string>()
  const { worker, ended } = work(one, 'w', { idle: idle.resolve, run: ran.resolve })
  await idle.promise
  const pool = new Pool({ connectionString: url })
  const other = await PostgresStorage.connect(pool, { schema })
  await other.queue<string>('mail').push('a')
  await other.close()
  await pool.end()
  assert.equal(await ran.promise, 'a')
  worker.context.stop()
  await ended
  await one.close()
})

test('what somebody here waited for is told to others after what nobody did', async () => {
  const sent: string[] = []
  const sender = (name: string, answer: boolean): Signals => {
    const signals = new Signals({ sender: name, send: async () => sent.push(name) })
    signals.add(() => answer)
    return signals
  }
  const all = [sender('waited for', true), sender('not', false), sender('nor this', true)]
  all[0]?.tell([{ type: 'due', queue: 'one' }])
  all[1]?.tell([{ type: 'due', queue: 'one' }])
  // Its own waiters run as well; those of others are told all the same.
  all[2]?.tell([{ type: 'settled', queue: 'one', ids: ['1'] }])
  await Promise.all(all.map((signals) => signals.sent()))
  assert.deepEqual(sent, ['not', 'nor this', 'waited for'])
})

test('what happens at once is told in as few messages as fit; too many ids are any', async () => {
  const sent: string[] = []
  const sender = new Signals({ sender: 'a', send: async (payload) => sent.push(payload) })
  const many = Array.from({ length: 1_000 }, (_, index) => `a rather long id of a task ${index}`)
  sender.tell([{ type: 'due', queue: 'one' }])
  sender.tell([{ type: 'due', queue: 'one' }])
  sender.tell([{ type: 'settled', queue: 'one', ids: ['1'] }])
  sender.tell([{ type: 'settled', queue: 'one', ids: ['2'] }])
  sender.tell([{ type: 'killed', queue: 'two', ids: many }])
  const names = Array.from({ length: 200 }, (_, index) => `a rather long name of a queue ${index}`)
  for (const queue of names) sender.tell([{ type: 'due', queue }])
  await sender.sent()
  assert.ok(sent.length > 1 && sent.length < 10, `${sent.length} messages`)
  for (const payload of sent) assert.ok(Buffer.byteLength(payload) < 8_000)
  const heard: StoreSignal[] = []
  const other = new Signals({ sender: 'b', send: async () => {} })
  other.add((signal) => void heard.push(signal))
  for (const payload of sent) other.heard(payload)
  assert.equal(heard.length, 203)
  assert.deepEqual(heard[0], { type: 'due', queue: 'one' })
  assert.deepEqual(
    heard.filter(({ type }) => type !== 'due'),
    [
      { type: 'settled', queue: 'one', ids: ['1', '2'] },
      { type: 'killed', queue: 'two' },
    ],
  )
})

test('what was committed just before a storage is closed is still told to others', async () => {
  const sent: string[] = []
  const signals = new Signals({ sender: 'a', send: async (payload) => sent.push(payload) })
  signals.tell([{ type: 'due', queue: 'one' }])
  await signals.sent()
  // So soon after the first message that it waits.
  signals.tell([{ type: 'due', queue: 'two' }])
  signals.close()
  signals.tell([{ type: 'due', queue: 'three' }])
  await signals.sent()
  assert.deepEqual(
    sent.map((payload) => JSON.parse(payload)),
    [
      { from: 'a', due: { one: [] } },
      { from: 'a', due: { two: [] } },
    ],
  )
})

test('what is nobody’s message, and what it has sent itself, a storage does not hear', () => {
  const signals = new Signals({ sender: 'a', send: async () => {} })
  // What a listener throws disturbs nobody, so it cannot fail here.
  const heard: StoreSignal[] = []
  signals.add((signal) => void heard.push(signal))
  const payloads = [
    '',
    '{',
    '[]',
    'null',
    '{"due":7}',
    '{"due":["a"]}',
    '{"from":"a","due":{"q":[]}}',
  ]
  for (const payload of [...payloads, undefined]) signals.heard(payload)
  assert.deepEqual(heard, [])
  signals.heard('{"from":"b","due":{"q":[]}}')
  assert.deepEqual(heard, [{ type: 'due', queue: 'q' }])
})
