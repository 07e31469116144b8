import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackendError } from '../../src/errors/backend-errors.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import type { BareHarness } from '../../src/testing/harness.ts'
import { LostAnswer } from '../../src/testing/simulation/lost-answer.ts'
import { simulate } from '../../src/testing/simulation/simulate.ts'
import { simulation } from '../../src/testing/simulation/simulation.ts'
import { SimulationError } from '../../src/testing/simulation/simulation-error.ts'
import { memoryHarness } from '../conformance/harnesses.ts'
import { releaseDropsRow } from '../twins/release-drops-row.ts'
import { overriding, twinHarness } from '../twins/twin.ts'

/** A storage that loses what is given back, and a seed that shows it. */
const harness = () => twinHarness(releaseDropsRow)
const from = 3

async function failureOf(promise: Promise<unknown>): Promise<SimulationError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof SimulationError)
  return error
}

test('a failure names the invariant, the seed, what happened around it, and how to replay it', async () => {
  const error = await failureOf(simulation({ harness, from }))
  assert.equal(error.invariant, 'nothing lost')
  assert.equal(error.code, 'ERR_INVARIANT')
  const [what = '', replay = '', ...excerpt] = error.message.split('\n')
  assert.match(what, /^nothing lost: t\d+ was pending, and is gone$/)
  assert.deepEqual(JSON.parse(replay.replace('Replay it: ', '')), {
    seed: error.seed,
    ...error.reduction,
  })
  assert.ok(excerpt.some((line) => line.includes('=released')))
  assert.ok(excerpt.length < 90)
})

test('a failure is made smaller, and what is left of it fails by itself', async () => {
  const { seed, reduction, log } = await failureOf(simulation({ harness, from }))
  const whole = await failureOf(simulate({ harness, seed }))
  assert.ok(reduction.tasks !== undefined && (reduction.without?.length ?? 0) > 0)
  assert.ok(log.length < whole.log.length, `${log.length} of ${whole.log.length} lines`)
  const replayed = await failureOf(simulate({ harness, seed, ...reduction }))
  assert.deepEqual(replayed.log, log)
})

test('a reduction takes kinds of faults, processes and tasks away, and leaves the rest', async () => {
  const whole = await simulate({ harness: memoryHarness, seed: 4 })
  const reduced = await simulate({ harness: memoryHarness, seed: 4, processes: 1, tasks: 3 })
  const tasks = reduced.log.join('\n').match(/\bt\d+\b/g) ?? []
  assert.ok(tasks.length > 0 && tasks.every((id) => ['t1', 't2', 't3'].includes(id)))
  assert.ok(reduced.log.length < whole.log.length)
  const without = ['die', 'poison', 'stop', 'freeze', 'outage'] as const
  const calm = await simulate({ harness: memoryHarness, seed: 4, without })
  assert.ok(!calm.log.some((line) => / dies$| is killed by |stands still for \d{4}/.test(line)))
})

test('what it is asked is checked before it begins', async () => {
  await assert.rejects(simulation({ harness: memoryHarness, seeds: 0 }), /simulation\.seeds/)
  await assert.rejects(simulation({ harness: memoryHarness, from: 1.5 }), /simulation\.from/)
  await assert.rejects(
    simulate({ harness: memoryHarness, seed: 1, stacks: [] }),
    /at least one stack/,
  )
})

test('a harness is closed whatever comes of its seed', async () => {
  let open = 0
  const counted = () => {
    open += 1
    const made = harness()
    return { ...made, close: async () => void (open -= 1) }
  }
  await failureOf(simulation({ harness: counted, from }))
  assert.equal(open, 0)
})

/** A storage on a server's clock: real time goes on in it, a millisecond a call. */
function restlessHarness(): BareHarness {
  const clock = new TestClock()
  let ahead = 0
  const store = new MemoryStore({
    clock: {
      now: () => clock.now() + (ahead += 1),
      monotonic: () => clock.monotonic(),
      setTimer: (callback, ms) => clock.setTimer(callback, ms),
    },
  })
  const open = async () => store
  return { clock, open, advance: (ms) => clock.advance(ms), async corrupt() {}, async close() {} }
}

test('a storage on a clock of its own, in which time goes on, breaks nothing', async () => {
  await simulation({ harness: restlessHarness, seeds: 60, without: ['storageClock'] })
})

/** Every fifth settle is applied, and fails; `told` makes of that what the store throws. */
function failingHarness(told: (answer: unknown, heard: Error) => Error): BareHarness {
  const clock = new TestClock()
  const store = new MemoryStore({ clock })
  let settles = 0
  const failing = overriding(store, {
    async settle(worker, settlements) {
      const answer = await store.settle(worker, settlements)
      settles += 1
      if (settles % 5 > 0) return answer
      throw told(answer, new BackendError('settle', 'the connection was lost'))
    },
  })
  const open = async () => failing
  return { clock, open, advance: (ms) => clock.advance(ms), async corrupt() {}, async close() {} }
}

test('a store whose own error path is taken after it has done its work says what it lost', async () => {
  const lost = () => failingHarness((answer, heard) => new LostAnswer(answer, heard))
  await simulation({ harness: lost, seeds: 20 })
  // Without that the checks know less than the storage.
  await failureOf(simulation({ harness: () => failingHarness((_, heard) => heard) }))
})
