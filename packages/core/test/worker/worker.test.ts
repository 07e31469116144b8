import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { BackendError } from '../../src/errors/backend-errors.ts'
import { isInterruptedError, isLeaseLostError } from '../../src/errors/task-errors.ts'
import { isWorkerError, isWorkerStateError } from '../../src/errors/worker-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import type { Event } from '../../src/service/events.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { turn } from '../../src/time/clock.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { ListBackend, looseTask } from './custom-backend.ts'

const types = (events: readonly Event[]): string[] => events.map(({ type }) => type)

function recorded<Args, Result>(worker: Worker<Args, Result>): Event<Args, Result>[] {
  const events: Event<Args, Result>[] = []
  worker.listen((event) => events.push(event))
  return events
}

test('a worker runs what its backend gives and ends with the source', async () => {
  const backend = new ListBackend([1, 2, 3], { endless: false })
  const ran: number[] = []
  const worker = new WorkerBuilder('w').backend(backend).build((n) => {
    ran.push(n)
    return n * 2
  })
  const events = recorded(worker)
  await worker.run()
  assert.deepEqual(ran, [1, 2, 3])
  assert.deepEqual(
    backend.settled.map(({ outcome }) => outcome),
    [2, 4, 6].map((result) => ({ type: 'done', result })),
  )
  assert.equal(types(events).at(0), 'start')
  assert.equal(types(events).at(-1), 'stop')
  assert.equal(types(events).filter((type) => type === 'success').length, 3)
  assert.equal(worker.context.state, 'stopped')
  assert.equal(worker.context.taskCount, 0)
})

test('without settle outcomes are events only', async () => {
  const list = new ListBackend([1, 2], { endless: false })
  const backend: Backend<number> = { name: 'events', poll: () => list.poll() }
  const worker = new WorkerBuilder('w').backend(backend).build((n) => {
    if (n === 2) throw new Error('two')
  })
  const events = recorded(worker)
  await worker.run()
  assert.equal(types(events).filter((type) => type === 'success').length, 1)
  const failure = events.find((event) => event.type === 'error')
  assert.ok(failure !== undefined && 'outcome' in failure && failure.outcome === 'failed')
  // Nobody will run it again.
  assert.equal(failure.retryAt, undefined)
})

test('an empty answer is told once as idle, and again only after work', async () => {
  const backend = new ListBackend<number>([undefined, undefined, 1, undefined, undefined], {
    endless: false,
  })
  const worker = new WorkerBuilder('w').backend(backend).build(() => undefined)
  const events = recorded(worker)
  await worker.run()
  assert.equal(types(events).filter((type) => type === 'idle').length, 2)
})

test('a worker takes no more from its source than its layers have room for', async () => {
  const backend = new ListBackend(Array.from({ length: 20 }, (_, index) => index))
  const gates: (() => void)[] = []
  let most = 0
  const worker = new WorkerBuilder('w')
    .backend(backend)
    .layer(concurrency(3))
    .build(() => {
      most = Math.max(most, backend.taken - backend.settled.length)
      return new Promise<void>((resolve) => {
        gates.push(resolve)
      })
    })
  const running = worker.run()
  let started = 0
  while (started < 20) {
    await turn()
    const open = gates.splice(0)
    started += open.length
    for (const gate of open) gate()
  }
  worker.stop()
  await running
  assert.equal(most, 3)
  assert.equal(backend.settled.length, 20)
})

test('stop before run: run returns at once, and nothing was taken', async () => {
  const backend = new ListBackend([1])
  const worker = new WorkerBuilder('w').backend(backend).build(() => undefined)
  const events = recorded(worker)
  worker.stop()
  worker.stop()
  await worker.run()
  await worker.context.stopped
  assert.equal(backend.taken, 0)
  assert.deepEqual(events, [])
})

