import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isMonitorStateError } from '../../src/monitor/monitor-state-error.ts'
import { Monitor } from '../../src/monitor/monitor.ts'
import { Shutdown } from '../../src/monitor/shutdown.ts'
import type { WorkerContext } from '../../src/service/worker-context.ts'
import { failuresOf, Lab } from './lab.ts'

test('runs its workers side by side, each from its factory, until all have ended', async () => {
  const lab = new Lab()
  const seen: string[] = []
  const attempts: number[] = []
  const monitor = new Monitor({ clock: lab.clock })
  for (const name of ['one', 'two']) {
    await lab.storage.queue<number>(name).pushBulk([1, 2])
    monitor.register((attempt) => {
      attempts.push(attempt)
      return lab.worker(name, (args) => seen.push(`${name} ${args}`))
    })
  }
  assert.deepEqual(attempts, [], 'a factory is not called before the run')
  const run = monitor.run()
  await lab.clock.settle()
  assert.deepEqual(seen.toSorted(), ['one 1', 'one 2', 'two 1', 'two 2'])
  assert.deepEqual(attempts, [0, 0])
  const [one, two] = monitor.workers()
  assert.deepEqual([one?.name, two?.name], ['one', 'two'])
  one?.stop()
  await lab.clock.settle()
  assert.deepEqual(
    monitor.workers().map(({ name }) => name),
    ['two'],
    'one that ended is in the registry no longer, the other goes on',
  )
  two?.stop()
  await run
  assert.deepEqual(monitor.workers(), [])
  assert.equal(lab.clock.timers, 0)
})

test('resolves at once when nothing is registered', async () => {
  const monitor = new Monitor()
  await monitor.run()
  assert.equal(monitor.health().state, 'stopped')
})

test('runs once, and takes no worker after that', async () => {
  const lab = new Lab()
  const monitor = new Monitor({ clock: lab.clock }).register(() => lab.worker('one'))
  const run = monitor.run()
  await assert.rejects(monitor.run(), (error) => {
    assert(isMonitorStateError(error))
    assert.equal(error.state, 'running')
    assert.equal(error.message, 'cannot run the monitor: it is running')
    return true
  })
  await lab.clock.settle()
  monitor.workers()[0]?.stop()
  await run
  await assert.rejects(monitor.run(), isMonitorStateError)
  await assert.rejects(monitor.runWithSignal(), isMonitorStateError)
  assert.throws(() => monitor.register(() => lab.worker('two')), isMonitorStateError)
})

test('starts at once what is registered while it runs', async () => {
  const lab = new Lab()
  const monitor = new Monitor({ clock: lab.clock }).register(() => lab.worker('one'))
  const run = monitor.run()
  await lab.clock.settle()
  monitor.register(() => lab.worker('two'))
  assert.deepEqual(
    monitor.workers().map(({ name }) => name),
    ['one', 'two'],
  )
  monitor.workers()[0]?.stop()
  await lab.clock.settle()
  assert.equal(monitor.health().state, 'running', 'it waits for the later one too')
  monitor.workers()[0]?.stop()
  await run
})

test('starts once what a factory registers', async () => {
  const lab = new Lab()
  const made: string[] = []
  const monitor = new Monitor({ clock: lab.clock })
  monitor.register(() => {
    made.push('one')
    monitor.register(() => {
      made.push('two')
      return lab.sick('two', async () => undefined)
    })
    return lab.sick('one', async () => undefined)
  })
  await monitor.run()
  assert.deepEqual(made, ['one', 'two'])
})

test('starts nothing that is registered during the shutdown', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const gate = Promise.withResolvers<void>()
  await lab.storage.queue<number>('one').push(1)
  const monitor = new Monitor({ clock: lab.clock, shutdown }).register(() =>
    lab.worker('one', () => gate.promise),
  )
  const run = monitor.run()
  await lab.clock.settle()
  shutdown.start()
  let calls = 0
  monitor.register(() => {
    calls += 1
    return lab.worker('two')
  })
  await lab.clock.settle()
  gate.resolve()
  await run
  assert.equal(calls, 0)
})

test('tells every listener of every event, after the worker’s own', async () => {
  const lab = new Lab()
  await lab.storage.queue<number>('one').push(1)
  const heard: string[] = []
  const first = (worker: WorkerContext, type: string): void => {
    heard.push(`first ${worker.name} ${type}`)
  }
  const monitor = new Monitor({ clock: lab.clock })
    .onEvent((event, worker) => first(worker, event.type))
    .register(() => {
      const worker = lab.worker('one')
      worker.listen((event) => heard.push(`own ${event.type}`))
      return worker
    })
    .onEvent((event) => heard.push(`second ${event.type}`))
  const run = monitor.run()
  await lab.clock.settle()
  const late: string[] = []
  monitor.onEvent((event) => late.push(event.type))
  monitor.workers()[0]?.stop()
  await run
  const of = (type: string): string[] => heard.filter((line) => line.endsWith(` ${type}`))
  for (const type of ['start', 'engage', 'success', 'stop']) {
    assert.deepEqual(of(type), [`own ${type}`, `first one ${type}`, `second ${type}`])
  }
  assert(late.includes('stop'))
  assert(!late.includes('start'))
})

