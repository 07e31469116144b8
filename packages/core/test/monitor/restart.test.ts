import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isWorkerError } from '../../src/errors/worker-errors.ts'
import { Monitor } from '../../src/monitor/monitor.ts'
import { Shutdown } from '../../src/monitor/shutdown.ts'
import { TaskBuilder } from '../../src/task/task-builder.ts'
import type { Duration } from '../../src/time/duration.ts'
import type { AnyWorker } from '../../src/monitor/supervised-worker.ts'
import { failureOf, failuresOf, Lab } from './lab.ts'

/** A monitor with one worker, and the attempts and times its factory was called at. */
function restarting(
  lab: Lab,
  make: (attempt: number) => AnyWorker,
  shutdown = new Shutdown(),
): { monitor: Monitor; made: [attempt: number, atMs: number][] } {
  const made: [number, number][] = []
  const monitor = new Monitor({ clock: lab.clock, shutdown }).register((attempt) => {
    made.push([attempt, lab.clock.monotonic()])
    return make(attempt)
  })
  return { monitor, made }
}

test('makes a worker that fails at once three times more, after 1 s, 2 s and 4 s', async () => {
  const lab = new Lab()
  const { monitor, made } = restarting(lab, (attempt) => lab.failing('bad', `attempt ${attempt}`))
  const failures = failuresOf(monitor.run())
  await lab.clock.advance('1m')
  assert.deepEqual(made, [
    [0, 0],
    [1, 1_000],
    [2, 3_000],
    [3, 7_000],
  ])
  const messages = await failures
  assert.equal(messages.length, 1, 'the failures that a restart followed are not in it')
  assert.match(messages[0] ?? '', /attempt 3/)
})

test('asks the policy with worker, error and attempt, and waits as it says', async () => {
  const lab = new Lab()
  const asked: [string, string, number][] = []
  const { monitor, made } = restarting(lab, () => lab.failing('bad'))
  monitor.shouldRestart((worker, error, attempt) => {
    assert(isWorkerError(error))
    asked.push([worker.name, worker.state, attempt])
    return attempt < 2 && '30s'
  })
  const failures = failuresOf(monitor.run())
  await lab.clock.advance('10m')
  assert.equal((await failures).length, 1)
  assert.deepEqual(asked, [
    ['bad', 'stopped', 0],
    ['bad', 'stopped', 1],
    ['bad', 'stopped', 2],
  ])
  assert.deepEqual(made, [
    [0, 0],
    [1, 30_000],
    [2, 60_000],
  ])
})

test('counts anew once a task has succeeded', async () => {
  const lab = new Lab()
  const attempts: number[] = []
  const { monitor, made } = restarting(lab, (factoryAttempt) => {
    if (factoryAttempt !== 2) return lab.failing('bad')
    const success = Promise.withResolvers<void>()
    let claims = 0
    const worker = lab.sick<number>('bad', async () => {
      claims += 1
      if (claims === 1) return [new TaskBuilder(1).build()]
      await success.promise
      throw new Error('again')
    })
    worker.listen(({ type }) => {
      if (type === 'success') success.resolve()
    })
    return worker
  })
  monitor.shouldRestart((_worker, _error, attempt) => {
    attempts.push(attempt)
    return attempt < 2 && '1s'
  })
  const failures = failuresOf(monitor.run())
  await lab.clock.advance('1m')
  assert.deepEqual(attempts, [0, 1, 0, 1, 2])
  assert.deepEqual(
    made.map(([attempt]) => attempt),
    [0, 1, 2, 3, 4],
    'the factory is told of every restart',
  )
  assert.equal((await failures).length, 1)
})

test('resolves when a restart healed the failure', async () => {
  const lab = new Lab()
  const { monitor } = restarting(lab, (attempt) =>
    attempt === 0 ? lab.failing('shaky') : lab.worker('shaky'),
  )
  const run = monitor.run()
  await lab.clock.advance('1s')
  assert.equal(monitor.workers()[0]?.state, 'running')
  assert.equal(monitor.health().workers[0]?.restarts, 1)
  assert.equal(monitor.health().workers[0]?.error, undefined)
  monitor.workers()[0]?.stop()
  await run
})

test('never asks about a graceful end', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  let asked = 0
  const { monitor, made } = restarting(lab, () => lab.worker('one'), shutdown)
  monitor.shouldRestart(() => {
    asked += 1
    return 0
  })
  monitor.register(() => lab.sick('two', async () => undefined))
  const run = monitor.run()
  await lab.clock.settle()
  monitor.register(() => lab.worker('three'))
  monitor.workers()[0]?.stop()
  await lab.clock.settle()
  shutdown.start()
  await run
  assert.equal(asked, 0)
  assert.equal(made.length, 1)
})