test('a worker runs once', async () => {
  const worker = new WorkerBuilder('w').backend(new ListBackend([1])).build((_, { worker: me }) => {
    me.stop()
    me.stop()
  })
  await worker.run()
  await assert.rejects(worker.run(), isWorkerStateError)
  assert.throws(() => worker.context.pause(), isWorkerStateError)
  assert.throws(() => worker.context.resume(), isWorkerStateError)
})

test('an aborted signal before run is a stop before run', async () => {
  const backend = new ListBackend([1])
  const worker = new WorkerBuilder('w').backend(backend).build(() => undefined)
  await worker.run({ signal: AbortSignal.abort() })
  assert.equal(backend.taken, 0)
})

test('runUntil ends with its promise, and throws its rejection after the drain', async () => {
  const backend = new ListBackend([1, 2])
  const { promise, reject } = Promise.withResolvers<void>()
  const worker = new WorkerBuilder('w').backend(backend).build((n) => {
    if (n === 2) reject(new Error('enough'))
  })
  await assert.rejects(worker.runUntil(promise), /enough/)
  assert.equal(backend.settled.length, 2)
})

test('runUntil returns when the worker stops by itself', async () => {
  const worker = new WorkerBuilder('w')
    .backend(new ListBackend([1]))
    .build((_, { worker: me }) => me.stop())
  await worker.runUntil(new Promise(() => {}))
  assert.equal(worker.context.state, 'stopped')
})

test('runUntilCtx drives the worker, and its end stops it', async () => {
  const backend = new ListBackend([1, 2, 3])
  const ran = Promise.withResolvers<void>()
  const worker = new WorkerBuilder('w').backend(backend).build((n) => {
    if (n === 3) ran.resolve()
  })
  await worker.runUntilCtx(async (me) => {
    await ran.promise
    me.pause()
    assert.equal(me.isPaused(), true)
    me.resume()
    assert.equal(me.isRunning(), true)
  })
  assert.equal(backend.settled.length, 3)
})

test('the stream of events starts with the first next, and a break stops and drains', async () => {
  const backend = new ListBackend([1, 2, 3])
  const worker = new WorkerBuilder('w').backend(backend).build(() => undefined)
  const stream = worker.stream()
  await turn()
  assert.equal(backend.taken, 0)
  for await (const event of stream) {
    if (event.type === 'success') break
  }
  assert.equal(worker.context.state, 'stopped')
  assert.equal(backend.settled.length, backend.taken)
})

test('a reader that does not keep up with the events holds back the claims', async () => {
  const backend = new ListBackend(Array.from({ length: 100 }, (_, index) => index))
  const worker = new WorkerBuilder('w', { eventBuffer: 10 })
    .backend(backend)
    .layer(concurrency(1))
    .build(() => undefined)
  const stream = worker.stream()
  await stream.next()
  for (let turns = 0; turns < 50; turns += 1) await turn()
  const before = backend.taken
  assert.ok(before < 20, `${before} taken`)
  for (let read = 0; read < 10; read += 1) await stream.next()
  for (let turns = 0; turns < 50; turns += 1) await turn()
  assert.ok(backend.taken > before)
  await stream.return?.()
})

test('a failing poll is supervised: an event, a pause, another try', async () => {
  const clock = new TestClock()
  const list = new ListBackend([1], { endless: false })
  let calls = 0
  const backend: Backend<number> = {
    name: 'flaky',
    clock,
    poll() {
      calls += 1
      if (calls < 3) throw new Error('not yet')
      return list.poll()
    },
  }
  const worker = new WorkerBuilder('w').backend(backend).build(() => undefined)
  const events = recorded(worker)
  const running = worker.run()
  await clock.advance(1_000)
  await running
  const failures = events.filter((event) => event.type === 'error' && 'operation' in event)
  assert.equal(failures.length, 2)
  assert.equal(types(events).filter((type) => type === 'success').length, 1)
})

