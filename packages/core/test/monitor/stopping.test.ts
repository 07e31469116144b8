import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'

import { isInterruptedError } from '../../src/errors/task-errors.ts'
import { Monitor } from '../../src/monitor/monitor.ts'
import { Shutdown } from '../../src/monitor/shutdown.ts'
import { sleep } from '../../src/time/clock.ts'
import { failureOf, failuresOf, Lab } from './lab.ts'

/** A monitor with one worker in the middle of a task. */
async function busy(
  lab: Lab,
  handler: (args: number, signal: AbortSignal) => unknown,
  monitor: Monitor,
): Promise<{ run: Promise<void>; status: () => Promise<string | undefined> }> {
  const queue = lab.storage.queue<number>('busy')
  const id = await queue.push(1)
  const run = monitor.register(() => lab.worker('busy', handler)).run()
  await lab.clock.settle()
  assert.equal(monitor.workers().at(-1)?.taskCount, 1)
  return { run, status: async () => (await queue.fetchById(id))?.parts.status }
}

const never = (): Promise<never> => new Promise(() => {})

for (const by of ['token', 'signal of the run'] as const) {
  test(`the ${by} stops all workers together, and running tasks end first`, async () => {
    const lab = new Lab()
    const shutdown = new Shutdown()
    const abort = new AbortController()
    const gate = Promise.withResolvers<void>()
    const monitor = new Monitor({ clock: lab.clock, shutdown })
    for (const name of ['one', 'two', 'three']) {
      await lab.storage.queue<number>(name).push(1)
      monitor.register(() => lab.worker(name, () => gate.promise))
    }
    let ended = false
    const run = monitor.run({ signal: abort.signal }).finally(() => (ended = true))
    await lab.clock.settle()
    if (by === 'token') shutdown.start()
    else abort.abort()
    assert.deepEqual(
      monitor.workers().map(({ state }) => state),
      ['stopping', 'stopping', 'stopping'],
    )
    assert.equal(shutdown.isShuttingDown(), true)
    assert.equal(monitor.health().state, 'stopping')
    await lab.clock.settle()
    assert.equal(ended, false)
    gate.resolve()
    await run
    for (const name of ['one', 'two', 'three']) {
      const [task] = await lab.storage.queue<number>(name).listTasks()
      assert.equal(task?.parts.status, 'done')
    }
    assert.equal(lab.clock.timers, 0)
  })
}

test('several monitors share a shutdown', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const monitors = ['one', 'two', 'three'].map((name) =>
    new Monitor({ clock: lab.clock, shutdown }).register(() => lab.worker(name)),
  )
  const runs = monitors.map((monitor) => monitor.run())
  await lab.clock.settle()
  assert(monitors.every((monitor) => monitor.health().healthy))
  shutdown.start()
  await Promise.all(runs)
  assert.equal(getEventListeners(shutdown.signal, 'abort').length, 0)
})

for (const by of ['token', 'signal of the run'] as const) {
  test(`a ${by} that was there before the run starts nothing`, async () => {
    const shutdown = new Shutdown()
    if (by === 'token') shutdown.start()
    let made = 0
    const monitor = new Monitor({ shutdown }).register(() => {
      made += 1
      throw new Error('not now')
    })
    await monitor.run(by === 'token' ? {} : { signal: AbortSignal.abort() })
    assert.equal(made, 0)
    assert.equal(shutdown.isShuttingDown(), true)
  })
}

test('a factory that starts the shutdown gets no worker run', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const events: string[] = []
  const monitor = new Monitor({ clock: lab.clock, shutdown })
    .onEvent(({ type }) => events.push(type))
    .register(() => {
      shutdown.start()
      return lab.worker('one')
    })
    .register(() => lab.worker('two'))
  await monitor.run()
  assert.deepEqual(events, [])
})

test('waits 25 s for running tasks, then interrupts and releases them', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const reasons: unknown[] = []
  const monitor = new Monitor({ clock: lab.clock, shutdown })
  const { run, status } = await busy(
    lab,
    async (_args, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      reasons.push(signal.reason)
      throw signal.reason
    },
    monitor,
  )
  shutdown.start()
  await lab.clock.advance(24_999)
  assert.deepEqual(reasons, [])
  await lab.clock.advance(1)
  await run
  assert.equal(reasons.length, 1)
  assert(isInterruptedError(reasons[0]))
  assert.equal(await status(), 'pending')
  assert.equal(lab.clock.timers, 0)
})

test('a handler that never ends does not outlive the shutdown timeout and the abort grace', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const events: string[] = []
  const monitor = new Monitor({ clock: lab.clock, shutdown })
    .shutdownTimeout('5s')
    .onEvent(({ type }) => events.push(type))
  const { run, status } = await busy(lab, never, monitor)
  shutdown.start()
  await lab.clock.advance('6s')
  await run
  assert(events.includes('leaked'))
  assert.equal(await status(), 'pending')
})

