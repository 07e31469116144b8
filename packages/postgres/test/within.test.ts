import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  isDuplicateTaskError,
  OptionError,
  type Queue,
  TaskBuilder,
  WorkerBuilder,
} from '@apalis/core'
import { Pool } from 'pg'
import { PostgresStorage, type PostgresTransaction } from '../src/index.ts'
import { libraries, type Library } from './support/libraries.ts'
import { freshSchema } from './support/schemas.ts'
import { findPostgres } from './support/server.ts'
import { type Query, storedRows } from './support/stored.ts'

const found = findPostgres()
const server = await found.open?.()
const pool = new Pool({ connectionString: server?.url ?? 'postgres://nowhere', max: 2 })
// It may be told of the server's end after its own.
pool.on('error', () => {})
after(async () => {
  await pool.end()
  await server?.[Symbol.asyncDispose]()
})

interface World extends AsyncDisposable {
  readonly library: Library
  readonly schema: string
  readonly query: Query
  /** A storage of its own, as if in a process of its own. */
  storage(): Promise<PostgresStorage>
}

async function openWorld(open: (url: string) => Promise<Library>): Promise<World> {
  const library = await open(server?.url ?? '')
  const schema = freshSchema()
  const { connection } = library
  const query: Query = (sql, values = []) =>
    typeof connection === 'object' && 'query' in connection
      ? connection.query(sql, values)
      : pool.query(sql, values)
  const storages: PostgresStorage[] = []
  return {
    library,
    schema,
    query,
    async storage() {
      // So long that no beat tells of anything before the test is over.
      const storage = await PostgresStorage.connect(connection, { schema, lease: '1h' })
      storages.push(storage)
      return storage
    },
    async [Symbol.asyncDispose]() {
      for (const storage of storages) await storage.close()
      await library[Symbol.asyncDispose]()
    },
  }
}

class RolledBack extends Error {}

/** In a transaction that is rolled back. */
async function undone(library: Library, work: (tx: PostgresTransaction) => Promise<unknown>) {
  const rolledBack = library.transaction(async ({ tx }) => {
    await work(tx)
    throw new RolledBack()
  })
  await assert.rejects(rolledBack, RolledBack)
}

const odd = {
  text: 'a\'b"c\\d{e},f;g\u2028 $1 ? ?? :name @p "" \\u0000 NULL',
  unicode: '🦉 ａé\u{10FFFF} \u0001\n\t\r',
  empty: '',
  list: [null, true, -1.5, [], {}],
}

