import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Monitor } from '../../src/monitor/monitor.ts'
import { Shutdown } from '../../src/monitor/shutdown.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { failuresOf, Lab } from './lab.ts'

/** Never has anything. */
const idle = {
  next: (_limit: number, signal: AbortSignal): Promise<[]> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve([]))),
  close: async () => {},
}

test('is healthy from the start of the run to its end', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const gate = Promise.withResolvers<void>()
  await lab.storage.queue<number>('one').push(1)
  const monitor = new Monitor({ clock: lab.clock, shutdown }).register(() =>
    lab.worker('one', () => gate.promise),
  )
  assert.deepEqual(monitor.health(), {
    healthy: false,
    state: 'pending',
    workers: [
      {
        name: 'worker-1',
        id: '',
        state: 'stopped',
        inFlight: 0,
        restarts: 0,
        givenUp: false,
      },
    ],
    loopDelayMs: 0,
  })
  const run = monitor.run()
  await lab.clock.settle()
  const { healthy, state, workers } = monitor.health()
  assert.deepEqual({ healthy, state }, { healthy: true, state: 'running' })
  const now = new Date(lab.clock.now())
  const [context] = monitor.workers()
  assert.deepEqual(workers, [
    {
      name: 'one',
      id: context?.id,
      state: 'running',
      lastBeatAt: now,
      lastGoodCallAt: now,
      inFlight: 1,
      restarts: 0,
      givenUp: false,
    },
  ])
  shutdown.start()
  assert.equal(monitor.health().healthy, true, 'a probe leaves a shutdown alone')
  gate.resolve()
  await run
  assert.equal(monitor.health().healthy, false)
  assert.equal(monitor.health().state, 'stopped')
})

test('learns of beats and good calls', async () => {
  const lab = new Lab()
  const monitor = new Monitor({ clock: lab.clock }).register(() => lab.worker('one'))
  const run = monitor.run()
  await lab.clock.settle()
  const start = lab.clock.now()
  await lab.clock.advance('15s')
  assert.deepEqual(monitor.health().workers[0]?.lastBeatAt, new Date(start + 10_000))
  await lab.storage.queue<number>('one').push(1)
  await lab.clock.settle()
  assert.deepEqual(monitor.health().workers[0]?.lastBeatAt, new Date(start + 10_000))
  assert.deepEqual(monitor.health().workers[0]?.lastGoodCallAt, new Date(start + 15_000))
  monitor.workers()[0]?.stop()
  await run
})

test('is not healthy once a beat is stale, and healthy again after the next', async () => {
  const lab = new Lab()
  let up = true
  let sign = Promise.withResolvers<void>()
  const worker = new WorkerBuilder('one')
    .backend({
      name: 'fragile',
      clock: lab.clock,
      poll: () => idle,
      async *heartbeat({ signal }) {
        signal.addEventListener('abort', () => sign.resolve())
        while (!signal.aborted) {
          if (!up) throw new Error('down')
          yield { trustMs: 600_000, paused: false, revoked: [] }
          await sign.promise
          sign = Promise.withResolvers()
        }
      },
    })
    .build(() => undefined)
  const monitor = new Monitor({ clock: lab.clock, staleAfter: '20s' }).register(() => worker)
  const run = monitor.run()
  await lab.clock.advance('20s')
  assert.equal(monitor.health().healthy, true)
  up = false
  sign.resolve()
  await lab.clock.advance(1)
  assert.equal(monitor.health().healthy, false)
  up = true
  await lab.clock.advance('10s')
  assert.equal(monitor.health().healthy, true)
  monitor.workers()[0]?.stop()
  await run
})

