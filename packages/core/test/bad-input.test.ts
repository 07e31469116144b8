import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { inspect } from 'node:util'
import {
  concurrency,
  exponential,
  extract,
  MemoryStorage,
  MemoryStore,
  Monitor,
  OptionError,
  OverloadedError,
  type Queue,
  RetryAfterError,
  Storage,
  TaskBuilder,
  taskStream,
  timeout,
  work,
  type Worker,
  WorkerBuilder,
} from '@apalis/core'

function queue(): Queue<number, number> {
  return new MemoryStorage().queue<number>('numbers')
}

function bound() {
  return new WorkerBuilder('w').backend(queue())
}

function worker(): Worker<number> {
  return bound().build(() => {})
}

/** Every call, given a value that its types refuse, and the option that its error has to name. */
const calls: readonly (readonly [
  option: string,
  value: unknown,
  call: (value: never) => unknown,
])[] = [
  ['storage', null, (value) => new MemoryStorage(value)],
  ['storage', 5, (value) => new MemoryStorage(value)],
  ['storage.leese', '30s', (value) => new MemoryStorage({ leese: value } as object)],
  ['storage.clock', null, (clock) => new MemoryStorage({ clock })],
  ['storage.clock', { now: () => 0 }, (clock) => new MemoryStorage({ clock })],
  ['storage.lease', '30 s', (lease) => new MemoryStorage({ lease })],
  ['storage.retention', 7, (retention) => new MemoryStorage({ retention })],
  ['storage.retention.done', null, (done) => new MemoryStorage({ retention: { done } })],
  ['keepFinished', -1, (keepFinished) => new MemoryStorage({ keepFinished })],
  ['MemoryStore', null, (value) => new MemoryStore(value)],
  ['storage.clock', 5, (clock) => new MemoryStore({ clock })],
  ['store', {}, (store) => new Storage(store)],
  ['queue name', '', (name) => new MemoryStorage().queue(name)],
  ['queue name', 'x'.repeat(4_096), (name) => new MemoryStorage().queue(name)],
  ['queue', null, (value) => new MemoryStorage().queue('q', value)],
  ['queue', 5, (value) => new MemoryStorage().queue('q', value)],
  ['queue.maxRescues', 2, (maxRescues) => new MemoryStorage().queue('q', { maxRescues })],
  ['push', null, (value) => queue().push(1, value)],
  ['push.atempts', 3, (value) => queue().push(1, { atempts: value } as object)],
  ['attempts', 0, (attempts) => queue().push(1, { attempts })],
  ['timeout', 0, (value) => queue().push(1, { timeout: value })],
  ['delay', Number.NaN, (delay) => queue().push(1, { delay })],
  ['delay', 100 * 366 * 86_400_000, (delay) => queue().push(1, { delay })],
  ['pushBulk', null, (value) => queue().pushBulk([1], value)],
  ['pushBulk', 'x', (value) => queue().pushBulk([1], value)],
  ['pushBulk args', 'x', (args) => queue().pushBulk(args)],
  ['pushStream source', 5, (source) => queue().pushStream(source)],
  ['task', null, (task) => queue().pushTask(task)],
  ['task', null, (parts) => queue().pushTask({ args: 1, parts })],
  ['task', undefined, (task) => queue().pushAll([task])],
  ['within', {}, (tx) => queue().within(tx).push(1)],
  ['update', null, (value) => queue().update('id', value)],
  ['update', 5, (value) => queue().update('id', value)],
  ['vacuum.olderThan', null, (olderThan) => queue().vacuum({ olderThan })],
  ['vacuum.status', null, (status) => queue().vacuum({ status })],
  ['listTasks.page', null, (page) => queue().listTasks({ page })],
  ['listTasks.pageSize', 0, (pageSize) => queue().listTasks({ pageSize })],
  ['listTasks.status', null, (status) => queue().listTasks({ status })],
  ['WorkerBuilder', null, (value) => new WorkerBuilder('w', value)],
  ['clock', 5, (clock) => new WorkerBuilder('w', { clock })],
  ['backend', null, (backend) => new WorkerBuilder('w').backend(backend)],
  ['data', null, (data) => new WorkerBuilder('w').backend(queue()).data(data)],
  ['extract', null, (value) => new WorkerBuilder('w').backend(queue()).extract(value)],
  ['extract.user', 5, (user) => new WorkerBuilder('w').backend(queue()).extract({ user })],
  ['extract.user', 5, (user) => extract({ user })],
  ['concurrency', 0, (limit) => concurrency(limit)],
  ['concurrency', Number.NaN, (limit) => concurrency(limit)],
  ['concurrency', '5', (limit) => concurrency(limit)],
  ['timeout', '-1s', (value) => timeout(value)],
  ['layer.layerName', 5, (layerName) => bound().layer(Object.assign(timeout(1), { layerName }))],
  ['listen', 'x', (listener) => worker().listen(listener)],
  ['run', null, (value) => worker().run(value)],
  ['run.signal', {}, (signal) => worker().run({ signal })],
  ['runUntil', 5, (until) => worker().runUntil(until)],
  ['runUntilCtx', 5, (drive) => worker().runUntilCtx(drive)],
  ['work', null, (value) => work(queue(), () => {}, value)],
  ['work', 5, (value) => work(queue(), () => {}, value)],
  ['run.nmae', 'x', (value) => work(queue(), () => {}, { nmae: value } as object)],
  ['worker name', null, (backend) => work(backend, () => {})],
  ['taskStream source', null, (source) => taskStream(source)],
  ['taskStream source', [], (source) => taskStream(source)],
  ['taskStream.release', 5, (release) => taskStream(nothing(), { release })],
  ['TaskBuilder', null, (value) => new TaskBuilder(1, value)],
  ['TaskBuilder.clock', 5, (clock) => new TaskBuilder(1, { clock })],
  ['Monitor', null, (value) => new Monitor(value)],
  ['Monitor.clock', { setTimer() {} }, (clock) => new Monitor({ clock })],
  ['exponential', null, (value) => exponential('1s', value)],
  [
    'RetryAfterError.countAttempt',
    'no',
    (countAttempt) => new RetryAfterError('x', 1, { countAttempt }),
  ],
  ['refusal', null, (value) => new OverloadedError('x', value)],
  ['retryIn', -1, (retryIn) => new OverloadedError('x', { retryIn })],
]

