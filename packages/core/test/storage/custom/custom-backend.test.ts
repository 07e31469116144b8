import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Settled } from '../../../src/backend/backend.ts'
import { poll } from '../../../src/backend/poll.ts'
import { json } from '../../../src/codec/json.ts'
import {
  BackendError,
  isBackendError,
  isUnknownOutcomeError,
} from '../../../src/errors/backend-errors.ts'
import { OptionError } from '../../../src/internal/validate.ts'
import { concurrency } from '../../../src/layers/concurrency.ts'
import type { Event } from '../../../src/service/events.ts'
import {
  CustomBackend,
  type CustomBackendOptions,
  type CustomSettlement,
} from '../../../src/storage/custom/custom-backend.ts'
import type { FetchedTask } from '../../../src/storage/custom/fetched.ts'
import type { NewRow } from '../../../src/storage/task-store.ts'
import { TaskBuilder } from '../../../src/task/task-builder.ts'
import { TestClock } from '../../../src/testing/test-clock.ts'
import { sleep } from '../../../src/time/clock.ts'
import { WorkerBuilder } from '../../../src/worker/worker-builder.ts'
import type { Worker } from '../../../src/worker/worker.ts'

type Options<In = never> = CustomBackendOptions<number, unknown, { readonly receipt: string }, In>

/** A backend of numbers, a worker on it, and what became of everything. */
function lab({
  handle = (n: number): unknown => n,
  ...options
}: Omit<Options, 'name'> & {
  handle?: (n: number) => unknown
}): {
  readonly worker: Worker
  readonly ran: number[]
  readonly events: Event[]
  readonly run: () => Promise<void>
} {
  const ran: number[] = []
  const events: Event[] = []
  const backend = new CustomBackend<number, unknown, { readonly receipt: string }>({
    name: 'numbers',
    ...options,
  })
  const worker = new WorkerBuilder('worker')
    .backend(backend)
    .layer(concurrency(2))
    .onEvent((event) => {
      events.push(event)
    })
    .build((n) => {
      ran.push(n)
      return handle(n)
    })
  return { worker, ran, events, run: () => worker.run() }
}

test('lists, single tasks, promises of them and streams: all are run, and null ends the worker', async () => {
  const answers = [
    [{ args: 1 }, { args: 2 }, { args: 3 }],
    { args: 4 },
    Promise.resolve([{ args: 5 }]),
    (async function* () {
      yield { args: 6 }
      yield undefined
      yield { args: 7 }
    })(),
    Promise.resolve({ args: 8 }),
    null,
  ]
  const limits: number[] = []
  const { run, ran } = lab({
    poll: poll.interval(1),
    fetch: ({ limit }) => {
      limits.push(limit)
      return answers.shift()
    },
  })
  await run()
  assert.deepEqual(ran, [1, 2, 3, 4, 5, 6, 7, 8])
  assert.equal(limits[0], 2)
})

test('nothing is fetched while there is no room, and what was too much waits', async () => {
  const gates: PromiseWithResolvers<void>[] = []
  let fetches = 0
  const { run, worker } = lab({
    poll: poll.interval(1),
    fetch: () => {
      fetches += 1
      return fetches === 1 ? Array.from({ length: 5 }, (_, index) => ({ args: index })) : null
    },
    handle: () => {
      const gate = Promise.withResolvers<void>()
      gates.push(gate)
      return gate.promise
    },
  })
  const running = run()
  for (const done of [0, 1, 2, 3, 4]) {
    while (gates.length < Math.min(5, done + 2)) await new Promise(setImmediate)
    assert.equal(worker.context.taskCount <= 2, true)
    assert.equal(gates.length, Math.min(5, done + 2))
    if (gates.length < 5) assert.equal(fetches, 1)
    gates[done]?.resolve()
  }
  await running
})

