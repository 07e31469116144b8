import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OptionError } from '../../src/internal/validate.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import type { TaskStore } from '../../src/storage/task-store.ts'
import type { BareHarness } from '../../src/testing/harness.ts'
import { type Invariant, isInvariantError } from '../../src/testing/invariant-error.ts'
import { model, ModelError, type ModelOptions } from '../../src/testing/model/model.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import type { Clock } from '../../src/time/clock.ts'
import { overriding } from '../twins/twin.ts'

/** A memory store, or what `broken` makes of one, and how often such a thing was opened and closed. */
class Lab {
  opened = 0
  closed = 0
  readonly #broken: (store: TaskStore) => TaskStore

  constructor(broken: (store: TaskStore) => TaskStore = (store) => store) {
    this.#broken = broken
  }

  readonly harness = (): BareHarness => {
    this.opened += 1
    const clock = new TestClock()
    const store = this.#broken(new MemoryStore({ clock }))
    return {
      clock,
      open: async () => store,
      advance: (ms) => clock.advance(ms),
      async corrupt() {},
      close: async () => {
        this.closed += 1
      },
    }
  }

  async caught(options: Partial<ModelOptions> = {}): Promise<ModelError> {
    const run = model({ harness: this.harness, seed: 1, ...options })
    const error: unknown = await run.catch((thrown: unknown) => thrown)
    assert.ok(error instanceof ModelError, 'nothing was caught')
    return error
  }
}

/** Whatever is claimed comes the wrong way round. */
function claimsBackwards(store: TaskStore): TaskStore {
  return overriding(store, {
    async claim(...args) {
      const claimed = await store.claim(...args)
      return { ...claimed, rows: claimed.rows.toReversed() }
    },
  })
}

/** A task may kill one worker more than it should. */
function rescuesOnceMore(store: TaskStore): TaskStore {
  return overriding(store, {
    rescue: (queue, limit, { maxRescues, poison }) =>
      store.rescue(queue, limit, { maxRescues: maxRescues + 1, poison }),
  })
}

describe('the histories of a seed', () => {
  it('are the same each time, each on data of its own', async () => {
    const [one, other, another] = [new Lab(), new Lab(), new Lab()]
    const report = await model({ harness: one.harness, runs: 10, seed: 7 })
    assert.deepEqual(await model({ harness: other.harness, runs: 10, seed: 7 }), report)
    assert.equal(report.runs, 10)
    assert.equal(report.seed, 7)
    assert.deepEqual([one.opened, one.closed], [10, 10])
    const { calls } = await model({ harness: another.harness, runs: 10, seed: 8 })
    assert.notEqual(calls, report.calls)
  })

  it('are others each time when no seed is given', async () => {
    const { seed } = await model({ harness: new Lab().harness, runs: 1 })
    assert.notEqual((await model({ harness: new Lab().harness, runs: 1 })).seed, seed)
  })

  it('are played on a store without exchange, too', async () => {
    const lab = new Lab((store) => overriding(store, {}))
    assert.equal((await model({ harness: lab.harness, runs: 10 })).runs, 10)
  })
})

