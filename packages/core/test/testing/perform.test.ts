import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { json } from '../../src/codec/json.ts'
import { isDecodeError, isEncodeError } from '../../src/errors/backend-errors.ts'
import {
  AbortError,
  DeferredError,
  isInterruptedError,
  isTimeoutError,
  OverloadedError,
  RetryAfterError,
} from '../../src/errors/task-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { timeout } from '../../src/layers/timeout.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { taskFn } from '../../src/service/task-fn.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { constant, exponential } from '../../src/task/backoff.ts'
import { perform } from '../../src/testing/perform.ts'
import { TestClock } from '../../src/testing/test-clock.ts'

const Email = z.object({
  to: z.string(),
  subject: z.string().default('hello'),
  at: z.string().transform((text) => new Date(text)),
})
const input = { to: 'ada', at: '2030-01-01T00:00:00Z' }

function lab() {
  const clock = new TestClock()
  const storage = new MemoryStorage({ clock, enrich: () => ({ tenant: 'acme' }) })
  const emails = storage.queue('emails', {
    args: json(Email),
    result: json<string>(),
    attempts: 3,
    backoff: constant('1m'),
  })
  return { clock, emails }
}

test('a handler gets what the schema makes of the arguments, and its result is the outcome', async () => {
  const { emails } = lab()
  const send = taskFn(({ to, subject, at }: z.output<typeof Email>) => {
    assert.ok(at instanceof Date)
    return `${subject} ${to}`
  })
  const outcome = await perform(send, input, { queue: emails })
  assert.deepEqual(outcome, { type: 'done', result: 'hello ada' })
  assert.deepEqual(await emails.listTasks(), [])
})

test('without a queue arguments are JSON', async () => {
  const echo = taskFn((args: object) => args)
  const given = { a: [1, { b: null }], left: undefined }
  const outcome = await perform(echo, given)
  assert.deepEqual(outcome, { type: 'done', result: { a: [1, { b: null }] } })
  assert.notEqual(outcome.type === 'done' && outcome.result, given)
  await assert.rejects(perform(echo, { at: new Date() }), isEncodeError)
})

test('what could not be pushed is refused as the push does', async () => {
  const { emails } = lab()
  const wrong = { to: 5, at: 'x' } as never
  const never = (): never => assert.fail('ran')
  await assert.rejects(perform(never, wrong, { queue: emails }), isEncodeError)
})

test('what can be pushed and not read any more is killed, and the handler never runs', async () => {
  const args = {
    encode: (value: number) => String(value),
    decode: (): number => {
      throw new TypeError('not a number')
    },
  }
  const outcome = await perform(() => assert.fail('ran'), 5, { queue: { args } })
  assert.equal(outcome.type, 'killed')
  assert.ok(outcome.type === 'killed' && isDecodeError(outcome.error))
})

test('the data, and what layers and extractors give', async () => {
  const { emails } = lab()
  const smtp = { send: (to: string) => `sent to ${to}` }
  const send = taskFn(
    ({ to }: { to: string }, { data }: TaskRequest<unknown, { readonly smtp: typeof smtp }>) =>
      data.smtp.send(to),
  )
  const sent = { type: 'done', result: 'sent to ada' }
  assert.deepEqual(await perform(send, input, { queue: emails, data: { smtp } }), sent)
  assert.deepEqual(await perform(send, { to: 'ada' }, { data: { smtp } }), sent)
  const outcome = await perform(
    {
      build: (worker) =>
        worker
          .data({ smtp })
          .extract({ shout: ({ task }) => task.args.to.toUpperCase() })
          .layer(timeout('10s'))
          .build((_email, { data }) => data.smtp.send(data.shout)),
    },
    input,
    { queue: emails },
  )
  assert.deepEqual(outcome, { type: 'done', result: 'sent to ADA' })
})

test('the request is that of a task of the queue', async () => {
  const { clock, emails } = lab()
  const outcome = await perform(
    (_email, request) => {
      const { id, attempt, metadata, task, worker } = request
      const { context, runAt, timeoutMs } = task.parts
      assert.deepEqual(metadata, { tenant: 'acme', trace: 'abc' })
      assert.deepEqual(task.parts.attempt, { current: 2, max: 4 })
      assert.equal(context.queue, 'emails')
      assert.equal(context.lockedBy, worker.id)
      assert.equal(runAt.getTime(), clock.now())
      assert.equal(timeoutMs, 5_000)
      return `${id} ${attempt}`
    },
    input,
    {
      queue: emails,
      id: 'task-7',
      attempt: 2,
      attempts: 4,
      timeout: '5s',
      metadata: { trace: 'abc' },
    },
  )
  assert.deepEqual(outcome, { type: 'done', result: 'task-7 2' })
})