test('what is settled is told with the context of its task; no answer is as good as stored', async () => {
  const settled: CustomSettlement<unknown, { readonly receipt: string }>[] = []
  const { run, events } = lab({
    poll: poll.interval(1),
    fetch: (() => {
      const tasks: (FetchedTask<number, { receipt: string }> | null)[] = [
        { args: 1, id: 'a', context: { receipt: 'r1' }, metadata: { tenant: 't' } },
        { args: 2, id: 'b', attempt: 2, attempts: 2, context: { receipt: 'r2' } },
        null,
      ]
      return () => tasks.shift()
    })(),
    handle: (n) => {
      if (n === 2) throw new RangeError('two')
      return 'one'
    },
    settle: async (settlements) => {
      settled.push(...settlements)
    },
  })
  await run()
  assert.deepEqual(
    settled.map(({ task, outcome }) => [
      task.parts.taskId,
      task.parts.context.receipt,
      task.parts.attempt.current,
      outcome.type,
    ]),
    [
      ['a', 'r1', 1, 'done'],
      ['b', 'r2', 2, 'killed'],
    ],
  )
  assert.equal(events.filter(({ type }) => type === 'success').length, 1)
})

test('a settle that fails is tried again, one that answers is heeded', async () => {
  const clock = new TestClock()
  let calls = 0
  const { run, events } = lab({
    clock,
    fetch: (() => {
      const tasks = [{ args: 1 }, null]
      return () => tasks.shift()
    })(),
    settle: async (settlements): Promise<readonly Settled[]> => {
      calls += 1
      if (calls === 1) throw new Error('no connection')
      return settlements.map(() => 'stale')
    },
  })
  const running = run()
  while (calls < 2) await clock.advance('1s')
  await running
  assert.equal(events.filter(({ type }) => type === 'lost').length, 1)
})

test('a fetch that fails is told and tried again; the worker goes on', async () => {
  const clock = new TestClock()
  let calls = 0
  const { run, ran, events } = lab({
    clock,
    fetch: async () => {
      calls += 1
      if (calls < 3) throw new RangeError('no source')
      return calls === 3 ? { args: 1 } : null
    },
  })
  const running = run()
  while (calls < 4) await clock.advance('1s')
  await running
  assert.deepEqual(ran, [1])
  const errors = events.filter((event) => event.type === 'error' && 'operation' in event)
  assert.equal(errors.length, 2)
})

test('an empty source is asked when its strategy says so', async () => {
  const clock = new TestClock()
  let fetches = 0
  const { run, worker } = lab({
    clock,
    poll: poll.interval('1m'),
    fetch: () => {
      fetches += 1
      return []
    },
  })
  const running = run()
  await clock.advance('59s')
  assert.equal(fetches, 1)
  await clock.advance('2s')
  assert.equal(fetches, 2)
  worker.stop()
  await running
  assert.equal(clock.timers, 0)
})

test('what is stored is read by the codec; what cannot be read is killed alone', async () => {
  const settled: string[] = []
  const tasks = [[{ stored: '1' }, { stored: 'x' }, { stored: '3' }], null]
  const { run, ran } = lab({
    codec: json<never>(),
    fetch: () => tasks.shift(),
    settle: async (settlements) => {
      for (const { outcome } of settlements) settled.push(outcome.type)
    },
  })
  await run()
  assert.deepEqual(ran, [1, 3])
  assert.deepEqual(settled.toSorted(), ['done', 'done', 'killed'])
})

test('stopping gives back what was fetched and never started', async () => {
  const released: string[] = []
  const gate = Promise.withResolvers<void>()
  const { run, worker, ran } = lab({
    fetch: () => ['a', 'b', 'c', 'd'].map((id, args) => ({ id, args })),
    handle: () => gate.promise,
    settle: async (settlements) => {
      for (const { task, outcome } of settlements) {
        if (outcome.type === 'released') released.push(task.parts.taskId)
      }
    },
  })
  const running = run()
  while (ran.length < 2) await new Promise(setImmediate)
  worker.stop()
  gate.resolve()
  await running
  assert.deepEqual(
    [ran, released],
    [
      [0, 1],
      ['c', 'd'],
    ],
  )
})

test('an answer that comes after the stop is given back', async () => {
  const released: string[] = []
  const late = Promise.withResolvers<FetchedTask<number, { receipt: string }>>()
  const { run, worker, ran } = lab({
    fetch: () => {
      worker.stop()
      return late.promise
    },
    settle: async (settlements) => {
      for (const { task } of settlements) released.push(task.parts.taskId)
    },
  })
  await run()
  late.resolve({ args: 9, id: 'late' })
  for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate)
  assert.deepEqual([released, ran], [['late'], []])
})

