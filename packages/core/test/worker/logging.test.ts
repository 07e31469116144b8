import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Logger, pino } from 'pino'
import { AbortError, RetryAfterError } from '../../src/errors/task-errors.ts'
import type { Event } from '../../src/service/events.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { constant } from '../../src/task/backoff.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { sleep } from '../../src/time/clock.ts'
import { logging, type LoggingOptions } from '../../src/worker/logging.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

type Line = Readonly<Record<string, unknown>>

/** A real pino, and what it wrote. */
function logger(): { readonly log: Logger; readonly lines: Line[] } {
  const lines: Line[] = []
  const write = (line: string): number => lines.push(JSON.parse(line) as Line)
  return { log: pino({ level: 'debug', base: null, timestamp: false }, { write }), lines }
}

type Run = (args: string, request: TaskRequest<string, { readonly log: Logger }>) => unknown

function lab(run: Run, options?: LoggingOptions) {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const tasks = new Storage(store, { clock }).queue<string>('work', {
    attempts: 2,
    backoff: constant('1m'),
  })
  const { log, lines } = logger()
  const worker = new WorkerBuilder('w').backend(tasks).with(logging(log, options)).build(run)
  const named = (message: string): Line[] => lines.filter(({ msg }) => msg === message)
  const one = (message: string): Line => {
    const [line] = named(message)
    assert.ok(line, message)
    return line
  }
  return { clock, store, tasks, worker, named, one }
}

const levels = pino.levels.values

test('the handler has a logger whose lines say which run of which task they are about', async () => {
  const { clock, tasks, worker, named } = lab((args, { data }) => data.log.info({ args }, 'hello'))
  const running = worker.run()
  const taskId = await tasks.push('world')
  await clock.settle()
  assert.deepEqual(named('hello'), [
    {
      level: levels['info'],
      worker: 'w',
      queue: 'work',
      taskId,
      attempt: 1,
      args: 'world',
      msg: 'hello',
    },
  ])
  worker.stop()
  await running
})

test('what becomes of a task is told when it is durable, as loud as it is bad', async () => {
  const { clock, store, tasks, worker, named, one } = lab(async (args) => {
    await sleep(clock, 500)
    if (args === 'fails') throw new TypeError('broken')
    if (args === 'aborts') throw new AbortError('hopeless')
    if (args === 'snoozes') throw new RetryAfterError('later', '1h', { countAttempt: false })
  })
  const running = worker.run()
  await tasks.pushBulk(['succeeds', 'fails', 'aborts', 'snoozes'])
  const held = store.holdBefore('settle')
  await clock.advance('500ms')
  await held.reached
  assert.equal(named('task started').length, 4)
  assert.deepEqual(named('task done'), [])
  held.release()
  await clock.settle()
  assert.equal(one('task started')['level'], levels['debug'])
  const done = one('task done')
  assert.deepEqual([done['level'], done['durationMs']], [levels['info'], 500])
  const failed = one('task failed')
  assert.equal(failed['level'], levels['warn'])
  assert.equal(failed['retryAt'], new Date(clock.now() + 60_000).toISOString())
  const err = failed['err'] as Line
  assert.deepEqual([err['type'], err['message']], ['TypeError', 'broken'])
  assert.match(String(err['stack']), /logging\.test\.ts/)
  const killed = one('task killed')
  assert.equal(killed['level'], levels['error'])
  assert.equal((killed['err'] as Line)['code'], 'ERR_TASK_ABORT')
  const released = one('task released')
  assert.equal(released['level'], levels['info'])
  assert.equal((released['err'] as Line)['message'], 'later')
  worker.stop()
  await running
})

test('a task that was taken away, a handler that goes on, and one that takes its time', async () => {
  const { clock, tasks, worker, named } = lab(() => new Promise(() => {}))
  const running = worker.run()
  const taskId = await tasks.push('hangs')
  await clock.advance('5m')
  const labels = { level: levels['warn'], worker: 'w', queue: 'work', taskId, attempt: 1 }
  assert.deepEqual(named('task runs for long'), [{ ...labels, msg: 'task runs for long' }])
  await tasks.kill(taskId)
  await clock.advance('1s')
  assert.deepEqual(named('task lost'), [{ ...labels, reason: 'cancelled', msg: 'task lost' }])
  const leaked = 'task leaked: its handler goes on'
  assert.deepEqual(named(leaked), [{ ...labels, msg: leaked }])
  worker.stop()
  await running
})

