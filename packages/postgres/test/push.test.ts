import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import { json, WorkerBuilder } from '@apalis/core'
import { Client, Pool } from 'pg'
import { z } from 'zod'
import { PostgresStorage } from '../src/index.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'
import { type Query, storedRows } from './support/stored.ts'

const found = findPostgres()
const skip = found.missing
const server = await found.open?.()
const url = server?.url ?? 'postgres://nowhere'
const pool = new Pool({ connectionString: url, max: 2 })
// It may be told of the server's end after its own.
pool.on('error', () => {})
const schema = freshSchema()
const query: Query = (sql, values) => pool.query(sql, values)
let storage: PostgresStorage
before(async () => {
  // So long that no beat tells of anything before a test is over.
  if (skip === undefined) storage = await PostgresStorage.connect(url, { schema, lease: '1h' })
})
after(async () => {
  await storage?.close()
  await pool.end()
  await server?.[Symbol.asyncDispose]()
})

/** Calls the function as other languages do: with texts. */
async function push(queue: string, args: string, options?: object | string): Promise<string> {
  const values = options === undefined ? [] : [toText(options)]
  const call = `"${schema}".push($1, $2${values.length > 0 ? ', $3' : ''})`
  const { rows } = await pool.query<{ id: string }>(`SELECT ${call} AS id`, [
    queue,
    args,
    ...values,
  ])
  return rows[0]?.id ?? assert.fail('no answer')
}

function toText(options: object | string): string {
  return typeof options === 'string' ? options : JSON.stringify(options)
}

/** The instant in the first ten characters of a ULID, in milliseconds since 1970. */
function instantOf(id: string): number {
  const digits = Array.from(id.slice(0, 10), (one) =>
    '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(one),
  )
  return digits.reduce((value, digit) => value * 32 + digit, 0)
}

const odd = { text: 'a\'b"c\\d{e},f;g $1 🦉', list: [null, true, -1.5, [], {}], ["k'ey"]: '' }

test('what it stores is what the same push stores', { skip }, async () => {
  const tasks = storage.queue<unknown>('typescript')
  const pushes = [
    [odd, {}],
    ['text', { delay: '10m', priority: -5, metadata: { odd } }],
    [7, { delay: '1.5h', attempts: 1, timeout: '30s' }],
    [null, { delay: 1_500.5, timeout: 250, priority: 32_767, attempts: 1_000_000 }],
    [[], { delay: 0, id: odd.text }],
    [{}, { runAt: new Date('2200-01-01T00:00:00.123Z'), unique: odd.text }],
    [false, { unique: { key: 'key', for: '7d' } }],
    ['', { unique: { key: 'other' }, timeout: '0.1s', metadata: {} }],
  ] as const
  for (const [args, options] of pushes) {
    await tasks.push(args, options)
    await push('sql', JSON.stringify(args), options)
  }
  const stored = await storedRows(query, schema, 'sql')
  assert.equal(stored.length, pushes.length)
  assert.deepEqual(stored, await storedRows(query, schema, 'typescript'))
  const [row] = await storage.queue<unknown>('sql').listTasks({ pageSize: 1 })
  assert.deepEqual([row?.parts.attempt.max, row?.parts.context.priority], [5, 0])
})

test(
  'without an id it makes one that sorts by time, and with a taken id or key it gives the holder’s',
  {
    skip,
  },
  async () => {
    const ids: string[] = []
    for (const args of ['1', '2']) {
      const { rows: before } = await pool.query<{ now: Date }>('SELECT clock_timestamp() AS now')
      const id = await push('ids', args)
      assert.match(id, /^[0-9A-HJKMNP-TV-Z]{26}$/)
      const { rows: row } = await pool.query<{ created_at: string }>(
        `SELECT created_at FROM "${schema}".task WHERE id = $1`,
        [id],
      )
      const instant = instantOf(id)
      assert.ok(instant >= Number(before[0]?.now) && instant <= Number(row[0]?.created_at))
      ids.push(id)
    }
    assert.notEqual(ids[0]?.slice(10), ids[1]?.slice(10))
    assert.equal(await push('ids', '2', { id: 'own' }), 'own')
    assert.equal(await push('ids', '3', { id: 'own', unique: 'key' }), 'own')
    const holder = await push('ids', '4', { unique: 'key' })
    assert.equal(await push('ids', '5', { id: 'other', unique: 'key' }), holder)
    assert.equal(await push('ids', '6', { unique: { key: 'key', for: '1h' } }), holder)
    assert.equal((await storage.queue<number>('ids').metrics()).pending, 4)
  },
)