describe('a failure', () => {
  it('says what is broken, what was done, and how to see it again', async () => {
    const lab = new Lab(claimsBackwards)
    const { message, invariant, seed, path, history, code } = await lab.caught()
    assert.equal(invariant, 'order')
    assert.equal(code, 'ERR_INVARIANT')
    assert.match(message, /^order: \S+ claims up to \d+/)
    assert.ok(message.includes(': expected "'), message)
    const lines = message.split('\n')
    assert.ok(lines.includes(`seed ${seed}, path "${path}", shortened to:`), message)
    assert.deepEqual(
      lines.slice(-history.length).map((line) => line.trim()),
      history.map((line, index) => `${index + 1}. ${line}`),
    )
    assert.equal(lab.closed, lab.opened)
  })

  it('is shortened to what has to do with it', async () => {
    for (const seed of [1, 2, 3]) {
      const { history } = await new Lab(claimsBackwards).caught({ seed })
      // Two tasks, pushed together or not; a worker; and both of them claimed.
      assert.ok(history.length === 3 || history.length === 4, history.join('\n'))
      const what = history.map((line) => / registers |push to | claims up to /.exec(line)?.[0])
      assert.deepEqual(
        new Set(what),
        new Set([' registers ', 'push to ', ' claims up to ']),
        history.join('\n'),
      )
      assert.match(history.at(-1) ?? '', / → \w+#1, \w+#1$/)
    }
  })

  it('comes again with its seed alone, and at once with its path', async () => {
    const labs = [
      new Lab(rescuesOnceMore),
      new Lab(rescuesOnceMore),
      new Lab(rescuesOnceMore),
    ] as const
    const first = await labs[0].caught()
    const second = await labs[1].caught({ seed: first.seed })
    assert.equal(second.message, first.message)
    assert.ok(Number(first.path) > 0, 'the first history failed')
    const third = await labs[2].caught({ seed: first.seed, path: first.path })
    assert.equal(third.message, first.message)
    assert.equal(labs[2].opened, labs[0].opened - Number(first.path))
  })

  it('of the harness is passed on, and not tried again', async () => {
    let opened = 0
    const harness = (): never => {
      opened += 1
      throw new Error('no server')
    }
    await assert.rejects(model({ harness }), /^Error: no server$/)
    assert.equal(opened, 1)
  })
})

/** What a store does wrong, and what that breaks. */
const breakages: readonly (readonly [
  what: string,
  invariant: Invariant,
  broken: (store: TaskStore) => TaskStore,
])[] = [
  [
    'claims for whoever has no lease any more',
    'one owner',
    (store) =>
      overriding(store, {
        claim: (worker, ...args) =>
          store.claim(worker, ...args).catch(() => ({ rows: [], dueIn: 1 })),
      }),
  ],
  [
    'takes a key twice',
    'uniqueness',
    (store) =>
      overriding(store, {
        async insert(queue, rows, options) {
          const answers = await store.insert(queue, rows, options)
          return answers.map(({ existing }, index) => ({ id: rows[index]?.id ?? '', existing }))
        },
      }),
  ],
  ['lets a task kill one worker more', 'budgets', rescuesOnceMore],
  [
    'says that it has killed what was done',
    'terminal rows stay',
    (store) => overriding(store, { kill: async (...args) => (await store.kill(...args), true) }),
  ],
  [
    'forgets a task that is killed',
    'nothing lost',
    (store) =>
      overriding(store, {
        async kill(queue, id, error) {
          const killed = await store.kill(queue, id, error)
          if (killed) await store.remove(queue, id)
          return killed
        },
      }),
  ],
  [
    'purges what is too young',
    'nothing lost',
    (store) =>
      overriding(store, {
        purge: (queue, options) => store.purge(queue, { ...options, olderThanMs: 0 }),
      }),
  ],
  ['knows no queue', 'contract', (store) => overriding(store, { queues: async () => [] })],
  [
    'throws',
    'contract',
    (store) => overriding(store, { take: () => Promise.reject(new Error('not today')) }),
  ],
]

describe('what is broken is named when a store', () => {
  for (const [what, invariant, broken] of breakages) {
    it(`${what}: ${invariant}`, async () => {
      const error = await new Lab(broken).caught()
      assert.equal(error.invariant, invariant, error.message)
      assert.ok(isInvariantError(error))
    })
  }

  it('throws: with what it threw', async () => {
    const error = await new Lab((store) =>
      overriding(store, { take: () => Promise.reject(new Error('not today')) }),
    ).caught()
    assert.match(error.message, /it threw Error: not today/)
  })
})

describe('a storage whose clock goes on by itself', () => {
  /** Every reading of it takes a millisecond or two. */
  class RestlessClock implements Clock {
    readonly #clock: TestClock
    #ahead = 0

    constructor(clock: TestClock) {
      this.#clock = clock
    }

    now(): number {
      this.#ahead += 1 + (this.#ahead % 2)
      return this.#clock.now() + this.#ahead
    }

    monotonic(): number {
      return this.#clock.monotonic()
    }

    setTimer(callback: () => void, ms: number): ReturnType<Clock['setTimer']> {
      return this.#clock.setTimer(callback, ms)
    }
  }

  function harness(): BareHarness {
    const clock = new TestClock()
    const store = new MemoryStore({ clock: new RestlessClock(clock) })
    return {
      clock,
      open: async () => store,
      advance: (ms) => clock.advance(ms),
      async corrupt() {},
      async close() {},
    }
  }

  it('is as right as one that stands still, within its drift', async () => {
    assert.equal((await model({ harness, drift: '5s', runs: 40 })).runs, 40)
  })

  it('is not right by the millisecond', async () => {
    await assert.rejects(model({ harness }), isInvariantError)
  })

  it('is caught all the same when something else is wrong', async () => {
    const broken = (): BareHarness => {
      const restless = harness()
      return { ...restless, open: async () => claimsBackwards(await restless.open()) }
    }
    const error: unknown = await model({ harness: broken, drift: '5s', seed: 1 }).catch(
      (thrown: unknown) => thrown,
    )
    assert.ok(isInvariantError(error))
    assert.equal(error.invariant, 'order')
  })
})

describe('options', () => {
  it('are refused by name where they cannot be used', async () => {
    const { harness } = new Lab()
    const wrong: readonly (readonly [string, object])[] = [
      ['runs', { runs: 0 }],
      ['seed', { seed: 0.5 }],
      ['drift', { drift: '6s' }],
      ['drift', { drift: -1 }],
      ['path', { path: 1, seed: 1 }],
      ['seed', { path: '1' }],
      ['harness', { harness: undefined }],
      ['model options.sede', { sede: 1 }],
    ]
    for (const [option, options] of wrong) {
      await assert.rejects(
        model({ harness, ...options }),
        (error) => error instanceof OptionError && error.option === option,
        option,
      )
    }
  })
})
