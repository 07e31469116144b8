import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { sleep, systemClock } from '@apalis/core'
import { Pool } from 'pg'
import { Calls } from '../../src/calls.ts'
import { PoolLink } from '../../src/pool-link.ts'
import { PostgresStorage } from '../../src/index.ts'
import { PostgresStore } from '../../src/postgres-store.ts'
import { long } from '../support/long.ts'
import { freshSchema } from '../support/schemas.ts'
import { findOwnPostgres } from '../support/server.ts'
import { Scene } from './support/scene.ts'

const RESTARTS = long ? 12 : 1

const { open, missing } = findOwnPostgres()
// What no commit waits for is lost, unless one that waits comes after it.
const server = await open?.({ settings: { wal_writer_delay: '10s' } })
after(() => server?.[Symbol.asyncDispose]())

test(
  'a claim that a crash of the server undoes is never made again under its epoch',
  { skip: missing },
  async () => {
    assert.ok(server)
    const deps = { schema: freshSchema(), timeoutMs: 9_000 }
    await (await PostgresStorage.connect(server.url, { schema: deps.schema })).close()
    const pool = new Pool({ connectionString: server.url, max: 1 })
    const link = new PoolLink(pool, () => pool.end())
    const calls = new Calls({ ...deps, link })
    const store = new PostgresStore({ ...deps, link, calls, listen: false, clockOffset: () => 0 })
    const worker = { queue: 'q', id: 'one', name: 'one', leaseMs: 600_000, layers: [] }
    await store.register(worker)
    const rows = ['a', 'b'].map((id) => ({ id, args: '1', priority: 0, attempts: 5 }))
    await store.insert('q', rows)
    const claim = async (): Promise<string> => {
      const { rows: claimed } = await store.claim(worker, 1, { suspects: 0 })
      return claimed.map(({ id, epoch, attempt }) => `${id} ${epoch} ${attempt}`).join()
    }
    // The first of a queue is waited for.
    assert.equal(await claim(), 'a 1 1')
    assert.equal(await claim(), 'b 1 1')
    await server.stop('immediate')
    await server.start()
    assert.deepEqual((await store.beat(worker).catch(() => store.beat(worker))).held, [
      { id: 'a', epoch: 1 },
    ])
    assert.equal(await claim(), 'b 100001 1')
    const settle = (id: string, epoch: number) =>
      store.settle(worker, [{ id, epoch, outcome: { type: 'done' } }])
    assert.deepEqual(await settle('b', 1), ['stale'])
    assert.deepEqual(await settle('b', 100_001), ['applied'])
    assert.deepEqual(await settle('a', 1), ['applied'])
    await store.close()
  },
)

test(
  'a server that crashes again and again under load: what was acknowledged is done, and once',
  { skip: missing },
  async (t) => {
    assert.ok(server)
    await using scene = await Scene.open(server, { lease: 3_000, safetyPoll: 500 })
    const most = long ? 1e9 : 1_500
    const pushing = [
      scene.pushing({ atOnce: 8, most }),
      scene.pushing({ atOnce: 8, most, args: { ms: 0 } }),
    ]
    scene.working()
    scene.working({ limit: 50 })
    if (long) scene.working({ limit: 2 })
    await scene.ready()
    for (let restart = 0; restart < RESTARTS; restart += 1) {
      await scene.more('success', 200)
      if (long) await sleep(systemClock, Math.random() * 2_000)
      await server.stop('immediate')
      if (long && restart % 4 === 3) await sleep(systemClock, 5_000)
      await server.start()
    }
    await scene.more('success', 200)
    const { tasks } = await scene.end(t, pushing)
    assert.ok(tasks > RESTARTS * 200)
  },
)
