import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLeaseLostError } from '../../../src/errors/task-errors.ts'
import type {
  ClaimedRow,
  NewRow,
  Row,
  StoreOutcome,
  StoreWorker,
} from '../../../src/storage/task-store.ts'
import { suspectRescues } from '../../../src/storage/task-store.ts'
import { error, ids, Lab, leaseMs, queue, rescuing, row } from './fixture.ts'
import { seeded } from './seeded.ts'

const KEEP = 20
const STEPS = 1_500

/** Does anything at random, and checks after each step what must hold whatever was done. */
class Chaos {
  readonly #random: (below: number) => number
  readonly #lab = new Lab({ keepFinished: KEEP })
  readonly #workers: StoreWorker[] = []
  /** Every claim there ever was. */
  readonly #claims: { readonly worker: StoreWorker; readonly row: ClaimedRow }[] = []
  readonly #applied = new Set<string>()
  readonly #epochs = new Map<string, number>()
  readonly #inserted = new Map<string, NewRow>()
  /** Every row that was awaited. */
  readonly #awaited = new Set<string>()
  #ids = 0
  #paused = false

  constructor(seed: number) {
    this.#random = seeded(seed)
  }

  async run(): Promise<void> {
    await this.#register()
    for (let step = 0; step < STEPS; step += 1) {
      await this.#act()
      await this.#check()
    }
    // The run is worth nothing if it went past what it is about.
    assert.ok(this.#claims.length > 250 && this.#applied.size > 100)
  }

  async #act(): Promise<void> {
    const { store } = this.#lab
    const roll = this.#random(100)
    if (roll < 18) return this.#insert()
    if (roll < 38) return this.#claim()
    if (roll < 60) return this.#settle()
    if (roll < 68) return this.#lab.pass(this.#random(2_000))
    if (roll < 72) return this.#register()
    if (roll < 77) return this.#beat()
    if (roll < 80) return void (await store.rescue(queue, this.#random(4), rescuing))
    if (roll < 81) return this.#lab.pass(leaseMs)
    if (roll < 82) return store.leave(this.#pick(this.#workers))
    const id = await this.#anyId()
    if (roll < 85) return void (await store.kill(queue, id, error()))
    if (roll < 87) return void (await store.take(queue, id))
    if (roll < 90) return void (await store.retry(queue, id, { resetAttempts: roll === 88 }))
    if (roll < 92) return void (await store.remove(queue, id))
    if (roll < 95) return this.#update(id)
    if (roll < 97) return this.#watch(id)
    if (roll < 99) return this.#purge()
    this.#paused = this.#random(3) === 0
    return store.pause(queue, this.#paused)
  }

  async #insert(): Promise<void> {
    const before = await this.#lab.stored()
    // An id is used again only while it is stored, so that an id and an epoch name one claim.
    const fresh = (): string => `task-${(this.#ids += 1)}`
    const known = [fresh(), ...before.slice(-2)]
    const rows = Array.from({ length: 1 + this.#random(4) }, () => {
      return row(this.#random(3) === 0 ? this.#pick(known) : fresh(), {
        priority: this.#random(3) - 1,
        ...(this.#random(2) === 0 && { delayMs: this.#random(3_000) }),
        ...(this.#random(3) === 0 && { uniqueKey: `key-${this.#random(8)}` }),
        ...(this.#random(2) === 0 && { uniqueForMs: 1 + this.#random(5_000) }),
      })
    })
    const refuseExisting = this.#random(4) === 0
    const answers = await this.#lab.store.insert(queue, rows, { refuseExisting })
    assert.equal(answers.length, rows.length)
    if (refuseExisting && answers.some(({ existing }) => existing)) {
      assert.deepEqual(await this.#lab.stored(), before)
      return
    }
    for (const [index, { id, existing }] of answers.entries()) {
      const inserted = rows[index]
      assert.ok(inserted)
      assert.ok((await this.#lab.read(id)).id === id, 'who is named is stored')
      if (existing) continue
      this.#inserted.set(id, inserted)
      this.#epochs.set(id, 0)
    }
  }

  async #claim(): Promise<void> {
    const worker = this.#pick(this.#workers)
    const limit = this.#random(6)
    const suspects = this.#random(2) === 0 ? 0 : 1
    const expected = this.#expected(await this.#rows(), limit, suspects)
    const claimed = await orLost(this.#lab.claim(worker, limit, suspects))
    if (claimed === undefined) return this.#lab.store.register(worker)
    assert.deepEqual(ids(claimed), this.#paused ? [] : expected)
    for (const one of claimed) {
      assert.equal(one.epoch, (this.#epochs.get(one.id) ?? 0) + 1, 'the epoch grows by one')
      this.#epochs.set(one.id, one.epoch)
      this.#claims.push({ worker, row: one })
    }
  }

  /** What a claim has to bring, by the rows that are stored. */
  #expected(rows: readonly Row[], limit: number, suspects: number): readonly string[] {
    let suspectsLeft = suspects
    return ids(
      rows
        .filter((one) => this.#isDue(one))
        .toSorted((a, b) => b.priority - a.priority || a.runAt - b.runAt)
        .filter(({ rescues }) => rescues < suspectRescues || (suspectsLeft -= 1) >= 0)
        .slice(0, limit),
    )
  }

  async #settle(): Promise<void> {
    if (this.#claims.length === 0) return
    // Mostly claims of late, now and then one that may be long over.
    const recent = this.#random(4) === 0 ? this.#claims.length : 12
    const index = this.#claims.length - 1 - this.#random(Math.min(recent, this.#claims.length))
    const { worker, row: claimed } = this.#claims[index] ?? this.#pick(this.#claims)
    const before = await this.#lab.store.get(queue, [claimed.id])
    const outcome = this.#outcome()
    const settled = await this.#lab.settle(worker, claimed, outcome)
    const fence = `${claimed.id} ${claimed.epoch}`
    if (settled === 'applied') {
      assert.ok(!this.#applied.has(fence), 'one claim is settled once')
      assert.equal(before[0]?.lockedBy, worker.id)
      this.#applied.add(fence)
      if (outcome.type === 'done') await this.#checkKept()
    } else {
      assert.deepEqual(await this.#lab.store.get(queue, [claimed.id]), before)
    }
  }

  #outcome(): StoreOutcome {
    return this.#pick<StoreOutcome>([
      { type: 'done' },
      { type: 'done', result: '1' },
      { type: 'failed', error: error(), retryInMs: this.#random(3_000) },
      { type: 'killed', error: error() },
      { type: 'released', dueInMs: 0 },
      { type: 'released', dueInMs: this.#random(3_000) },
    ])
  }

  async #register(): Promise<void> {
    const known = this.#workers.length
    if (known < 8) this.#workers.push(await this.#lab.enlist(`worker-${known}`))
    else await this.#lab.store.register(this.#pick(this.#workers))
  }

  async #beat(): Promise<void> {
    const worker = this.#pick(this.#workers)
    const beat = await orLost(this.#lab.store.beat(worker))
    if (beat === undefined) return
    const rows = await this.#rows()
    const held = rows.filter(({ lockedBy }) => lockedBy === worker.id)
    assert.deepEqual(
      beat.held.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      held.map(({ id, epoch }) => ({ id, epoch })).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    )
    const waiting = rows.filter(isWaiting).map(({ runAt }) => runAt)
    const dueIn = Math.max(0, Math.min(...waiting) - this.#lab.clock.now())
    assert.equal(beat.dueIn, this.#paused || waiting.length === 0 ? undefined : dueIn)
    const others = rows.some(({ lockedBy }) => lockedBy !== undefined && lockedBy !== worker.id)
    assert.equal(beat.rescueIn !== undefined, others)
  }

  async #update(id: string): Promise<void> {
    const { runAt } = (await this.#lab.store.get(queue, [id]))[0] ?? { runAt: 0 }
    await this.#lab.store.update(queue, id, {
      ...(this.#random(2) === 0 && { priority: this.#random(3) - 1 }),
      ...(this.#random(2) === 0 && { runAt: runAt + this.#random(2_000) - 1_000 }),
    })
  }

  async #watch(id: string): Promise<void> {
    await this.#lab.store.watch(queue, [id])
    this.#awaited.add(id)
  }

  async #purge(): Promise<void> {
    const status = this.#random(2) === 0 ? 'done' : 'killed'
    const olderThanMs = this.#random(5_000)
    const before = (await this.#rows()).length
    const purged = await this.#lab.store.purge(queue, { status, olderThanMs, limit: 3 })
    assert.ok(purged <= 3)
    assert.ok((await this.#rows()).length <= before - purged)
  }

  async #check(): Promise<void> {
    const rows = await this.#rows()
    const now = this.#lab.clock.now()
    const { due, oldestDueMs, ...byStatus } = await this.#lab.store.count(queue)
    const counted = { pending: 0, running: 0, done: 0, failed: 0, killed: 0 }
    const held = new Map<string, number>()
    for (const one of rows) {
      counted[one.status] += 1
      const finished = one.status === 'done' || one.status === 'killed'
      assert.equal(one.lockedBy !== undefined, one.status === 'running', 'running iff owned')
      assert.equal(one.lockedAt !== undefined, one.status === 'running')
      assert.equal(one.finishedAt !== undefined, finished)
      assert.equal(one.epoch, this.#epochs.get(one.id), 'the epoch changes by claims only')
      assert.ok(one.attempt >= 0 && one.attempt <= one.epoch)
      assert.ok(one.rescues <= rescuing.maxRescues)
      if (one.lockedBy !== undefined) held.set(one.lockedBy, (held.get(one.lockedBy) ?? 0) + 1)
    }
    assert.deepEqual(byStatus, counted)
    const dueRows = rows.filter((one) => this.#isDue(one))
    assert.equal(due, dueRows.length)
    const oldest = Math.min(...dueRows.map(({ runAt }) => runAt))
    assert.equal(oldestDueMs, dueRows.length === 0 ? undefined : now - oldest)
    for (const worker of await this.#lab.store.workers(queue)) {
      assert.equal(worker.held, held.get(worker.id) ?? 0)
    }
    this.#checkKeys(rows)
  }

  /** No key has two holders. */
  #checkKeys(rows: readonly Row[]): void {
    const keys = rows.filter((one) => this.#holdsKey(one)).map(({ uniqueKey }) => uniqueKey)
    assert.equal(new Set(keys).size, keys.length)
  }

  /** After an end, only so many finished rows are kept without another reason. */
  async #checkKept(): Promise<void> {
    const past = this.#lab.clock.now() - 60_000
    const kept = (await this.#rows()).filter(
      (one) =>
        one.finishedAt !== undefined &&
        !this.#holdsKey(one) &&
        !(this.#awaited.has(one.id) && one.finishedAt > past),
    )
    assert.ok(kept.length <= KEEP, `${kept.length} are kept`)
  }

  #holdsKey({ id, uniqueKey, createdAt, finishedAt }: Row): boolean {
    if (uniqueKey === undefined) return false
    const window = this.#inserted.get(id)?.uniqueForMs
    if (window === undefined) return finishedAt === undefined
    return this.#lab.clock.now() < createdAt + window
  }

  #isDue(one: Row): boolean {
    return isWaiting(one) && one.runAt <= this.#lab.clock.now()
  }

  async #rows(): Promise<readonly Row[]> {
    return this.#lab.store.list(queue, { offset: 0, limit: 1_000_000 })
  }

  async #anyId(): Promise<string> {
    const stored = await this.#lab.stored()
    return stored.length === 0 ? 'missing' : this.#pick(stored)
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[this.#random(items.length)]
    assert.ok(item !== undefined)
    return item
  }
}

function isWaiting({ status }: Row): boolean {
  return status === 'pending' || status === 'failed'
}

/** Undefined when the lease was lost. */
async function orLost<Answer>(call: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await call
  } catch (thrown) {
    if (isLeaseLostError(thrown)) return undefined
    throw thrown
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`whatever is done at random, the store stays consistent (seed ${seed})`, async () => {
    await new Chaos(seed).run()
  })
}
