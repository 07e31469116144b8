import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isBackendError,
  isLeaseLostError,
  MemoryStore,
  type NewRow,
  type StoreOutcome,
  type StoreWorker,
  type TaskStore,
} from '@apalis/core'
import { TestClock } from '@apalis/core/testing'
import fc from 'fast-check'
import { openStore } from './support/stores.ts'

const queues = ['one', 'two'] as const
const ids = ['a', 'b', 'c'] as const
const error = { name: 'Error', message: 'it failed' }
const poison = { name: 'PoisonError', message: 'its workers died' }

/** What is done to both stores. */
type Step = (store: TaskStore, known: Known) => Promise<unknown>

/** What was claimed so far, in the order of claims: what settlements are about. */
interface Known {
  readonly claims: { readonly worker: StoreWorker; readonly id: string; readonly epoch: number }[]
}

// Mostly the same few, so that much happens to each.
const queue = fc.constantFrom(...queues, 'one', 'one', 'one')
const id = fc.constantFrom(...ids)
const worker = fc
  .record({ id: fc.constantFrom('v', 'w'), queue })
  .map((ref): StoreWorker => ({ ...ref, name: 'worker', leaseMs: 1_000, layers: [] }))
const delay = fc.constantFrom(0, 1, 500, 5_000)

const newRow = fc
  .record(
    {
      id,
      args: fc.constantFrom('1', `"${'x'.repeat(2_000)}"`),
      priority: fc.integer({ min: -1, max: 1 }),
      attempts: fc.constant(5),
      delayMs: delay,
      uniqueKey: fc.constantFrom('k', 'l'),
      uniqueForMs: fc.constantFrom(1, 3_000),
      metadata: fc.constant({ tenant: 't' }),
      timeoutMs: fc.constant(100),
    },
    { requiredKeys: ['id', 'args', 'priority', 'attempts'] },
  )
  .map(({ uniqueForMs, ...row }): NewRow =>
    row.uniqueKey === undefined || uniqueForMs === undefined ? row : { ...row, uniqueForMs },
  )

const outcome: fc.Arbitrary<StoreOutcome> = fc.oneof(
  fc.constant<StoreOutcome>({ type: 'done' }),
  fc.constant<StoreOutcome>({ type: 'done', result: '"r"' }),
  fc.constant<StoreOutcome>({ type: 'killed', error }),
  delay.map((retryInMs): StoreOutcome => ({ type: 'failed', error, retryInMs })),
  delay.map((dueInMs): StoreOutcome => ({ type: 'released', dueInMs })),
  delay.map((dueInMs): StoreOutcome => ({ type: 'released', dueInMs, error })),
)