test('what is thrown settles as the outcome table says', async () => {
  const { emails } = lab()
  const outcomeOf = (error: unknown, attempt = 1) =>
    perform(
      (): string => {
        throw error
      },
      input,
      { queue: emails, attempt },
    )
  const error = new Error('no luck')
  assert.deepEqual(await outcomeOf(error), { type: 'failed', error, retryIn: 60_000 })
  assert.deepEqual(await outcomeOf(error, 3), { type: 'killed', error })
  assert.deepEqual(await outcomeOf('text'), { type: 'failed', error: 'text', retryIn: 60_000 })
  const abort = new AbortError('hopeless')
  assert.deepEqual(await outcomeOf(abort), { type: 'killed', error: abort })
  const later = new RetryAfterError('busy', '5m')
  assert.deepEqual(await outcomeOf(later), { type: 'failed', error: later, retryIn: 300_000 })
  const snooze = new RetryAfterError('busy', '5m', { countAttempt: false })
  assert.deepEqual(await outcomeOf(snooze), { type: 'released', error: snooze, dueIn: 300_000 })
  const deferred = new DeferredError('moved')
  assert.deepEqual(await outcomeOf(deferred), { type: 'failed', error: deferred, retryIn: 0 })
})

test('the backoff of a queue is asked with the attempt', async () => {
  const backoff = exponential('1s', { jitter: 0 })
  const fail = (): never => {
    throw new Error('no luck')
  }
  const outcome = await perform(fail, 5, { queue: { args: json<number>(), backoff }, attempt: 3 })
  assert.equal(outcome.type === 'failed' && outcome.retryIn, 4_000)
})

test('a layer that refuses releases the task', async () => {
  const refusal = new OverloadedError('full', { retryIn: '2s' })
  const outcome = await perform(
    {
      build: (worker) =>
        worker
          .use(() => {
            throw refusal
          })
          .build((n) => n),
    },
    5,
  )
  assert.deepEqual(outcome, { type: 'released', error: refusal, dueIn: 2_000 })
})

test('a result is what is read back, and one that cannot be stored kills', async () => {
  const queue = { args: json<string>(), result: json<object>() }
  const result = { a: 1, left: undefined }
  const outcome = await perform(() => result, 'x', { queue })
  assert.deepEqual(outcome, { type: 'done', result: { a: 1 } })
  const dated = await perform(() => ({ at: new Date() }), 'x', { queue })
  assert.ok(dated.type === 'killed' && isEncodeError(dated.error))
  const large = await perform(() => ({ text: 'x'.repeat(50) }), 'x', {
    queue: { ...queue, maxSize: 20 },
  })
  assert.ok(large.type === 'killed' && isEncodeError(large.error))
  // Without a codec nothing is stored, and the result is what the handler gave.
  assert.deepEqual(await perform(() => result, 'x'), { type: 'done', result })
  assert.deepEqual(await perform(() => {}, 'x'), { type: 'done', result: undefined })
})

test('a result that cannot be read back is an error', async () => {
  const result = {
    encode: () => 'text',
    decode: (): string => {
      throw new TypeError('unreadable')
    },
  }
  const performing = perform(() => 'x', 5, { queue: { args: json<number>(), result } })
  await assert.rejects(
    performing,
    (error) => isDecodeError(error) && /unreadable/.test(error.message),
  )
})

test('a timeout aborts the signal and is an error like any other', async () => {
  const { clock, emails } = lab()
  let signal: AbortSignal | undefined
  const performing = perform(
    (_email, request) => {
      signal = request.signal
      return new Promise<string>(() => {})
    },
    input,
    { queue: emails, timeout: '10s' },
  )
  await clock.advance('10s')
  const outcome = await performing
  assert.ok(outcome.type === 'failed' && isTimeoutError(outcome.error))
  assert.ok(isTimeoutError(signal?.reason))
})