test('a heartbeat that is a generator ends with the worker, and not with its next beat', async () => {
  const clock = new TestClock()
  let beats = 0
  const { run, worker } = lab({
    clock,
    fetch: () => undefined,
    async *heartbeat(_worker, signal) {
      while (!signal.aborted) {
        beats += 1
        yield { trustMs: 60_000, paused: false, revoked: [] }
        await sleep(clock, 20_000, { signal })
      }
    },
  })
  const running = run()
  await clock.advance('1m')
  assert.equal(beats, 4)
  worker.stop()
  await running
  assert.equal(clock.timers, 0)
})

test('with a sink it can be pushed to, and what is pushed wakes whoever waits', async () => {
  const clock = new TestClock()
  const kept: NewRow[] = []
  const backend = new CustomBackend({
    name: 'own',
    clock,
    codec: json<{ readonly n: number }>(),
    poll: poll.interval('1h'),
    fetch: ({ limit }) => kept.splice(0, limit).map(({ id, args }) => ({ id, stored: args })),
    sink: async (rows) => {
      kept.push(...rows)
    },
  })
  const ran: number[] = []
  const worker = new WorkerBuilder('worker').backend(backend).build(({ n }, request) => {
    ran.push(n)
    if (n === 4) request.worker.stop()
  })
  const running = worker.run()
  await clock.settle()
  assert.equal(await backend.push({ n: 1 }, { id: 'one', delay: '1s' }), 'one')
  await backend.pushBulk([{ n: 2 }])
  await backend.pushTask(new TaskBuilder({ n: 3 }).id('three').build())
  assert.equal(await backend.pushStream([{ n: 4 }]), 1)
  await running
  assert.deepEqual(
    ran.toSorted((one, other) => one - other),
    [1, 2, 3, 4],
  )
})

test('a sink that fails leaves the ids; without one, nothing can be pushed', async () => {
  const fetch = (): undefined => undefined
  const failing = new CustomBackend<number, unknown, unknown, number>({
    name: 'failing',
    fetch,
    sink: async () => {
      throw new Error('no connection')
    },
  })
  await assert.rejects(failing.push(1, { id: 'a' }), (error) => {
    assert.ok(isUnknownOutcomeError(error))
    return error.ids[0] === 'a'
  })
  const refusing = new CustomBackend<number, unknown, unknown, number>({
    name: 'refusing',
    fetch,
    sink: async () => {
      throw new BackendError('push', 'full', { applied: 'no' })
    },
  })
  await assert.rejects(refusing.push(1), (error) => isBackendError(error) && error.applied === 'no')
  await assert.rejects(refusing.push(1, { onDuplicate: 'throw' }), /does not know what it has/)
  const without = new CustomBackend<number>({ name: 'none', fetch })
  // @ts-expect-error: it has no sink.
  await assert.rejects(without.push(1), /backend "none" has no sink/)
})

test('options and fetched tasks that cannot be used are named', async () => {
  const fetch = (): undefined => undefined
  for (const [option, options] of [
    ['CustomBackend.name', { name: '', fetch }],
    ['CustomBackend.fetch', { name: 'a', fetch: 3 }],
    ['CustomBackend.poll', { name: 'a', fetch, poll: 3 }],
    ['CustomBackend.clock', { name: 'a', fetch, clock: {} }],
    ['CustomBackend.settle', { name: 'a', fetch, settle: 3 }],
    ['CustomBackend.sink', { name: 'a', fetch, sink: 3 }],
    ['queue.args', { name: 'a', fetch, codec: 3 }],
    ['CustomBackend.fetcher', { name: 'a', fetch, fetcher: fetch }],
  ] as const) {
    assert.throws(
      () => new CustomBackend(options as never),
      (error) => error instanceof OptionError && error.option === option,
      option,
    )
  }
  const clock = new TestClock()
  for (const [part, fetched] of [
    ['args or stored', {}],
    ['fetched task.attempt', { args: 1, attempt: 0 }],
    ['fetched task.receipt', { args: 1, receipt: 'r' }],
    ['fetched task', 3],
  ] as const) {
    const answers = [fetched, null]
    const { run, events, ran } = lab({ clock, fetch: () => answers.shift() as never })
    const running = run()
    while (answers.length > 0) await clock.advance('1s')
    await running
    assert.deepEqual(ran, [])
    const told = events.find((event) => event.type === 'error')
    assert.match(String(told?.error), new RegExp(part))
  }
})