const steps: readonly fc.Arbitrary<readonly [string, Step]>[] = [
  fc
    .tuple(queue, fc.array(newRow, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([name, rows, refuseExisting]) => [
      `insert ${name} ${JSON.stringify(rows)} ${refuseExisting}`,
      async (store) => {
        const inserted = await store.insert(name, rows, { refuseExisting })
        // Of several reasons to refuse a row any is as good as another.
        return refuseExisting ? inserted.map(({ existing }) => existing) : inserted
      },
    ]),
  worker.map((one) => [`register ${one.id} ${one.queue}`, (store) => store.register(one)]),
  fc
    .tuple(worker, fc.integer({ min: 1, max: 4 }), fc.constantFrom(0, 1))
    .map(([one, limit, suspects]) => [
      `claim ${one.id} ${one.queue} ${limit} ${suspects}`,
      async (store, { claims }) => {
        const claimed = await store.claim(one, limit, { suspects })
        for (const row of claimed.rows) {
          claims.push({ worker: one, id: row.id, epoch: row.epoch })
        }
        return claimed
      },
    ]),
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(20), outcome), { minLength: 1, maxLength: 4 }),
      worker,
      fc.boolean(),
    )
    .map(([settlements, other, own]) => [
      `settle ${JSON.stringify(settlements)} ${own ? 'own' : other.id}`,
      async (store, { claims }) => {
        const chosen = settlements.flatMap(([back, how]) => {
          const claim = claims.at(-1 - (back % Math.max(1, claims.length)))
          return claim === undefined ? [] : [{ claim, how }]
        })
        const [first] = chosen
        if (first === undefined) return undefined
        return store.settle(
          own ? first.claim.worker : other,
          chosen.map(({ claim, how }) => ({ id: claim.id, epoch: claim.epoch, outcome: how })),
        )
      },
    ]),
  worker.map((one) => [
    `beat ${one.id} ${one.queue}`,
    async (store) => {
      const { held, ...beat } = await store.beat(one)
      return { ...beat, held: held.toSorted(byId) }
    },
  ]),
  queue.map((name) => [
    `rescue ${name}`,
    async (store) => {
      // Under a lower limit, which of them come first is nobody's promise.
      const rescued = await store.rescue(name, 100, { maxRescues: 3, poison })
      return rescued.toSorted((one, other) => byId(one.row, other.row))
    },
  ]),
  worker.map((one) => [`leave ${one.id} ${one.queue}`, (store) => store.leave(one)]),
  fc
    .tuple(queue, id)
    .map(([name, one]) => [`kill ${name} ${one}`, (store) => store.kill(name, one, error)]),
  fc
    .tuple(queue, id)
    .map(([name, one]) => [`take ${name} ${one}`, (store) => store.take(name, one)]),
  fc
    .tuple(queue, id)
    .map(([name, one]) => [`remove ${name} ${one}`, (store) => store.remove(name, one)]),
  fc
    .tuple(queue, id, fc.boolean())
    .map(([name, one, resetAttempts]) => [
      `retry ${name} ${one} ${resetAttempts}`,
      (store) => store.retry(name, one, { resetAttempts }),
    ]),
  fc
    .tuple(
      queue,
      id,
      fc.record(
        {
          args: fc.constantFrom('2', `"${'y'.repeat(2_000)}"`),
          priority: fc.integer({ min: -1, max: 1 }),
          delayMs: delay,
          metadata: fc.constant({ changed: true }),
        },
        { requiredKeys: [] },
      ),
    )
    .map(([name, one, changes]) => [
      `update ${name} ${one} ${JSON.stringify(changes)}`,
      (store) => store.update(name, one, changes),
    ]),
  fc
    .tuple(queue, fc.boolean())
    .map(([name, on]) => [`pause ${name} ${on}`, (store) => store.pause(name, on)]),
  fc
    .tuple(queue, fc.constantFrom('done', 'killed'), fc.constantFrom(0, 1_000))
    .map(([name, status, olderThanMs]) => [
      `purge ${name} ${status} ${olderThanMs}`,
      (store) => store.purge(name, { status, olderThanMs, limit: 100 }),
    ]),
  queue.map((name) => [`watch ${name}`, (store) => store.watch(name, ids)]),
]

const step = fc.oneof(...steps)
const moves = fc.constantFrom(0, 0, 0, 1, 400, 1_000, 3_000)

function byId(one: { readonly id: string }, other: { readonly id: string }): number {
  return one.id.localeCompare(other.id)
}

/** What a step answers, errors included. */
async function answer(store: TaskStore, run: Step, known: Known): Promise<unknown> {
  try {
    return await run(store, known)
  } catch (failure) {
    if (isLeaseLostError(failure)) return 'the lease is lost'
    if (isBackendError(failure)) return failure.message
    throw failure
  }
}

/** All that can be seen of a store. */
async function everything(store: TaskStore): Promise<unknown> {
  const seen = await Promise.all(
    queues.map(async (name) => [
      await store.list(name, { offset: 0, limit: 100 }),
      await store.list(name, { status: 'pending', offset: 1, limit: 2 }),
      await store.count(name),
    ]),
  )
  const known = await store.queues()
  const workers = await store.workers()
  return {
    seen,
    queues: known.toSorted((one, other) => one.name.localeCompare(other.name)),
    workers: workers.toSorted((one, other) =>
      `${one.id} ${one.queue}`.localeCompare(`${other.id} ${other.queue}`),
    ),
  }
}

test('whatever is done to it, it answers as the reference does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(step, moves), { minLength: 1, maxLength: 120, size: 'max' }),
      async (sequence) => {
        const clock = new TestClock()
        const reference = new MemoryStore({ clock })
        const store = await openStore(':memory:', { clock })
        const known: [Known, Known] = [{ claims: [] }, { claims: [] }]
        const done: string[] = []
        for (const [[what, run], ms] of sequence) {
          done.push(what)
          const expected = await answer(reference, run, known[0])
          const actual = await answer(store, run, known[1])
          assert.deepEqual(actual, expected, done.join('\n'))
          assert.deepEqual(await everything(store), await everything(reference), done.join('\n'))
          if (ms > 0) clock.step(ms)
        }
        await store.close()
      },
    ),
    { numRuns: Number(process.env['APALIS_TEST_RUNS'] ?? 100) },
  )
})