test('a signal interrupts the run: what returns is done, what throws is released', async () => {
  const { clock, emails } = lab()
  const until =
    (end: 'return' | 'throw') =>
    (_email: unknown, { signal }: TaskRequest) =>
      new Promise<string>((resolve, reject) => {
        signal.addEventListener('abort', () => {
          if (end === 'return') resolve('cleaned up')
          else reject(signal.reason)
        })
      })
  for (const [end, expected] of [
    ['return', { type: 'done', result: 'cleaned up' }],
    ['throw', { type: 'released', dueIn: 0 }],
  ] as const) {
    const shutdown = new AbortController()
    const performing = perform(until(end), input, { queue: emails, signal: shutdown.signal })
    await clock.settle()
    shutdown.abort()
    assert.deepEqual(await performing, expected)
  }
})

test('a handler that does not hear its signal is left behind after a second', async () => {
  const clock = new TestClock()
  const shutdown = new AbortController()
  const never = (): Promise<void> => new Promise(() => {})
  const performing = perform(never, 5, { clock, signal: shutdown.signal })
  await clock.settle()
  shutdown.abort()
  await clock.advance('1s')
  assert.deepEqual(await performing, { type: 'released', dueIn: 0 })
})

test('a signal that has aborted interrupts before the handler begins', async () => {
  const outcome = await perform(() => assert.fail('ran'), 5, { signal: AbortSignal.abort() })
  assert.deepEqual(outcome, { type: 'released', dueIn: 0 })
})

test('a handler sees a shutdown, whatever the reason of the signal', async () => {
  const clock = new TestClock()
  const shutdown = new AbortController()
  let reason: unknown
  const performing = perform(
    (_n, { signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
          resolve()
        })
      }),
    5,
    { clock, signal: shutdown.signal },
  )
  await clock.settle()
  shutdown.abort(new Error('another reason'))
  await performing
  assert.ok(isInterruptedError(reason))
})

test('nothing is left behind: no timer, no listener', async () => {
  const clock = new TestClock()
  const { signal } = new AbortController()
  const removed: string[] = []
  const remove = signal.removeEventListener.bind(signal)
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    removed.push(args[0])
    remove(...args)
  }
  await perform((n: number) => n, 5, { clock, signal, timeout: '1h' })
  assert.equal(clock.timers, 0)
  assert.ok(removed.includes('abort'))
})

test('a worker that stops before it runs the task is an error', async () => {
  const performing = perform(
    {
      build: (worker) => {
        const built = worker.build((n) => n)
        built.stop()
        return built
      },
    },
    5,
  )
  await assert.rejects(performing, /stopped before it ran the task/)
})

test('options that cannot be are refused by name and value', async () => {
  const { emails } = lab()
  const refused = (options: object, message: RegExp, run: unknown = () => 1): Promise<void> =>
    assert.rejects(
      perform(run as () => number, 5, options as never),
      (error) => error instanceof OptionError && message.test(error.message),
    )
  await refused({ atempt: 2 }, /^perform\.atempt: .*got 2$/)
  await refused({ attempt: 0 }, /^attempt: .*at least 1, got 0$/)
  await refused({ attempt: 6 }, /^attempt: .*from 1 to 5, got 6$/)
  await refused({ attempt: 3, attempts: 2 }, /^attempt: .*from 1 to 2, got 3$/)
  await refused({ attempts: 0 }, /^attempts: .*got 0$/)
  await refused({ timeout: '5 s' }, /^timeout: .*got "5 s"$/)
  await refused({ metadata: [] }, /^metadata: .*got an array$/)
  await refused({ signal: 5 }, /^signal: .*an AbortSignal, got 5$/)
  await refused({ clock: {} }, /^storage\.clock: /)
  await refused({ data: 5 }, /^data: .*got 5$/)
  await refused({ queue: 5 }, /^queue: .*got 5$/)
  await refused({ queue: { args: {} } }, /^queue\.args: /)
  await assert.rejects(
    perform(() => '', input, { queue: emails, attempt: 4 }),
    /^OptionError: attempt: .*from 1 to 3, got 4$/,
  )
  await refused({}, /^run: .*a handler.*got 5$/, 5)
  await refused({}, /^run: .*got an object/, {})
  await refused({ data: {} }, /^data: .*none beside build/, { build: () => 1 })
  await refused({}, /^build: .*got 1$/, { build: () => 1 })
})
