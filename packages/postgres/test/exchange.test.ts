import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBackendError, isLeaseLostError, type StoreSettlement } from '@apalis/core'
import { Calls } from '../src/calls.ts'
import { exchange } from '../src/exchange.ts'
import type { Link } from '../src/link.ts'

const worker = { id: 'w', queue: 'mail' }
const claimed = { at: 7, rows: [['next', '{}', 5, 3, 0, 1]], dueIn: null }
const settled = { due: false, late: [[2, true]], awaited: null }

function done(count: number): readonly StoreSettlement[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `task ${index}`,
    epoch: 1,
    outcome: { type: 'done' },
  }))
}

/** What each statement was asked for, as `answer` saw it. */
async function exchanged(
  settlements: readonly StoreSettlement[],
  answer: (settles: boolean, claims: boolean) => object,
): Promise<{
  readonly asked: readonly string[]
  readonly came: PromiseSettledResult<Awaited<ReturnType<typeof exchange>>>
}> {
  const asked: string[] = []
  const link: Link = {
    parallel: true,
    direct: true,
    async run(_text, values) {
      const [settles, claims] = [values[2] !== null, values[6] !== null]
      asked.push(`${settles ? 'settle' : ''}${claims ? 'claim' : ''}`)
      return { rows: [{ answer: JSON.stringify(answer(settles, claims)) }] }
    },
    listen: () => Promise.reject(new Error('not here')),
    close: async () => {},
  }
  const calls = new Calls({ link, schema: 's', timeoutMs: 1_000 })
  const session = { calls, offset: 0, tell: () => {} }
  const call = { operation: 'exchange', worker, settlements, limit: 10, suspects: 1 }
  const [came] = await Promise.allSettled([exchange(session, call)])
  return { asked, came }
}

function both(settles: boolean, claims: boolean): object {
  return { settled: settles ? settled : null, claimed: claims ? claimed : null }
}

test('many that are done are settled beside the claim; few, and others, in one statement with it', async () => {
  const { asked, came } = await exchanged(done(100), both)
  assert.deepEqual(asked, ['settle', 'claim'])
  assert.ok(came.status === 'fulfilled')
  assert.deepEqual(came.value.settled.slice(0, 3), ['applied', 'repeated', 'applied'])
  assert.deepEqual(
    came.value.claimed.rows.map(({ id, lockedAt }) => [id, lockedAt]),
    [['next', 7]],
  )
  assert.deepEqual((await exchanged(done(99), both)).asked, ['settleclaim'])
  const released: StoreSettlement = { id: 'x', epoch: 1, outcome: { type: 'released', dueInMs: 0 } }
  assert.deepEqual((await exchanged([...done(100), released], both)).asked, ['settleclaim'])
})

test('a claim that fails tells its own error, a settle that fails that nobody knows what was claimed', async () => {
  const claimFails = await exchanged(done(100), (settles) =>
    settles ? both(true, false) : { lost: true },
  )
  assert.ok(claimFails.came.status === 'rejected')
  assert.ok(isLeaseLostError(claimFails.came.reason))
  const settleFails = await exchanged(done(100), (settles) => {
    if (settles) throw Object.assign(new Error('too many connections'), { code: '53300' })
    return both(false, true)
  })
  assert.ok(settleFails.came.status === 'rejected')
  const { reason } = settleFails.came
  assert.ok(isBackendError(reason))
  assert.deepEqual([reason.transient, reason.applied], [true, 'unknown'])
})
