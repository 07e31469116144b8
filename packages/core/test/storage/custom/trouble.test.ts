import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Beat } from '../../../src/backend/backend.ts'
import { poll } from '../../../src/backend/poll.ts'
import { EncodeError } from '../../../src/errors/backend-errors.ts'
import { isWorkerError } from '../../../src/errors/worker-errors.ts'
import { concurrency } from '../../../src/layers/concurrency.ts'
import type { Event } from '../../../src/service/events.ts'
import {
  CustomBackend,
  type CustomBackendOptions,
} from '../../../src/storage/custom/custom-backend.ts'
import { TestClock } from '../../../src/testing/test-clock.ts'
import { sleep } from '../../../src/time/clock.ts'
import { WorkerBuilder } from '../../../src/worker/worker-builder.ts'
import type { Worker } from '../../../src/worker/worker.ts'

type Options = CustomBackendOptions<number, unknown, unknown, never>

interface Lab {
  readonly worker: Worker
  readonly clock: TestClock
  readonly ran: number[]
  readonly events: Event[]
}

function lab(
  options: Omit<Options, 'name'>,
  handle: (n: number, signal: AbortSignal) => unknown = () => undefined,
): Lab {
  const clock = new TestClock()
  const ran: number[] = []
  const events: Event[] = []
  const worker = new WorkerBuilder('worker')
    .backend(
      new CustomBackend<number>({ name: 'numbers', clock, poll: poll.interval(100), ...options }),
    )
    .layer(concurrency(2))
    .onEvent((event) => {
      events.push(event)
    })
    .build((n, { signal }) => {
      ran.push(n)
      return handle(n, signal)
    })
  return { worker, clock, ran, events }
}

/** Answers, one after the other; then there will never be more. */
function answers(...all: readonly unknown[]): Options['fetch'] {
  const left = [...all]
  // What no type allows, JavaScript may pass.
  return () => (left.length === 0 ? null : left.shift()) as never
}

async function run({ worker, clock }: Lab, most = 60): Promise<void> {
  const running = worker.run()
  const ended = running.then(
    () => undefined,
    () => undefined,
  )
  for (let second = 0; second < most && worker.context.state !== 'stopped'; second += 1) {
    await clock.advance('1s')
  }
  await ended
  await running
}

function errorsOf(events: readonly Event[]): string[] {
  return events.flatMap((event) => (event.type === 'error' ? [String(event.error)] : []))
}

test('a fetched task that can be none does not cost the others of its batch', async () => {
  const settled: string[] = []
  const it = lab({
    fetch: answers(
      [
        { id: 'a', args: 1 },
        { id: 'b', args: 2, attempt: 0 },
        { id: 'c', args: 3 },
        { id: 'd', args: 4, runAt: 'tomorrow' },
        { id: 'e', args: 5 },
      ],
      [{ id: 'f', args: 6 }],
    ),
    settle: async (settlements) => {
      for (const { task } of settlements) settled.push(task.parts.taskId)
    },
  })
  await run(it)
  assert.deepEqual(it.ran, [1, 3, 5, 6])
  assert.deepEqual(settled, ['a', 'c', 'e', 'f'])
  assert.match(errorsOf(it.events).join(), /^BackendError: cannot fetch: fetched task\.attempt/)
})

test('one that comes after the stop with others is left out, and they are given back', async () => {
  const released: string[] = []
  const late = Promise.withResolvers<never>()
  const { worker } = lab({
    fetch: () => {
      worker.stop()
      return late.promise
    },
    settle: async (settlements) => {
      for (const { task } of settlements) released.push(task.parts.taskId)
    },
  })
  await worker.run()
  late.resolve([{ id: 'a', args: 1 }, { id: 'b' }, { id: 'c', args: 3 }] as never)
  for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate)
  assert.deepEqual(released, ['a', 'c'])
})

test('the same message twice at a time: two runs, and each is settled', async () => {
  let settled = 0
  const it = lab({
    fetch: answers([
      { id: 'a', args: 1 },
      { id: 'a', args: 1 },
    ]),
    settle: async (settlements) => {
      settled += settlements.length
    },
  })
  await run(it)
  assert.deepEqual([it.ran, settled], [[1, 1], 2])
})

test('an answer of settle that is none ends the worker, and is told as no success', async () => {
  for (const answer of [[], ['ok'], [true], [undefined], 'applied', {}, [new Error('x')]]) {
    const it = lab({
      fetch: answers([{ args: 1 }]),
      settle: async () => answer as never,
    })
    await assert.rejects(run(it), (error) => {
      return isWorkerError(error) && error.message.includes('CustomBackend.settle answered')
    })
    assert.equal(it.events.filter(({ type }) => type === 'success').length, 0)
  }
  for (const answer of ['repeated', 'stale', 'cancelled', new EncodeError('too large')] as const) {
    await run(lab({ fetch: answers([{ args: 1 }]), settle: async () => [answer] }))
  }
})