test('the life of the worker, its failures, and what handlers tell', async () => {
  const { clock, store, tasks, worker, one } = lab((_, request) => {
    request.worker.emit({ type: 'custom', name: 'progress', data: { done: 1 } })
  })
  store.failBefore('claim', new Error('refused'))
  const running = worker.run({ shutdownTimeout: '1s' })
  await clock.advance('1m')
  for (const operation of ['settle', 'exchange'] as const) {
    store.failBefore(operation, new Error('refused'), { times: 1_000 })
  }
  await tasks.push('tells')
  await clock.settle()
  worker.context.pause()
  worker.context.resume()
  worker.stop()
  await clock.advance('1m')
  await running
  const labels = { worker: 'w', queue: 'work' }
  const info = { level: levels['info'], ...labels }
  for (const msg of ['worker: start', 'worker: pause', 'worker: resume', 'worker: stop']) {
    assert.deepEqual(one(msg), { ...info, msg })
  }
  assert.deepEqual(one('progress'), { ...info, data: { done: 1 }, msg: 'progress' })
  const error = { level: levels['error'], ...labels }
  const dropped = { ...error, count: 1, msg: 'outcomes dropped' }
  assert.deepEqual(one('outcomes dropped'), dropped)
  const { err, ...failed } = one('claim failed')
  assert.deepEqual(failed, { ...error, msg: 'claim failed' })
  assert.equal((err as Line)['code'], 'ERR_BACKEND')
})

test('levels are the user’s to choose', async () => {
  const { clock, tasks, worker, named, one } = lab(() => {}, {
    levels: { started: 'silent', done: 'debug' },
  })
  const running = worker.run()
  await tasks.push('succeeds')
  await clock.settle()
  assert.deepEqual(named('task started'), [])
  assert.equal(one('task done')['level'], levels['debug'])
  worker.stop()
  await running
})

test('a logger that throws disturbs nothing, and is told to the other listeners', async () => {
  const clock = new TestClock()
  const tasks = new Storage(new MemoryStore({ clock }), { clock }).queue<string>('work')
  const failure = new Error('disk full')
  const fails = (): never => {
    throw failure
  }
  const broken = { child: fails, debug: fails, info: fails, warn: fails, error: fails }
  const events: Event[] = []
  const logs: unknown[] = []
  const worker = new WorkerBuilder('w')
    .backend(tasks)
    .with(logging(broken))
    .onEvent((event) => events.push(event))
    .build((_, { data }) => logs.push(data.log))
  const running = worker.run()
  const id = await tasks.push('succeeds')
  await clock.settle()
  assert.equal((await tasks.fetchById(id))?.parts.status, 'done')
  // Better than none.
  assert.deepEqual(logs, [broken])
  const operations = events.flatMap((event) =>
    event.type === 'error' && 'operation' in event ? [event.operation] : [],
  )
  assert.ok(operations.includes('logging') && operations.includes('listener'))
  worker.stop()
  await running
})

test('refuses what is no logger, and options that nobody reads', () => {
  const { log } = logger()
  // @ts-expect-error the console has no children
  assert.throws(() => logging(console), { code: 'ERR_OPTION', option: 'logging' })
  // @ts-expect-error it cannot warn
  assert.throws(() => logging({ ...log, warn: undefined }), {
    code: 'ERR_OPTION',
    option: 'logging',
  })
  // @ts-expect-error no such option
  assert.throws(() => logging(log, { level: 'info' }), { option: 'logging.level' })
  // @ts-expect-error no such outcome
  assert.throws(() => logging(log, { levels: { success: 'info' } }), {
    option: 'logging.levels.success',
  })
  // @ts-expect-error no such level
  assert.throws(() => logging(log, { levels: { done: 'loud' } }), { option: 'logging.levels.done' })
})
