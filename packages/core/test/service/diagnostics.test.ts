import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { BackendError } from '../../src/errors/backend-errors.ts'
import { Monitor } from '../../src/monitor/monitor.ts'
import { channels, type DiagnosticMessages, published } from '../../src/service/diagnostics.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { constant } from '../../src/task/backoff.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

type Names = keyof DiagnosticMessages

/** What is published on a channel while the test runs. */
function heard<Name extends Names>(name: Name): DiagnosticMessages[Name][] & Disposable {
  const messages: DiagnosticMessages[Name][] = []
  // Only the library publishes there, and says what.
  const listener = (message: unknown): number => messages.push(message as DiagnosticMessages[Name])
  subscribe(name, listener)
  // Not a part of what is compared.
  return Object.defineProperty(messages, Symbol.dispose, {
    value: () => unsubscribe(name, listener),
  }) as DiagnosticMessages[Name][] & Disposable
}

function lab() {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const storage = new Storage(store, { clock, lease: '30s' })
  const tasks = storage.queue<string>('work', { attempts: 2, backoff: constant('1m') })
  return { clock, store, tasks }
}

test('a push, its claim, its run and its settlement are told, each with the id', async () => {
  using pushes = heard('apalis:push')
  using claims = heard('apalis:claim')
  using starts = heard('apalis:start')
  using ends = heard('apalis:end')
  using settles = heard('apalis:settle')
  const { clock, tasks } = lab()
  const id = await tasks.push('good', { unique: 'one' })
  await tasks.push('again', { unique: 'one' })
  const failure = new Error('bad')
  const bad = await tasks.push('bad')
  const worker = new WorkerBuilder('w').backend(tasks).build((args) => {
    if (args === 'bad') throw failure
  })
  const running = worker.run()
  await clock.settle()
  const incarnation = worker.context.id
  assert.deepEqual(pushes, [
    { queue: 'work', ids: [id], existing: 0, durationMs: 0 },
    { queue: 'work', ids: [id], existing: 1, durationMs: 0 },
    { queue: 'work', ids: [bad], existing: 0, durationMs: 0 },
  ])
  const claim = { queue: 'work', incarnation, limit: 10, durationMs: 0 }
  assert.deepEqual(claims[0], { ...claim, ids: [id, bad] })
  assert.deepEqual(
    starts.map(({ worker: name, queue, task }) => [name, queue, task.args]),
    [
      ['w', 'work', 'good'],
      ['w', 'work', 'bad'],
    ],
  )
  assert.deepEqual(
    ends.map(({ outcome, error, durationMs }) => [outcome, error, durationMs]),
    [
      ['done', undefined, 0],
      ['failed', failure, 0],
    ],
  )
  assert.equal(starts[0]?.task, ends[0]?.task)
  assert.deepEqual(settles, [
    {
      queue: 'work',
      incarnation,
      tasks: [
        { id, epoch: 1, outcome: 'done', answer: 'applied' },
        { id: bad, epoch: 1, outcome: 'failed', answer: 'applied' },
      ],
      durationMs: 0,
    },
  ])
  worker.stop()
  await running
})

test('calls that fail are told with their error', async () => {
  using pushes = heard('apalis:push')
  using claims = heard('apalis:claim')
  using settles = heard('apalis:settle')
  const { clock, store, tasks } = lab()
  const error = new BackendError('insert', 'no', { transient: false, applied: 'no' })
  store.failBefore('insert', error)
  await assert.rejects(tasks.push('a', { id: 'a' }), error)
  assert.deepEqual(pushes, [{ queue: 'work', ids: ['a'], existing: 0, durationMs: 0, error }])
  await tasks.push('b', { id: 'b' })
  store.failBefore('claim', new BackendError('claim', 'no', { applied: 'no' }))
  store.failBefore('settle', new BackendError('settle', 'no', { applied: 'no' }))
  const worker = new WorkerBuilder('w').backend(tasks).build(() => {})
  const running = worker.run()
  await clock.advance('5s')
  assert.deepEqual(claims[0]?.ids, [])
  assert.equal((claims[0].error as BackendError).operation, 'claim')
  assert.ok(settles[0]?.error instanceof BackendError)
  assert.deepEqual(settles[0]?.tasks, [{ id: 'b', epoch: 1, outcome: 'done' }])
  assert.equal(settles[1]?.tasks[0]?.answer, 'applied')
  worker.stop()
  await running
})

