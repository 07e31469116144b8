// Arguments that would take too long to arrive in one answer, or are longer than a text of JavaScript can be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concurrency, type Event, WorkerBuilder } from '@apalis/core'
import { TestClock } from '@apalis/core/testing'
import { PostgresStorage } from '../src/index.ts'
import { PoolLink } from '../src/pool-link.ts'
import { freshSchema } from './support/schemas.ts'
import { openServerPool } from './support/server-pool.ts'
import { openStore } from './support/stores.ts'

const { skip, pool } = await openServerPool()

const MIB = 1_048_576
const worker = { id: 'w', queue: 'mail', name: 'w', layers: [], leaseMs: 60_000 }

test(
  'a claim brings 16 MiB of arguments, the first ones, and says that more are due',
  { skip },
  async () => {
    const [schema, clock] = [freshSchema(), new TestClock()]
    const store = await openStore(new PoolLink(pool), schema, clock, { listen: false })
    await store.register(worker)
    const ids = Array.from({ length: 20 }, (_, index) => `t-${index}`)
    const args = JSON.stringify('a'.repeat(MIB - 2))
    await store.insert(
      'mail',
      ids.map((id) => ({ id, args, priority: 0, attempts: 5 })),
    )
    for (const [expected, dueIn] of [
      [ids.slice(0, 16), 0],
      [ids.slice(16), undefined],
    ] as const) {
      const claimed = await store.claim(worker, 1_000, { suspects: 1 })
      assert.deepEqual(
        claimed.rows.map(({ id }) => id),
        expected,
      )
      assert.equal(claimed.dueIn, dueIn)
    }
    const { pending, running } = await store.count('mail')
    assert.deepEqual([pending, running], [0, 20])
  },
)

test('a worker that claims them in parts is not idle before the last', { skip }, async () => {
  await using storage = await PostgresStorage.connect(pool, { schema: freshSchema() })
  const tasks = storage.queue<string>('mail')
  await tasks.pushBulk(Array.from({ length: 20 }, () => 'a'.repeat(MIB - 2)))
  const events: Event['type'][] = []
  await new WorkerBuilder('w')
    .backend(tasks)
    .layer(concurrency(20))
    .onEvent(({ type }, context) => {
      if (type === 'success' || type === 'idle') events.push(type)
      if (type === 'idle') context.stop()
    })
    .build(() => {})
    .run()
  assert.equal(events.filter((type) => type === 'success').length, 20)
})