async function* nothing(): AsyncGenerator<undefined> {
  yield undefined
}

suite('what cannot be used is refused where it enters, by its name and with its value', () => {
  for (const [option, value, call] of calls) {
    test(`${option}: ${inspect(value).slice(0, 20)}`, async () => {
      await assert.rejects(
        // It may throw at once or answer with a promise, and gets what its types refuse.
        async () => call(value as never),
        (error) => {
          assert.ok(error instanceof OptionError, String(error))
          assert.equal(error.option, option)
          assert.ok(error.message.startsWith(`${option}: expected `), error.message)
          return true
        },
      )
    })
  }
})

test('hostile names of queues are data', async () => {
  const storage = new MemoryStorage()
  const names = ["'; DROP TABLE tasks; --", '{a}:*?[b]', '__proto__', '🐎'.repeat(63), '../..', ' ']
  for (const name of names) await storage.queue<string>(name).push(name)
  for (const name of names) {
    const [task] = await storage.queue<string>(name).listTasks()
    assert.ok(task !== undefined && 'args' in task)
    assert.equal(task.args, name)
  }
  assert.deepEqual(
    (await storage.listQueues()).map(({ name }) => name),
    names,
  )
})

test('what a handler tracks and is no promise is refused, and does not hold up the stop', async () => {
  const one = queue()
  const id = await one.push(1, { attempts: 1 })
  const mistaken = new WorkerBuilder('w')
    .backend(one)
    // @ts-expect-error what a function without a result gives is no promise
    .build((_, { worker: me }) => void me.track(undefined))
  await mistaken.runUntil(assert.rejects(one.result(id)))
  const [task] = await one.listTasks()
  assert.match(task?.parts.context.errors[0]?.message ?? '', /^track: expected a promise/)
  assert.equal(mistaken.context.taskCount, 0)
})

test('a run that is refused drives nobody, and stops nobody who runs by another call', async () => {
  const one = worker()
  const running = one.run()
  let driven = false
  await assert.rejects(
    one.runUntilCtx(async () => {
      driven = true
    }),
  )
  await assert.rejects(one.runUntil(Promise.resolve()))
  assert.deepEqual([driven, one.context.state], [false, 'running'])
  one.stop()
  await running
})