test('onBackendError may end the run, after the drain', async () => {
  const list = new ListBackend([1])
  const gate = Promise.withResolvers<void>()
  let polls = 0
  const stream = list.poll()
  const backend: Backend<number> = {
    name: 'broken',
    settle: (settlements) => list.settle(settlements),
    poll: () => ({
      next(limit, signal) {
        polls += 1
        if (polls > 1) throw new BackendError('claim', 'gone', { applied: 'no' })
        return stream.next(limit, signal)
      },
      close: async () => {},
    }),
  }
  const seen: number[] = []
  const worker = new WorkerBuilder('w')
    .backend(backend)
    .onBackendError((_, failures) => {
      seen.push(failures)
      gate.resolve()
      return 'end'
    })
    .build(() => gate.promise)
  await assert.rejects(worker.run(), (error) => isWorkerError(error) && /gone/.test(error.message))
  assert.deepEqual(seen, [1])
  assert.equal(list.settled.length, 1)
})

test('a backend error that cannot heal ends the run by itself', async () => {
  const backend: Backend<number> = {
    name: 'new',
    poll() {
      throw new BackendError('claim', 'the schema is newer', { transient: false, applied: 'no' })
    },
  }
  const worker = new WorkerBuilder('w').backend(backend).build(() => undefined)
  await assert.rejects(worker.run(), isWorkerError)
})

test('after the deadline the signals abort, and what does not end is released and told as leaked', async () => {
  const clock = new TestClock()
  const list = new ListBackend(['returns', 'throws', 'hangs'])
  const backend: Backend<string> = {
    name: 'list',
    clock,
    poll: () => list.poll(),
    settle: (settlements) => list.settle(settlements),
  }
  const reasons: unknown[] = []
  const worker = new WorkerBuilder('w').backend(backend).build((kind, { signal }) => {
    return new Promise<string>((resolve, reject) => {
      signal.addEventListener('abort', () => {
        reasons.push(signal.reason)
        if (kind === 'returns') resolve(kind)
        if (kind === 'throws') reject(signal.reason as Error)
      })
    })
  })
  const events = recorded(worker)
  const running = worker.run({ shutdownTimeout: '25s' })
  await clock.settle()
  worker.stop()
  await clock.advance('24s')
  assert.equal(reasons.length, 0)
  assert.equal(worker.context.state, 'stopping')
  await clock.advance('1s')
  assert.equal(reasons.length, 3)
  assert.ok(reasons.every(isInterruptedError))
  await clock.advance('1s')
  await running
  assert.deepEqual(
    Object.fromEntries(
      list.settled.map(({ task, outcome }) => [(task as { args?: string }).args, outcome.type]),
    ),
    { returns: 'done', throws: 'released', hangs: 'released' },
  )
  assert.equal(types(events).filter((type) => type === 'leaked').length, 1)
  assert.equal(clock.timers, 0)
})

test('a layer that ends its call too late does not keep the task: it settles once, one grace after the timeout', async () => {
  const clock = new TestClock()
  const task = looseTask('x')
  const settled: string[] = []
  const late = Promise.withResolvers<never>()
  let given = false
  const backend: Backend<string> = {
    name: 'one',
    clock,
    poll: () => ({
      async next(_, signal) {
        if (!given) {
          given = true
          return [{ args: 'x', parts: { ...task.parts, timeoutMs: 500 } }]
        }
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve())
        })
        return []
      },
      close: async () => {},
    }),
    async settle(settlements) {
      settled.push(...settlements.map(({ outcome }) => outcome.type))
      return settlements.map(() => 'applied')
    },
  }
  const worker = new WorkerBuilder('w')
    .backend(backend)
    .layer(() => ({ call: () => late.promise }))
    .build(() => undefined)
  const running = worker.run()
  await clock.settle()
  await clock.advance(500)
  assert.deepEqual(settled, [])
  await clock.advance('1s')
  assert.deepEqual(settled, ['failed'])
  late.reject(new Error('nobody waits for it any more'))
  await clock.settle()
  assert.deepEqual(settled, ['failed'])
  worker.stop()
  await running
})