test('is not healthy when a storage never answered, and does not ask for beats where there are none', async () => {
  const lab = new Lab()
  const beatless = new Monitor({ clock: lab.clock }).register(() =>
    new WorkerBuilder('beatless')
      .backend({ name: 'pipe', clock: lab.clock, poll: () => idle })
      .build(() => undefined),
  )
  const dead = new Monitor({ clock: lab.clock }).register(() =>
    new WorkerBuilder('dead')
      .backend({
        name: 'dead',
        clock: lab.clock,
        poll: () => idle,
        // oxlint-disable-next-line require-yield
        async *heartbeat(): AsyncGenerator<never> {
          throw new Error('down')
        },
      })
      .build(() => undefined),
  )
  const runs = [beatless.run(), dead.run()]
  await lab.clock.advance('29s')
  assert.equal(dead.health().healthy, true)
  await lab.clock.advance('2s')
  assert.equal(dead.health().healthy, false)
  assert.equal(dead.health().workers[0]?.lastBeatAt, undefined)
  await lab.clock.advance('1h')
  assert.equal(beatless.health().healthy, true)
  assert.equal(beatless.health().workers[0]?.lastBeatAt, undefined)
  for (const monitor of [beatless, dead]) monitor.workers()[0]?.stop()
  await Promise.all(runs)
})

test('is not healthy once a worker is given up, but while one is restarted', async () => {
  const lab = new Lab()
  const monitor = new Monitor({ clock: lab.clock })
    .shouldRestart((_worker, _error, attempt) => attempt < 1 && '5s')
    .register(() => lab.failing('bad'))
    .register(() => lab.worker('good'))
  const failures = failuresOf(monitor.run())
  await lab.clock.settle()
  const waiting = monitor.health()
  assert.equal(waiting.healthy, true)
  assert.equal(waiting.workers[0]?.state, 'stopped')
  assert.equal(waiting.workers[0]?.givenUp, false)
  assert.match(waiting.workers[0]?.error ?? '', /the source is gone/)
  await lab.clock.advance('5s')
  const over = monitor.health()
  assert.equal(over.healthy, false)
  assert.equal(over.workers[0]?.givenUp, true)
  assert.equal(over.workers[0]?.restarts, 1)
  assert.match(over.workers[0]?.error ?? '', /the source is gone/)
  assert.equal(over.workers[1]?.state, 'running')
  monitor.workers()[0]?.stop()
  assert.equal((await failures).length, 1)
})

test('a worker that ended gracefully does not make it unhealthy', async () => {
  const lab = new Lab()
  const monitor = new Monitor({ clock: lab.clock })
    .register(() => lab.worker('one'))
    .register(() => lab.worker('two'))
  const run = monitor.run()
  await lab.clock.settle()
  monitor.workers()[0]?.stop()
  await lab.clock.advance('5m')
  assert.equal(monitor.health().healthy, true)
  assert.equal(monitor.health().workers[0]?.state, 'stopped')
  monitor.workers()[0]?.stop()
  await run
})

test('tells how late the event loop was lately', async () => {
  const lab = new Lab()
  const monitor = new Monitor({ clock: lab.clock }).register(() => lab.worker('one'))
  const run = monitor.run()
  let latest = 0
  for (let blocks = 0; blocks < 100 && latest < 50; blocks += 1) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    await lab.clock.settle()
    latest = monitor.health().loopDelayMs
  }
  assert(latest >= 50)
  let later = latest
  for (let windows = 0; windows < 100 && later >= latest; windows += 1) {
    await lab.clock.advance('10s')
    later = monitor.health().loopDelayMs
  }
  assert(later < latest, 'what was long ago does not count')
  monitor.workers()[0]?.stop()
  await run
  assert.equal(monitor.health().loopDelayMs, 0)
})

test('is plain data', async () => {
  const lab = new Lab()
  const monitor = new Monitor({ clock: lab.clock }).register(() => lab.worker('one'))
  const run = monitor.run()
  await lab.clock.settle()
  const health = monitor.health()
  assert.deepEqual(JSON.parse(JSON.stringify(health)), {
    ...health,
    workers: health.workers.map((worker) => ({
      ...worker,
      lastBeatAt: worker.lastBeatAt?.toISOString(),
      lastGoodCallAt: worker.lastGoodCallAt?.toISOString(),
    })),
  })
  monitor.workers()[0]?.stop()
  await run
})