test('a terminator decides for how long running tasks are waited for', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const enough = Promise.withResolvers<void>()
  const signals: AbortSignal[] = []
  const monitor = new Monitor({ clock: lab.clock, shutdown }).withTerminator((signal) => {
    signals.push(signal)
    return enough.promise
  })
  const { run, status } = await busy(lab, never, monitor)
  assert.equal(signals.length, 0, 'it is called when the shutdown begins')
  shutdown.start()
  await lab.clock.advance('1h')
  assert.equal(signals.length, 1)
  assert.equal(signals[0]?.aborted, false)
  assert.equal(monitor.health().state, 'stopping')
  enough.resolve()
  await lab.clock.advance('1s')
  await run
  assert.equal(await status(), 'pending')
})

test('a terminator is told when all workers have ended without it', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  let told: AbortSignal | undefined
  const monitor = new Monitor({ clock: lab.clock, shutdown })
    .withTerminator(async (signal) => {
      told = signal
      await sleep(lab.clock, 60_000, { signal })
      signal.throwIfAborted()
    })
    .register(() => lab.worker('one'))
  const run = monitor.run()
  await lab.clock.settle()
  shutdown.start()
  await run
  assert.equal(told?.aborted, true)
  assert.equal(lab.clock.timers, 0)
})

const broken: readonly [what: string, terminator: () => Promise<void>][] = [
  ['rejects', () => Promise.reject(new Error('bad terminator'))],
  [
    'throws',
    () => {
      throw new Error('bad terminator')
    },
  ],
]
for (const [what, terminator] of broken) {
  test(`a terminator that ${what} ends the wait too, and is reported`, async () => {
    const lab = new Lab()
    const shutdown = new Shutdown()
    const events: (string | undefined)[] = []
    const monitor = new Monitor({ clock: lab.clock, shutdown })
      .withTerminator(terminator)
      .onEvent((event) => events.push(failureOf(event)))
    const { run, status } = await busy(lab, never, monitor)
    shutdown.start()
    await lab.clock.advance('1s')
    await run
    assert.equal(await status(), 'pending')
    assert(events.includes('busy terminator: bad terminator'))
  })
}

test('a failure is in what the run rejects with although a terminator ended it', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const monitor = new Monitor({ clock: lab.clock, shutdown })
    .shouldRestart(() => false)
    .withTerminator(async () => {})
    .register(() => lab.failing('bad'))
  const { run } = await busy(lab, never, monitor)
  const failures = failuresOf(run)
  shutdown.start()
  await lab.clock.advance('1s')
  const [message, ...others] = await failures
  assert.match(message ?? '', /worker "bad" ended/)
  assert.deepEqual(others, [])
})

test('a worker that does not end after it was aborted is left alone, and reported', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  let events = 0
  const monitor = new Monitor({ clock: lab.clock, shutdown, abandonAfter: '200ms' })
    .shutdownTimeout('1s')
    .onEvent(() => (events += 1))
  monitor.register(() => lab.worker('idle'))
  const { run } = await busy(lab, never, monitor)
  const failures = failuresOf(run)
  shutdown.start()
  await lab.clock.advance(1_200)
  assert.deepEqual(await failures, [
    'worker "busy" ended: it was aborted, and has not stopped within 200 ms',
  ])
  assert.deepEqual(monitor.workers(), [])
  assert.equal(monitor.health().workers[1]?.givenUp, true)
  const heard = events
  assert(heard > 0)
  await lab.clock.advance('1m')
  assert.equal(events, heard, 'and is not listened to')
})

test('500 runs leave no listener and no timer behind', async () => {
  const lab = new Lab()
  const common = new Shutdown()
  const own = getEventListeners(common.signal, 'abort').length
  const { signal } = new AbortController()
  const handlers = (): number => process.listenerCount('SIGINT') + process.listenerCount('SIGTERM')
  const before = handlers()
  for (let cycle = 0; cycle < 500; cycle += 1) {
    const shutdown = cycle % 2 === 0 ? common : new Shutdown()
    const monitor = new Monitor({ clock: lab.clock, shutdown }).register(() => lab.worker('one'))
    const run = cycle % 4 < 2 ? monitor.run({ signal }) : monitor.runWithSignal()
    // Some are stopped in the middle of their start.
    if (cycle % 3 !== 0) await lab.storage.queue<number>('one').push(cycle)
    if (shutdown === common) monitor.workers()[0]?.stop()
    else shutdown.start()
    await run
    assert.equal(getEventListeners(shutdown.signal, 'abort').length, shutdown === common ? own : 0)
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  assert.equal(handlers(), before)
  await lab.clock.settle()
  assert.equal(lab.clock.timers, 0)
})