test('a task that its source had finished by itself is a success, whatever came of the handler; its error is told', async () => {
  const error = new RangeError('too late')
  const settle: Options['settle'] = async () => [{ completed: 7 }]
  const it = lab({ fetch: answers([{ args: 1 }]), settle }, () => {
    throw error
  })
  await run(it)
  const told = it.events.filter(({ type }) => type === 'success' || type === 'error')
  assert.deepEqual(
    told.map((event) => ('result' in event ? event.result : 'error' in event && event.error)),
    [error, 7],
  )
})

test('a settle that throws, at once or later, is tried again', async () => {
  let calls = 0
  const it = lab({
    fetch: answers([{ args: 1 }]),
    settle: () => {
      calls += 1
      if (calls === 1) throw new RangeError('at once')
      return calls === 2 ? Promise.reject(new RangeError('later')) : Promise.resolve()
    },
  })
  await run(it)
  assert.equal(it.events.filter(({ type }) => type === 'success').length, 1)
})

test('a fetch that throws at once, and one that never answers, keep nobody from stopping', async () => {
  const throwing = lab({
    fetch: () => {
      throw new RangeError('no source')
    },
  })
  const running = throwing.worker.run()
  await throwing.clock.advance('1m')
  const tries = errorsOf(throwing.events).length
  assert.ok(tries > 3 && tries < 40, `${tries} tries`)
  throwing.worker.stop()
  await running
  const hanging = lab({ fetch: () => new Promise(() => {}) })
  const waiting = hanging.worker.run()
  await hanging.clock.settle()
  hanging.worker.stop()
  await waiting
  assert.equal(hanging.clock.timers, 0)
})

const beats: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['an object without anything', {}],
  ['trust that is no number', { trustMs: '5s', paused: false, revoked: [] }],
  ['NaN', { trustMs: Number.NaN, paused: false, revoked: [] }],
  ['no trust', { trustMs: 0, paused: false, revoked: [] }],
  ['trust that is over', { trustMs: -5, paused: false, revoked: [] }],
  ['nothing revoked', { trustMs: 5_000, paused: false }],
]

for (const [what, beat] of beats) {
  test(`a heartbeat that gives ${what} is told, asked again after pauses, and claims nothing`, async () => {
    let fetches = 0
    let given = 0
    let ended = false
    const { worker, clock, events } = lab({
      fetch: () => {
        fetches += 1
        return []
      },
      async *heartbeat(_worker, signal): AsyncGenerator<Beat> {
        try {
          for (; !signal.aborted; given += 1) yield beat as Beat
        } finally {
          ended = true
        }
      },
    })
    const running = worker.run()
    await clock.advance('1m')
    assert.equal(fetches, 0)
    assert.ok(given > 3 && given < 40, `${given} beats`)
    assert.match(errorsOf(events).join(), /cannot beat: /)
    worker.stop()
    await running
    assert.equal(ended, true)
    assert.equal(clock.timers, 0)
  })
}

test('a beat that says what was revoked aborts that task; one that stays away aborts all', async () => {
  const aborts: string[] = []
  const { worker, clock, events } = lab(
    {
      fetch: answers(
        [
          { id: 'a', args: 1 },
          { id: 'b', args: 2 },
        ],
        new Promise(() => {}),
      ),
      async *heartbeat(_worker, signal): AsyncGenerator<Beat> {
        yield { trustMs: 60_000, paused: false, revoked: [] }
        await sleep(clock, 1_000, { signal })
        // The branded id of a task that was made of this text.
        const id = 'a' as Beat['revoked'][number]['id']
        yield { trustMs: 60_000, paused: false, revoked: [{ id, reason: 'taken' }] }
        await sleep(clock, 10 * 60_000, { signal })
      },
    },
    (n, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          const { reason } = signal as { readonly reason: unknown }
          aborts.push(`${n} ${reason instanceof Error ? reason.name : 'unknown'}`)
          resolve(undefined)
        })
      }),
  )
  const running = worker.run()
  await clock.advance('2s')
  assert.deepEqual(aborts, ['1 LeaseLostError'])
  await clock.advance('2m')
  assert.deepEqual(aborts, ['1 LeaseLostError', '2 LeaseLostError'])
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'lost' ? [event.reason] : [])),
    ['taken', 'lease'],
  )
  worker.stop()
  await running
})