test('a shutdown cuts the wait for a restart short, and the failure stands', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const { monitor, made } = restarting(lab, () => lab.failing('bad'), shutdown)
  monitor.shouldRestart(() => '1h')
  const failures = failuresOf(monitor.run())
  await lab.clock.settle()
  assert.equal(lab.clock.timers, 1)
  shutdown.start()
  assert.equal((await failures).length, 1)
  assert.equal(made.length, 1)
  assert.equal(lab.clock.timers, 0)
})

test('does not restart a worker that fails during the shutdown', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  let asked = 0
  const { monitor } = restarting(
    lab,
    () =>
      lab.sick('late', async (_limit, signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        throw new Error('too late')
      }),
    shutdown,
  )
  monitor.shouldRestart(() => {
    asked += 1
    return 0
  })
  const failures = failuresOf(monitor.run())
  await lab.clock.settle()
  shutdown.start()
  await failures
  assert.equal(asked, 0)
})

test('a factory that throws is a failure of its worker, restarted like any', async () => {
  const lab = new Lab()
  const events: (string | undefined)[] = []
  const { monitor, made } = restarting(lab, (attempt) => {
    if (attempt < 2) throw new Error(`no worker ${attempt}`)
    return lab.worker('late')
  })
  monitor.onEvent((event) => events.push(failureOf(event)))
  const run = monitor.run()
  await lab.clock.settle()
  const [health] = monitor.health().workers
  assert.equal(health?.name, 'worker-1')
  assert.equal(health?.id, '')
  assert.equal(health?.state, 'stopped')
  assert.equal(health?.error, 'worker "worker-1" ended: its factory failed: no worker 0')
  await lab.clock.advance('3s')
  assert.equal(made.length, 3)
  assert.deepEqual(
    events.filter((event) => event !== undefined),
    ['worker-1 factory: no worker 0', 'worker-1 factory: no worker 1'],
  )
  assert.equal(monitor.workers()[0]?.name, 'late')
  monitor.workers()[0]?.stop()
  await run
})

test('a factory that never answers with a worker is given up', async () => {
  const lab = new Lab()
  const answers: unknown[] = [undefined, Promise.resolve(), {}, 7]
  const monitor = new Monitor({ clock: lab.clock }).shouldRestart(() => false)
  for (const answer of answers) monitor.register(() => answer as AnyWorker)
  const failures = await failuresOf(monitor.run())
  assert.equal(failures.length, answers.length)
  for (const message of failures) assert.match(message, /its factory failed: register factory/)
})

test('a factory that answers with a worker that has run fails', async () => {
  const lab = new Lab()
  const worker = lab.worker('once')
  const { monitor } = restarting(lab, () => worker)
  monitor.shouldRestart(() => false).register(() => worker)
  const failures = failuresOf(monitor.run())
  await lab.clock.settle()
  worker.context.stop()
  const [message, ...others] = await failures
  assert.match(message ?? '', /cannot run worker "once"/)
  assert.deepEqual(others, [])
})

const mistakes: readonly [what: string, policy: () => unknown, told: RegExp][] = [
  [
    'throws',
    () => {
      throw new Error('bad policy')
    },
    /bad policy/,
  ],
  ['answers with nonsense', () => 'soon', /shouldRestart.*"soon"/],
  ['answers with true', () => true, /shouldRestart.*true/],
  ['answers with nothing', () => undefined, /shouldRestart.*undefined/],
  ['is async', async () => 5, /shouldRestart.*Promise/],
  ['is async and rejects', () => Promise.reject(new Error('later')), /shouldRestart.*Promise/],
]
for (const [what, policy, told] of mistakes) {
  test(`a policy that ${what} gives the worker up, and is reported`, async () => {
    const lab = new Lab()
    const { monitor, made } = restarting(lab, () => lab.failing('bad'))
    const events: (string | undefined)[] = []
    monitor.onEvent((event) => events.push(failureOf(event)))
    monitor.shouldRestart(() => policy() as Duration)
    const [message, ...others] = await failuresOf(monitor.run())
    assert.match(message ?? '', told)
    assert.match(message ?? '', /the source is gone/)
    assert.deepEqual(others, [])
    assert.equal(made.length, 1)
    assert(events.some((event) => event?.startsWith('bad shouldRestart: ') && told.test(event)))
  })
}
