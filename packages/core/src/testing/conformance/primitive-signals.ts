import assert from 'node:assert/strict'
import type { ClaimedRow, StoreOutcome, StoreSignal } from '../../storage/task-store.ts'
import type { CaseDefinition } from './definition.ts'
import {
  claim,
  claimOne,
  enlist,
  ids,
  insert,
  queue,
  rescuing,
  settle,
  settlement,
  stored,
} from './store-kit.ts'

/** `listen` and `watch` of the store itself. */
export const signalPrimitives: readonly CaseDefinition[] = [
  {
    name: 'signals tell other connections of due work, of awaited ends, of kills and of pauses',
    async run(world) {
      const store = await world.store()
      const other = await world.harness.open()
      const heard: StoreSignal[] = []
      const listening = await other.listen((signal) => void heard.push(signal))
      const hears = (type: StoreSignal['type'], id?: string): Promise<void> =>
        world.within(1_000, `the other connection hears ${type} of ${id ?? 'the queue'}`, () =>
          heard.some(
            (signal) =>
              signal.type === type &&
              signal.queue === queue &&
              (id === undefined || signal.ids === undefined || signal.ids.includes(id)),
          ),
        )
      await insert(store, 'a', 'b', 'removed', 'killed', 'rescued')
      await hears('due')
      const worker = await enlist(store, 'w')
      const [a, b] = await claim(store, worker, 2)
      assert.ok(a && b)
      await settle(store, worker, a)
      assert.deepEqual(ids(await other.watch(queue, ['b', 'removed']).then(present)), [
        'b',
        'removed',
      ])
      await settle(store, worker, b)
      await hears('settled', 'b')
      heard.length = 0
      await store.remove(queue, 'removed')
      await hears('settled', 'removed')
      const [killed] = await claim(store, worker, 1)
      assert.equal(killed?.id, 'killed')
      await store.kill(queue, 'killed', stored('e'))
      await hears('killed', 'killed')
      await store.pause(queue, true)
      await hears('paused')
      await store.pause(queue, false)
      await hears('resumed')
      heard.length = 0
      await claim(store, worker)
      await other.watch(queue, ['rescued'])
      await world.advance(35_000, { step: 35_000 })
      await store.rescue(queue, 10, { ...rescuing, maxRescues: 1 })
      await hears('settled', 'rescued')
      await listening[Symbol.asyncDispose]()
      heard.length = 0
      await insert(store, 'unheard')
      await world.quiet()
      assert.deepEqual(heard, [])
    },
  },
  {
    name: 'whatever brings a row back for others to claim signals `due`',
    async run(world) {
      const store = await world.store()
      const other = await world.harness.open()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      let heard = 0
      const listening = await other.listen(({ type }) => {
        if (type === 'due') heard += 1
      })
      const tells = async (what: string, change: () => Promise<unknown>): Promise<void> => {
        await world.advance(2_000)
        heard = 0
        await change()
        await world.within(1_000, `${what} is heard`, () => heard > 0)
      }
      const claimed = (): Promise<ClaimedRow> => claimOne(store, worker)
      const ends: readonly (readonly [string, StoreOutcome])[] = [
        ['a failure', { type: 'failed', error: stored('e'), retryInMs: 0 }],
        ['a release', { type: 'released', dueInMs: 0 }],
      ]
      for (const [what, outcome] of ends) {
        const row = await claimed()
        await tells(what, () => store.settle(worker, [settlement(row, outcome)]))
      }
      await claimed()
      await tells('a taking', () => store.take(queue, 'a'))
      await tells('an update', () => store.update(queue, 'a', { delayMs: 0 }))
      await store.kill(queue, 'a', stored('e'))
      await tells('a retry', () => store.retry(queue, 'a', { resetAttempts: true }))
      await claimed()
      await tells('a leave', () => store.leave(worker))
      await claimOne(store, await enlist(store, 'dying'))
      await world.advance(35_000, { step: 35_000 })
      await tells('a rescue', () => store.rescue(queue, 10, rescuing))
      await listening[Symbol.asyncDispose]()
    },
  },
  {
    name: 'the end of a row that nobody watches signals nothing',
    async run(world) {
      const store = await world.store()
      const heard: StoreSignal[] = []
      const listening = await store.listen((signal) => void heard.push(signal))
      const worker = await enlist(store, 'w')
      await insert(store, 'a', 'b')
      await settle(store, worker, await claimOne(store, worker))
      await store.remove(queue, 'b')
      await world.quiet()
      await listening[Symbol.asyncDispose]()
      assert.deepEqual(
        heard.filter(({ type }) => type === 'settled'),
        [],
      )
    },
  },
]

function present<Value>(values: readonly (Value | undefined)[]): readonly Value[] {
  return values.filter((value) => value !== undefined)
}