test('when trust ends without a beat, nothing more is settled, and the worker goes on under another incarnation', async () => {
  const clock = new TestClock()
  const task = looseTask('x')
  const incarnations: string[] = []
  const left: string[] = []
  const settled: string[] = []
  let reason: unknown
  const backend: Backend<string> = {
    name: 'leased',
    clock,
    poll(worker) {
      const first = incarnations.length === 0
      incarnations.push(worker.id)
      let given = !first
      return {
        async next(_, signal) {
          if (!given) {
            given = true
            return [task]
          }
          await new Promise<void>((resolve) => {
            if (signal.aborted) resolve()
            signal.addEventListener('abort', () => resolve())
          })
          return []
        },
        close: async () => {},
      }
    },
    heartbeat({ id }) {
      let beats = 0
      return {
        [Symbol.asyncIterator]: () => ({
          next() {
            beats += 1
            if (beats > 1) return new Promise(() => {})
            return Promise.resolve({
              done: false,
              value: { trustMs: 25_000, paused: false, revoked: [] },
            })
          },
          async return() {
            left.push(id)
            return { done: true, value: undefined }
          },
        }),
      }
    },
    async settle(settlements) {
      settled.push(...settlements.map(({ outcome }) => outcome.type))
      return settlements.map(() => 'applied')
    },
  }
  const worker = new WorkerBuilder('w').backend(backend).build(
    (_, { signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
          resolve()
        })
      }),
  )
  const events = recorded(worker)
  const running = worker.run()
  await clock.settle()
  await clock.advance(24_999)
  assert.equal(reason, undefined)
  await clock.advance(1)
  assert.ok(isLeaseLostError(reason))
  assert.equal(incarnations.length, 2)
  assert.notEqual(incarnations[0], incarnations[1])
  assert.deepEqual(left, [incarnations[0]])
  const lost = events.find((event) => event.type === 'lost')
  assert.equal(lost?.reason, 'lease')
  worker.stop()
  await running
  assert.deepEqual(settled, [])
  assert.deepEqual(left, incarnations)
})

test('tracked promises and ackWith keep the worker until they settle', async () => {
  const backend = new ListBackend([1])
  const tracked = Promise.withResolvers<void>()
  const told = Promise.withResolvers<void>()
  const outcomes: string[] = []
  const worker = new WorkerBuilder('w')
    .backend(backend)
    .ackWith(async ({ type }) => {
      outcomes.push(type)
      await told.promise
    })
    .build((_, { worker: me }) => {
      void me.track(tracked.promise)
      me.stop()
    })
  let ended = false
  const running = worker.run().then(() => {
    ended = true
  })
  for (let turns = 0; turns < 10; turns += 1) await turn()
  assert.deepEqual(outcomes, ['done'])
  assert.equal(ended, false)
  assert.equal(worker.context.taskCount, 2)
  tracked.resolve()
  for (let turns = 0; turns < 10; turns += 1) await turn()
  assert.equal(ended, false)
  told.resolve()
  await running
  assert.equal(worker.context.hasPendingTasks(), false)
})

test('a listener that throws disturbs nothing and is reported to the others', async () => {
  const worker = new WorkerBuilder('w')
    .backend(new ListBackend([1], { endless: false }))
    .onEvent(({ type }) => {
      if (type === 'success') throw new Error('bad listener')
    })
    .onEvent(async ({ type }) => {
      if (type === 'engage') throw new Error('bad async listener')
    })
    .build(() => undefined)
  const events = recorded(worker)
  await worker.run()
  await turn()
  const reported = events.flatMap((event) =>
    event.type === 'error' && 'operation' in event ? [event.operation] : [],
  )
  assert.deepEqual(reported, ['listener', 'listener'])
  assert.equal(types(events).at(-1), 'stop')
})

test('await using stops and drains', async () => {
  const backend = new ListBackend([1, 2])
  let running: Promise<void>
  {
    await using worker = new WorkerBuilder('w').backend(backend).build(() => undefined)
    running = worker.run()
    for (let turns = 0; turns < 10; turns += 1) await turn()
  }
  await running
  assert.equal(backend.settled.length, 2)
})

