import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackendError } from '../../src/errors/backend-errors.ts'
import { LeaseLostError } from '../../src/errors/task-errors.ts'
import { RoundTrips } from '../../src/storage/round-trips.ts'
import type { Claimed, StoreSettled, TaskStore } from '../../src/storage/task-store.ts'
import { turn } from '../../src/time/clock.ts'

const worker = { id: 'w', queue: 'q' }
const rows = [{ id: 'a', epoch: 1, outcome: { type: 'done' } }] as const
const suspects = { suspects: 0 } as const

/** The calls that a store would have got. */
function recorded(exchange: TaskStore['exchange'] | 'none' = async () => both): {
  readonly trips: RoundTrips
  readonly calls: string[]
} {
  const calls: string[] = []
  const store: Pick<TaskStore, 'settle' | 'claim' | 'exchange'> = {
    async settle() {
      calls.push('settle')
      return ['applied']
    },
    async claim() {
      calls.push('claim')
      return { rows: [] }
    },
  }
  if (exchange !== 'none') {
    store.exchange = (...args) => {
      calls.push('exchange')
      return exchange?.(...args) ?? Promise.reject(new TypeError('none'))
    }
  }
  // Nothing else of a store is called.
  return { trips: new RoundTrips(store as TaskStore, worker), calls }
}

const both: { readonly settled: readonly StoreSettled[]; readonly claimed: Claimed } = {
  settled: ['applied'],
  claimed: { rows: [], dueIn: 5 },
}

for (const first of ['settle', 'claim'] as const) {
  test(`a settle and a claim of one turn are one exchange, the ${first} first`, async () => {
    const { trips, calls } = recorded()
    const settle = (): Promise<unknown> => trips.settle(rows)
    const claim = (): Promise<unknown> => trips.claim(3, suspects)
    const begun = first === 'settle' ? [settle(), claim()] : [claim(), settle()]
    const answers = await Promise.all(begun)
    assert.deepEqual(calls, ['exchange'])
    const expected = [both.settled, both.claimed]
    assert.deepEqual(answers, first === 'settle' ? expected : expected.toReversed())
  })
}

test('alone, or in different turns, each is a call of its own', async () => {
  const { trips, calls } = recorded()
  await trips.settle(rows)
  await turn()
  await trips.claim(3, suspects)
  assert.deepEqual(calls, ['settle', 'claim'])
})

test('a store without exchange gets two calls', async () => {
  const { trips, calls } = recorded('none')
  await Promise.all([trips.settle(rows), trips.claim(3, suspects)])
  assert.deepEqual(calls, ['settle', 'claim'])
})

test('an exchange that surely did nothing is followed by both alone', async () => {
  const refused = new BackendError('exchange', 'bad row', { transient: false, applied: 'no' })
  const { trips, calls } = recorded(() => Promise.reject(refused))
  const [settled, claimed] = await Promise.all([trips.settle(rows), trips.claim(3, suspects)])
  assert.deepEqual(calls, ['exchange', 'settle', 'claim'])
  assert.deepEqual(settled, ['applied'])
  assert.deepEqual(claimed, { rows: [] })
})

for (const error of [new BackendError('exchange', 'timeout'), new LeaseLostError('w')]) {
  test(`after an exchange that ended with ${error.name} core settles alone, and the claim fails with it`, async () => {
    const { trips, calls } = recorded(() => Promise.reject(error))
    const settled = trips.settle(rows)
    await assert.rejects(trips.claim(3, suspects), error)
    assert.deepEqual(await settled, ['applied'])
    assert.deepEqual(calls, ['exchange', 'settle'])
  })
}