test('instants are those that a timestamp of the server is written as', { skip }, async () => {
  const { rows } = await pool.query<{ at: Date }>(
    `WITH n AS (SELECT date_trunc('milliseconds', now()) + interval '1 day' AS at)
      SELECT n.at FROM n, "${schema}".push('instants', '1', jsonb_build_object('runAt', n.at))`,
  )
  await push('instants', '2', { runAt: '2200-01-31 09:00+05:30' })
  await push('instants', '3', { runAt: '0001-01-01T00:00:00.000Z' })
  const tasks = await storage.queue<number>('instants').listTasks()
  const instants = new Map(tasks.map((task) => ['args' in task && task.args, task.parts.runAt]))
  assert.deepEqual(instants.get(1), rows[0]?.at)
  assert.deepEqual(instants.get(2), new Date('2200-01-31T03:30Z'))
  assert.deepEqual(instants.get(3), new Date('0001-01-01T00:00Z'))
})

test(
  'a trigger pushes for the role that wrote the row, and a worker gets what its schema makes of it',
  {
    skip,
  },
  async () => {
    const role = `writer_${schema}`
    await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret';
    GRANT USAGE ON SCHEMA "${schema}" TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA "${schema}" TO ${role};
    CREATE SCHEMA shop_${schema} AUTHORIZATION ${role}`)
    const writerUrl = new URL(url)
    writerUrl.username = role
    writerUrl.password = 'secret'
    const writer = new Client({ connectionString: writerUrl.href })
    await writer.connect()
    await writer.query(`SET search_path = shop_${schema};
    CREATE TABLE orders (id int PRIMARY KEY, cents int NOT NULL, placed date NOT NULL);
    CREATE FUNCTION send_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM "${schema}".push('receipts', to_jsonb(NEW), jsonb_build_object('unique', 'receipt:' || NEW.id));
      RETURN NULL;
    END $$;
    CREATE TRIGGER send_receipt AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION send_receipt()`)
    const Order = z.object({
      id: z.number(),
      cents: z.number(),
      placed: z.string().transform((text) => new Date(text)),
    })
    const receipts = storage.queue('receipts', { args: json(Order) })
    const ran: z.output<typeof Order>[] = []
    const idle = Promise.withResolvers<void>()
    const worker = new WorkerBuilder('w')
      .backend(receipts)
      .onEvent(({ type }) => {
        if (type === 'idle') idle.resolve()
      })
      .build((order, { worker: context }) => {
        ran.push(order)
        if (ran.length === 2) context.stop()
      })
    const ended = worker.run()
    await idle.promise
    await writer.query(`BEGIN; INSERT INTO orders VALUES (0, 1, '2026-01-01'); ROLLBACK`)
    await writer.query(`INSERT INTO orders VALUES (1, 1200, '2026-01-01'), (2, 50, '2026-01-02')`)
    await ended
    assert.deepEqual(
      ran.toSorted((a, b) => a.id - b.id),
      [
        { id: 1, cents: 1_200, placed: new Date('2026-01-01') },
        { id: 2, cents: 50, placed: new Date('2026-01-02') },
      ],
    )
    assert.equal((await receipts.metrics()).done, 2)
    // The same role, in a transaction of its own from TypeScript: that needs nothing more.
    await writer.query('BEGIN')
    await receipts.within(writer).push({ id: 3, cents: 1, placed: '2026-01-03' })
    await writer.query('COMMIT')
    assert.equal((await receipts.metrics()).pending, 1)
    await writer.end()
  },
)

test('in PGlite, in a schema of the usual name', async () => {
  const database = await PGlite.create()
  const own = await PostgresStorage.connect(database)
  const mail = own.queue<unknown>('mail')
  const call = 'SELECT apalis.push($1, $2, $3) AS id'
  const options = { delay: '10m', metadata: { odd } }
  const { rows } = await database.query<{ id: string }>(call, ['mail', odd, options])
  const [task] = await mail.listTasks()
  assert.deepEqual([task?.parts.taskId, task?.parts.metadata], [rows[0]?.id, { odd }])
  assert.deepEqual(task !== undefined && 'args' in task && task.args, odd)
  await own.close()
  await database.close()
})

const duration = `a duration such as 250, '250ms', '30s', '5m', '1h' or '7d', at most 100 years`
const atLeast1 = duration.replace('a duration', 'a duration of at least 1 ms')
const instant = `an instant with its zone in the years 1 to 9999 such as '2030-01-31T09:00:00Z'`
const short = 'text of 1 to 255 bytes'
const known = 'id, attempts, timeout, delay, runAt, priority, unique, metadata'

const refused: readonly (readonly [options: object | string, message: string])[] = [
  ['[]', 'push: expected an object with options, got []'],
  ['null', 'push: expected an object with options, got null'],
  ['["id"]', 'push: expected an object with options, got ["id"]'],
  [{ dellay: '5m' }, `push.dellay: expected one of the options ${known}, got "5m"`],
  [{ onDuplicate: 1 }, `push.onDuplicate: expected one of the options ${known}, got 1`],
  [{ id: '' }, `id: expected ${short}, got ""`],
  [{ id: 7 }, `id: expected ${short}, got 7`],
  [{ id: 'é'.repeat(128) }, `id: expected ${short}, got "${'é'.repeat(59)}...`],
  [{ attempts: 0 }, 'attempts: expected a whole number from 1 to 1000000, got 0'],
  [{ attempts: 1.5 }, 'attempts: expected a whole number from 1 to 1000000, got 1.5'],
  [{ attempts: '3' }, 'attempts: expected a whole number from 1 to 1000000, got "3"'],
  [
    '{"attempts": 1e400}',
    `attempts: expected a whole number from 1 to 1000000, got 1${'0'.repeat(59)}...`,
  ],
  [{ priority: 32_768 }, 'priority: expected a whole number from -32768 to 32767, got 32768'],
  [{ priority: null }, 'priority: expected a whole number from -32768 to 32767, got null'],
  [{ timeout: 0 }, `timeout: expected ${atLeast1}, got 0`],
  [{ timeout: '0.4ms' }, `timeout: expected ${atLeast1}, got "0.4ms"`],
  [{ delay: -1 }, `delay: expected ${duration}, got -1`],
  [{ delay: '5 m' }, `delay: expected ${duration}, got "5 m"`],
  [{ delay: '5m\n' }, `delay: expected ${duration}, got "5m\\n"`],
  [{ delay: '36526d' }, `delay: expected ${duration}, got "36526d"`],
  [{ delay: true }, `delay: expected ${duration}, got true`],
  ['{"delay": 1e400}', `delay: expected ${duration}, got 1${'0'.repeat(59)}...`],
  [{ delay: 1, runAt: '2030-01-01T00:00Z' }, 'delay: expected none where runAt is given, got 1'],
  [{ runAt: 7 }, `runAt: expected ${instant}, got 7`],
  [{ runAt: 'tomorrow' }, `runAt: expected ${instant}, got "tomorrow"`],
  [{ runAt: '2030-01-01T00:00' }, `runAt: expected ${instant}, got "2030-01-01T00:00"`],
  [{ runAt: '2030-02-30T00:00Z' }, `runAt: expected ${instant}, got "2030-02-30T00:00Z"`],
  [{ runAt: '2030-01-01T00:00+99' }, `runAt: expected ${instant}, got "2030-01-01T00:00+99"`],
  [{ runAt: '0000-01-01T00:00Z' }, `runAt: expected ${instant}, got "0000-01-01T00:00Z"`],
  [{ runAt: '9999-12-31T23:59-01' }, `runAt: expected ${instant}, got "9999-12-31T23:59-01"`],
  [{ unique: '' }, `unique: expected ${short}, got ""`],
  [{ unique: 7 }, 'unique: expected an object with options, got 7'],
  [{ unique: {} }, `unique.key: expected ${short}, got NULL`],
  [{ unique: { key: 'a', For: 1 } }, 'unique.For: expected one of the options key, for, got 1'],
  [{ unique: { key: 'a', for: 0 } }, `unique.for: expected ${atLeast1}, got 0`],
  [{ metadata: [] }, 'metadata: expected an object of named JSON values, got []'],
  [{ metadata: { '': 1 } }, `metadata key: expected ${short}, got ""`],
  [
    { metadata: { a: 'x'.repeat(65_536) } },
    `metadata: expected at most 65536 bytes as JSON (not 65545), got {"a": "${'x'.repeat(53)}...`,
  ],
]

test(
  'an option that cannot be used is refused with its name and value, and nothing is stored',
  {
    skip,
  },
  async () => {
    const assertRefused = (call: Promise<unknown>, message: string): Promise<void> =>
      assert.rejects(call, { code: '22023', message })
    for (const [options, message] of refused) {
      await assertRefused(push('refused', '1', options), message)
    }
    await assertRefused(push('', '1'), `queue: expected ${short}, got ""`)
    const nothing = (call: string): Promise<unknown> =>
      pool.query(`SELECT "${schema}".push(${call})`)
    await assertRefused(nothing(`NULL, '1'`), `queue: expected ${short}, got NULL`)
    await assertRefused(nothing(`'refused', NULL`), 'args: expected a JSON value, got NULL')
    await assertRefused(
      nothing(`'refused', '1', NULL`),
      'push: expected an object with options, got NULL',
    )
    await assertRefused(
      push('refused', JSON.stringify('x'.repeat(1_048_575))),
      `args: expected at most 1048576 bytes as JSON (not 1048577), got "${'x'.repeat(59)}...`,
    )
    assert.equal((await storage.queue<number>('refused').metrics()).pending, 0)
    await push('refused', JSON.stringify('x'.repeat(1_048_574)))
  },
)