test('a backend whose heartbeat never ends does not keep a stopped worker', async () => {
  const clock = new TestClock()
  const list = new ListBackend([1])
  const backend: Backend<number> = {
    name: 'silent',
    clock,
    poll: () => list.poll(),
    heartbeat: () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({
          done: false,
          value: { trustMs: 1_000_000, paused: false, revoked: [] },
        }),
        return: () => new Promise<never>(() => {}),
      }),
    }),
  }
  const worker = new WorkerBuilder('w').backend(backend).build((_, { worker: me }) => me.stop())
  const events = recorded(worker)
  const running = worker.run()
  await clock.settle()
  assert.equal(worker.context.state, 'stopping')
  await clock.advance('10s')
  await running
  const reported = events.filter((event) => event.type === 'error' && 'operation' in event)
  assert.equal(reported.length, 1)
})

test('a backoff that never answers is given up, and is reported', async () => {
  const clock = new TestClock()
  const list = new ListBackend([1])
  const backend: Backend<number> = {
    name: 'list',
    clock,
    backoff: () => new Promise<number>(() => {}),
    poll: () => list.poll(),
    settle: (settlements) => list.settle(settlements),
  }
  const worker = new WorkerBuilder('w').backend(backend).build(() => {
    throw new Error('no')
  })
  const events = recorded(worker)
  const running = worker.run()
  await clock.settle()
  assert.equal(worker.context.taskCount, 1)
  await clock.advance('10s')
  assert.deepEqual(
    list.settled.map(({ outcome }) => outcome.type),
    ['failed'],
  )
  assert.ok(events.some((event) => 'operation' in event && event.operation === 'backoff'))
  worker.stop()
  await running
})

test('a shutdown deadline does not wait for a backoff', async () => {
  const clock = new TestClock()
  const list = new ListBackend([1])
  const backend: Backend<number> = {
    name: 'list',
    clock,
    backoff: () => new Promise<number>(() => {}),
    poll: () => list.poll(),
    settle: (settlements) => list.settle(settlements),
  }
  const worker = new WorkerBuilder('w').backend(backend).build(() => {
    throw new Error('no')
  })
  const running = worker.run({ shutdownTimeout: '1s' })
  await clock.settle()
  worker.stop()
  await clock.advance('1s')
  await running
  assert.deepEqual(
    list.settled.map(({ outcome }) => outcome.type),
    ['failed'],
  )
})

test('an error whose every look throws fails its attempt, and nothing else', async () => {
  const list = new ListBackend([1, 2], { endless: false })
  const hostile = new Proxy(new Error('hostile'), {
    get() {
      throw new TypeError('do not look')
    },
  })
  const worker = new WorkerBuilder('w').backend(list).build((n) => {
    if (n === 1) throw hostile
  })
  await worker.run()
  assert.deepEqual(
    list.settled.map(({ outcome }) => outcome.type),
    ['failed', 'done'],
  )
})

test('a layer that takes less ahead than now is asked for what it takes now', async () => {
  const list = new ListBackend([1, 2, 3], { endless: false })
  const worker = new WorkerBuilder('w')
    .backend(list)
    .layer((inner) => ({
      call: (request) => inner.call(request),
      capacity: (ahead) => (ahead === undefined ? 5 : 0),
    }))
    .build(() => undefined)
  await worker.run()
  assert.equal(list.settled.length, 3)
})

test('what run is given is checked before it begins', async () => {
  const worker = new WorkerBuilder('w').backend(new ListBackend([1])).build(() => undefined)
  // What a caller without types may do.
  const wrong = [{ signal: 5 }, { shutdownTimeou: '5s' }, { shutdownTimeout: 'x' }] as const
  for (const options of wrong) {
    await assert.rejects(worker.run(options as never), OptionError)
  }
  await assert.rejects(worker.runUntil(undefined as never), OptionError)
  assert.equal(worker.context.state, 'pending')
  worker.stop()
  await worker.run()
})
