import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

const { open: openServer, missing: skip } = findOwnPostgres()
// What no commit waits for is lost, unless one that waits comes after it.
const server = await openServer?.({ settings: { wal_writer_delay: '10s' } })
after(() => server?.[Symbol.asyncDispose]())

const worker = { queue: 'q', id: 'one', name: 'one', leaseMs: 600_000, layers: [] }

/** A store with a worker, and two tasks in its queue. */
async function open(): Promise<PostgresStore> {
  assert.ok(server)
  const deps = { schema: freshSchema(), timeoutMs: 9_000 }
  await (await PostgresStorage.connect(server.url, { schema: deps.schema })).close()
  const pool = new Pool({ connectionString: server.url, max: 1 })
  const link = new PoolLink(pool, () => pool.end())
  const calls = new Calls({ ...deps, link })
  const store = new PostgresStore({ ...deps, link, calls, listen: false, clockOffset: () => 0 })
  await store.register(worker)
  const rows = ['a', 'b'].map((id) => ({ id, args: '1', priority: 0, attempts: 5 }))
  await store.insert('q', rows)
  return store
}

/** What one claim brings: id, epoch and attempt. */
async function claim(store: PostgresStore): Promise<string> {
  const { rows } = await store.claim(worker, 1, { suspects: 0 })
  return rows.map(({ id, epoch, attempt }) => `${id} ${epoch} ${attempt}`).join()
}

test(
  'a claim that a crash of the server undoes is never made again under its epoch',
  { skip },
  async () => {
    assert.ok(server)
    const store = await open()
    // The first of a queue is waited for.
    assert.equal(await claim(store), 'a 1 1')
    assert.equal(await claim(store), 'b 1 1')
    await server.stop('immediate')
    await server.start()
    // The connection of before is found to be lost.
    const { held } = await store.beat(worker).catch(() => store.beat(worker))
    assert.deepEqual(held, [{ id: 'a', epoch: 1 }])
    assert.equal(await claim(store), 'b 100001 1')
    const settle = (id: string, epoch: number) =>
      store.settle(worker, [{ id, epoch, outcome: { type: 'done' } }])
    assert.deepEqual(await settle('b', 1), ['stale'])
    assert.deepEqual(await settle('b', 100_001), ['applied'])
    assert.deepEqual(await settle('a', 1), ['applied'])
    await store.close()
  },
)

test(
  'a standby takes no claims, and says that it may later; promoted it goes on above all epochs',
  { skip },
  async () => {
    assert.ok(server)
    const store = await open()
    assert.equal(await claim(store), 'a 1 1')
    await server.stop()
    writeFileSync(join(server.folder, 'data', 'standby.signal'), '', { mode: 0o666 })
    const started = server.start()
    while (!server.log().includes('accept read-only connections')) await sleep(systemClock, 5)
    await claim(store).catch(() => {})
    await assert.rejects(claim(store), { transient: true, applied: 'no', message: /no writes/ })
    await server.query('SELECT pg_promote()')
    await started
    assert.equal(await claim(store), 'b 100001 1')
    await store.close()
  },
)

test(
  'a server that crashes again and again under load: what was acknowledged is done, and once',
  { skip },
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