test('a rescue is told, whoever makes it', async () => {
  using rescues = heard('apalis:rescue')
  const { clock, store, tasks } = lab()
  const die = async (id: string): Promise<void> => {
    await store.register({ id, name: id, queue: 'work', leaseMs: 1_000, layers: [] })
    await store.claim({ id, queue: 'work' }, 1, { suspects: 1 })
    await clock.advance('1s')
  }
  const id = await tasks.push('left')
  assert.equal(await tasks.resumeAbandoned(), 0)
  assert.deepEqual(rescues, [])
  await die('first')
  assert.equal(await tasks.resumeAbandoned(), 1)
  await die('second')
  const worker = new WorkerBuilder('w').backend(tasks).build(() => {})
  const running = worker.run()
  await clock.advance('10s')
  assert.deepEqual(
    rescues,
    [1, 2].map((times) => ({
      queue: 'work',
      tasks: [{ id, rescues: times, outcome: 'pending' }],
    })),
  )
  worker.stop()
  await running
})

test('the events of a worker are told, also where no listener is', async () => {
  using events = heard('apalis:worker')
  const { clock, tasks } = lab()
  await tasks.push('good')
  const worker = new WorkerBuilder('w').backend(tasks).build(() => 'result')
  const running = worker.run()
  await clock.settle()
  worker.stop()
  await running
  const types = events.map(({ type }) => type)
  assert.equal(types[0], 'start')
  assert.equal(types.at(-1), 'stop')
  assert.ok(types.includes('engage') && types.includes('success'))
  assert.equal(events[0]?.worker, 'w')
  assert.equal(events[0]?.queue, 'work')
})

test('a monitor tells of itself and of the lives of its workers', async () => {
  using messages = heard('apalis:monitor')
  const { clock, tasks } = lab()
  const stopping = new AbortController()
  const monitor = new Monitor({ clock })
    .register((attempt) => {
      if (attempt === 0) throw new Error('not yet')
      return new WorkerBuilder('w').backend(tasks).build(() => {})
    })
    .register(() => {
      throw new Error('never')
    })
    .shouldRestart((worker) => (worker.name === 'worker-1' ? '1s' : false))
  const running = monitor.run({ signal: stopping.signal })
  await clock.advance('1s')
  stopping.abort()
  await assert.rejects(running, { code: 'ERR_MONITOR' })
  assert.deepEqual(
    messages.map(({ type, worker, restarts, error }) => [
      type,
      worker,
      restarts,
      error instanceof Error ? error.message.replace(/^.*: /, '') : undefined,
    ]),
    [
      ['start', undefined, undefined, undefined],
      ['failure', 'worker-1', 0, 'not yet'],
      ['failure', 'worker-2', 0, 'never'],
      ['givenUp', 'worker-2', 0, 'never'],
      ['worker', 'w', 1, undefined],
      ['shutdown', undefined, undefined, undefined],
      ['stop', undefined, undefined, undefined],
    ],
  )
})

test('a store bound to the start of runs holds for everything that a run does', async () => {
  const ids = new AsyncLocalStorage<string>()
  const starts = channel('apalis:start')
  starts.bindStore(ids, (message) => {
    return (message as DiagnosticMessages['apalis:start']).task.parts.taskId
  })
  try {
    const { clock, tasks } = lab()
    const seen: (string | undefined)[] = []
    const pushed = [await tasks.push('a'), await tasks.push('b')]
    const worker = new WorkerBuilder('w').backend(tasks).build(async () => {
      await clock.settle()
      seen.push(ids.getStore())
    })
    const running = worker.run()
    await clock.settle()
    worker.stop()
    await running
    assert.deepEqual(seen, pushed)
    assert.equal(ids.getStore(), undefined)
  } finally {
    starts.unbindStore(ids)
  }
})

test('while nobody listens nothing is made, measured or waited for', () => {
  for (const one of Object.values(channels)) assert.equal(one.hasSubscribers, false)
  const clock = new TestClock()
  const answer = Promise.resolve(5)
  const same = published(
    channels.claim,
    clock,
    () => answer,
    () => assert.fail('a message was made'),
  )
  assert.equal(same, answer)
})