test('a listener that throws disturbs nothing and is reported to the others', async () => {
  const lab = new Lab()
  await lab.storage.queue<number>('one').push(1)
  const seen: number[] = []
  const reported: unknown[] = []
  const monitor = new Monitor({ clock: lab.clock })
    .onEvent(() => {
      throw new Error('bad listener')
    })
    .onEvent((event) => {
      if (event.type === 'error' && 'operation' in event) reported.push(event.error)
    })
    .register(() => lab.worker('one', (args) => seen.push(args)))
  const run = monitor.run()
  await lab.clock.settle()
  monitor.workers()[0]?.stop()
  await run
  assert.deepEqual(seen, [1])
  assert(reported.length > 0)
  assert(reported.every((error) => error instanceof Error && error.message === 'bad listener'))
})

test('a worker that fails leaves its siblings alone, and its error is in what the run rejects with', async () => {
  const lab = new Lab()
  const seen: number[] = []
  const monitor = new Monitor({ clock: lab.clock })
    .shouldRestart(() => false)
    .register(() => lab.failing('bad'))
    .register(() => lab.worker('good', (args) => seen.push(args)))
  const failures = failuresOf(monitor.run())
  await lab.clock.settle()
  await lab.storage.queue<number>('good').push(1)
  await lab.clock.settle()
  assert.deepEqual(seen, [1])
  assert.equal(monitor.health().state, 'running')
  monitor.workers()[0]?.stop()
  const [message, ...others] = await failures
  assert.match(message ?? '', /worker "bad" ended: .*the source is gone/)
  assert.deepEqual(others, [])
})

for (const terminated of [false, true]) {
  test(`ends when all workers have failed, ${terminated ? 'with' : 'without'} a terminator`, async () => {
    const lab = new Lab()
    let waits = 0
    const monitor = new Monitor({ clock: lab.clock })
      .shouldRestart(() => false)
      .register(() => lab.failing('one', 'first'))
      .register(() => lab.failing('two', 'second'))
    if (terminated) {
      monitor.withTerminator(async () => {
        waits += 1
      })
    }
    const failures = await failuresOf(monitor.run())
    assert.equal(failures.length, 2)
    assert.match(failures[0] ?? '', /first/)
    assert.match(failures[1] ?? '', /second/)
    assert.equal(waits, 0, 'no shutdown, no terminator')
  })
}

test('does not start a shared shutdown when its own workers have ended', async () => {
  const lab = new Lab()
  const shutdown = new Shutdown()
  const monitor = new Monitor({ clock: lab.clock, shutdown }).register(() => lab.worker('one'))
  const run = monitor.run()
  await lab.clock.settle()
  monitor.workers()[0]?.stop()
  await run
  assert.equal(shutdown.isShuttingDown(), false)
})

test('refuses what is no option, by name', async () => {
  const bad = <Value>(value: unknown): Value => value as Value
  assert.throws(() => new Monitor(bad({ clocks: 1 })), /Monitor\.clocks/)
  assert.throws(() => new Monitor({ shutdown: bad('now') }), /Monitor\.shutdown.*"now"/)
  assert.throws(() => new Monitor({ clock: bad(5) }), /Monitor\.clock.*5/)
  assert.throws(() => new Monitor({ staleAfter: 0 }), /Monitor\.staleAfter.*0/)
  assert.throws(() => new Monitor({ abandonAfter: bad('soon') }), /Monitor\.abandonAfter.*"soon"/)
  const monitor = new Monitor()
  assert.throws(() => monitor.register(bad('worker')), /register factory.*"worker"/)
  assert.throws(() => monitor.onEvent(bad(1)), /onEvent listener.*1/)
  assert.throws(() => monitor.shouldRestart(bad(2)), /shouldRestart policy.*2/)
  assert.throws(() => monitor.withTerminator(bad(3)), /withTerminator terminator.*3/)
  assert.throws(() => monitor.shutdownTimeout(bad('25')), /shutdownTimeout.*"25"/)
  await assert.rejects(monitor.run({ signal: bad({}) }), /Monitor\.run\.signal/)
  await assert.rejects(monitor.run(bad({ signals: [] })), /Monitor\.run\.signals/)
  await assert.rejects(monitor.runWithSignal([]), /runWithSignal signals/)
  await assert.rejects(monitor.runWithSignal(['SIGKILL']), /runWithSignal signals.*SIGKILL/)
  await assert.rejects(monitor.runWithSignal(['SIGNONE']), /runWithSignal signals.*SIGNONE/)
  assert.equal(monitor.health().state, 'pending', 'none of it began the run')
})