for (const [name, { open, inProcess = false }] of Object.entries(libraries)) {
  const skip = inProcess ? undefined : found.missing

  test(
    `${name}: committed, tasks are seen once, and a worker of another process is woken`,
    {
      skip,
    },
    async () => {
      await using world = await openWorld(open)
      const producer = await world.storage()
      const consumer = await world.storage()
      const ran: string[] = []
      const idle = Promise.withResolvers<void>()
      const worker = new WorkerBuilder('w')
        .backend(consumer.queue<string>('mail'))
        .onEvent(({ type }) => {
          if (type === 'idle') idle.resolve()
        })
        .build((args, { worker: context }) => {
          ran.push(args)
          if (ran.length === 2) context.stop()
        })
      const ended = worker.run()
      await idle.promise
      await world.library.transaction(async ({ tx, run }) => {
        // One before the transaction has written anything, one after.
        await producer.queue<string>('mail').within(tx).push('a')
        await run('CREATE TEMPORARY TABLE orders (id int) ON COMMIT DROP')
        await producer.queue<string>('mail').within(tx).push('b')
      })
      await ended
      assert.deepEqual(ran.toSorted(), ['a', 'b'])
      assert.equal((await producer.queue<string>('mail').metrics()).done, 2)
    },
  )

  test(
    `${name}: rolled back, nothing was there, and what a savepoint undoes neither`,
    {
      skip,
    },
    async () => {
      await using world = await openWorld(open)
      const storage = await world.storage()
      const tasks = storage.queue<string>('mail')
      let id = ''
      await undone(world.library, async (tx) => {
        id = await tasks.within(tx).push('a', { unique: 'key' })
        await tasks.within(tx).pushBulk(['b', 'c'])
      })
      assert.equal(await tasks.fetchById(id), undefined)
      await world.library.transaction(async ({ tx, run }) => {
        await tasks.within(tx).push('d', { unique: 'key' })
        await run('SAVEPOINT here')
        await tasks.within(tx).push('e')
        await run('ROLLBACK TO here')
        await tasks.within(tx).push('f')
      })
      assert.deepEqual(await argsOf(tasks), ['d', 'f'])
    },
  )

  test(`${name}: what is stored is what is stored without a transaction`, { skip }, async () => {
    await using world = await openWorld(open)
    const storage = await world.storage()
    const outside = storage.queue<unknown>('outside')
    const inside = storage.queue<unknown>('inside')
    const push = async (tasks: Pick<Queue<unknown, unknown>, 'push' | 'pushBulk' | 'pushAll'>) => {
      await tasks.push(odd, { priority: -5, delay: '10m', metadata: { odd } })
      await tasks.push(odd, { runAt: new Date('2200-01-01'), timeout: '30s', attempts: 2 })
      await tasks.push(odd.unicode, { id: odd.text, unique: { key: odd.unicode, for: '1h' } })
      await tasks.pushBulk([1, 'two', null, odd], { metadata: { tenant: "o'hara" } })
      await tasks.pushAll([
        new TaskBuilder<unknown>('a').priority(7).unique(odd.text).build(),
        new TaskBuilder<unknown>('b').metadata('k"ey', [1]).delay(1).build(),
        new TaskBuilder<unknown>(odd).unique('key', { for: 5_000 }).attempts(1).build(),
      ])
    }
    await push(outside)
    await world.library.transaction(({ tx }) => push(inside.within(tx) as typeof inside))
    const stored = await storedRows(world.query, world.schema, 'inside')
    assert.equal(stored.length, 10)
    assert.deepEqual(stored, await storedRows(world.query, world.schema, 'outside'))
  })

  test(
    `${name}: a taken id or key raises nothing, and the transaction goes on`,
    {
      skip,
    },
    async () => {
      await using world = await openWorld(open)
      const storage = await world.storage()
      const tasks = storage.queue<string>('mail')
      const others = storage.queue<string>('others')
      const first = await tasks.push('a', { unique: 'key' })
      await world.library.transaction(async ({ tx }) => {
        const within = tasks.within(tx)
        assert.equal(await within.push('b', { unique: 'key' }), first)
        const second = await within.push('c', { unique: 'other' })
        const ids = await within.pushAll([
          new TaskBuilder('d').unique('other').build(),
          new TaskBuilder('e').id('own').build(),
          new TaskBuilder('f').id('own').build(),
        ])
        assert.deepEqual(ids, [second, 'own', 'own'])
        await assert.rejects(
          within.push('g', { unique: 'key', onDuplicate: 'throw' }),
          isDuplicateTaskError,
        )
        await others.within(tx).push('h', { unique: 'key' })
      })
      assert.deepEqual(await argsOf(tasks), ['a', 'c', 'e'])
      assert.deepEqual(await argsOf(others), ['h'])
    },
  )

  test(`${name}: a thousand tasks at once`, { skip }, async () => {
    await using world = await openWorld(open)
    const tasks = (await world.storage()).queue<number>('mail')
    const all = Array.from({ length: 1_000 }, (_, index) => index)
    const ids = await world.library.transaction(({ tx }) => tasks.within(tx).pushBulk(all))
    assert.equal(new Set(ids).size, 1_000)
    assert.equal((await tasks.metrics()).pending, 1_000)
  })

  test(
    `${name}: the database itself, and a transaction that has ended, are refused`,
    {
      skip,
    },
    async () => {
      await using world = await openWorld(open)
      const tasks = (await world.storage()).queue<string>('mail')
      const ended = await world.library.transaction(async ({ tx }) => ({ tx }))
      const notOne =
        /this is (?:the database|a pool): take|a pool has many connections|sends to one, got a function/
      await assertRefused(tasks.within(ended.tx).push('a'), /none is open|this one has ended/)
      await assertRefused(tasks.within(world.library.database as never).push('a'), notOne)
      assert.deepEqual(await argsOf(tasks), [])
      assert.deepEqual((await world.query(`SELECT FROM "${world.schema}".queue`)).rows, [])
      await tasks.push('b')
      await assertRefused(tasks.within(ended.tx).push('c'), /none is open|this one has ended/)
      await assertRefused(tasks.within(world.library.database as never).push('c'), notOne)
      assert.deepEqual(await argsOf(tasks), ['b'])
    },
  )
}

async function argsOf(tasks: Queue<string, string>): Promise<readonly unknown[]> {
  return (await tasks.listTasks()).map((task) => ('args' in task ? task.args : task))
}

async function assertRefused(push: Promise<unknown>, why: RegExp): Promise<void> {
  await assert.rejects(push, (error) => {
    assert.ok(error instanceof OptionError, String(error))
    assert.match(error.message, why)
    return true
  })
}
