import { render } from '../../internal/render.ts'
import type { Row, TaskStore } from '../../storage/task-store.ts'
import type { BareHarness } from '../harness.ts'
import { type Invariant, InvariantError } from '../invariant-error.ts'
import { countCall, getCall, listCall, queuesCall, workersCall } from './admin-calls.ts'
import { brokenByRows, mostTelling } from './breaches.ts'
import { all, type Call, seconds, several } from './call.ts'
import { differences } from './differences.ts'
import { Reference } from './reference.ts'
import type { ReferenceState } from './reference-state.ts'

/** Everything that a storage shows is looked at after so many calls, and at the end. */
const callsBetweenInspections = 15
/** So much of what is wrong is told. */
const mostTold = 5

/** What a history takes place on. */
export interface TrialOptions {
  readonly harness: BareHarness<unknown>
  /** Asked in turn. */
  readonly connections: readonly [TaskStore, TaskStore]
  readonly queues: readonly string[]
  /** By how many milliseconds the storage's clock may run ahead of the harness's. */
  readonly drift: number
}

/** What was done in a history, and can be done again in another, or left out. */
export interface Action {
  readonly play: (trial: Trial) => Promise<unknown>
  /** Less than that, in its place. */
  readonly simpler: () => readonly Action[]
}

/** One history: calls made of a storage and of the model, whose answers are compared. */
export class Trial {
  readonly reference: Reference
  readonly connections: readonly [TaskStore, TaskStore]
  /** For people: all that was done so far. */
  readonly lines: string[] = []
  /** The same, to do it again. */
  readonly actions: Action[] = []
  /** How many calls were made, those not counted that only look. */
  calls = 0
  readonly #harness: BareHarness<unknown>
  readonly #queues: readonly string[]
  readonly #drift: number
  #turns = 0

  constructor({ harness, connections, queues, drift }: TrialOptions) {
    this.reference = new Reference(harness.clock.now() + drift, drift)
    this.connections = connections
    this.#harness = harness
    this.#queues = queues
    this.#drift = drift
  }

  /** What the harness's clock shows. */
  get now(): number {
    return this.#harness.clock.now()
  }

  /** Makes a call; throws an {@link InvariantError} where its answer, or what it leaves behind, is not the model's. */
  async make<Answer>(call: Call<Answer>, note = ''): Promise<Answer> {
    this.actions.push(actionOf(call, this.reference.snapshot()))
    this.calls += 1
    const answer = await this.#compare(call, note)
    if (this.calls % callsBetweenInspections === 0) await this.inspect()
    return answer
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    this.lines.push(`${seconds(ms)} pass`)
    this.actions.push({ play: (trial) => trial.advance(ms), simpler: () => [] })
    await this.#harness.advance(ms)
    // The latest that it can be for the storage: all times lie further apart than that.
    this.reference.now = this.now + this.#drift
  }

  /** Compares all that the storage shows. */
  async inspect(): Promise<void> {
    for (const queue of this.#queues) {
      const ids = this.reference.rows(queue).map(({ id }) => id)
      await this.#look(listCall(queue))
      await this.#look(listCall(queue, { status: 'pending', offset: 1, limit: 2 }))
      await this.#look(countCall(queue))
      await this.#look(getCall(queue, [...ids, 'never there']))
      await this.#look(workersCall(queue))
    }
    await this.#look(queuesCall())
    await this.#look(workersCall())
  }

  async #look<Answer>(call: Call<Answer>): Promise<void> {
    await this.#compare(call, '')
    // What went well is nothing that somebody did.
    this.lines.pop()
  }

  async #compare<Answer>(call: Call<Answer>, note: string): Promise<Answer> {
    const [one, other] = this.connections
    const [asked, seeing] = this.#turns % 2 === 0 ? [one, other] : [other, one]
    this.#turns += 1
    const line = this.lines.push(`${call.text}${note}`) - 1
    const before = this.reference.snapshot()
    const actual = await this.#ask(call, asked)
    const became = call.became?.(actual) ?? []
    if (became.length > 0) this.lines[line] += ` → ${several(became)}`
    const expected = call.expect(this.reference, actual)
    const told = [...differences(expected, actual, this.#drift)]
    let names: readonly Invariant[] =
      told.length > 0 ? [call.breaks({ expected, actual, before, drift: this.#drift })] : []
    if (call.changes !== undefined) {
      const rows = await seeing.list(call.changes, all)
      const byRows = brokenByRows(call.changes, this.reference, rows, this.#drift)
      names = explained(names, byRows)
      const stored = differences(this.reference.rows(call.changes), rows, this.#drift)
      told.push(...stored.map((difference) => `rows of ${call.changes}${difference}`))
      if (names.length === 0) await this.#follow(call.changes, rows, seeing)
    }
    if (names.length > 0) throw this.#broken(mostTelling(names), call.text, told)
    return actual
  }

  async #ask<Answer>(call: Call<Answer>, store: TaskStore): Promise<Answer> {
    try {
      return await call.ask(store)
    } catch (error) {
      throw this.#broken('contract', call.text, [`it threw ${render(error)}`], error)
    }
  }

  /** Takes over what the storage's clock has decided, so that what follows from it is decided alike. */
  async #follow(queue: string, rows: readonly Row[], store: TaskStore): Promise<void> {
    if (this.#drift === 0) return
    const workers = await store.workers(queue)
    const { tasks, leases } = this.reference
    this.reference.tasks = tasks.map((task) => {
      const row = task.queue === queue ? rows.find(({ id }) => id === task.row.id) : undefined
      return row === undefined ? task : { ...task, row }
    })
    this.reference.leases = leases.map((lease) => {
      const worker = lease.queue === queue ? workers.find(({ id }) => id === lease.id) : undefined
      if (worker === undefined) return lease
      return { ...lease, startedAt: worker.startedAt, lastBeatAt: worker.lastBeatAt }
    })
  }

  #broken(
    invariant: Invariant,
    text: string,
    told: readonly string[],
    cause?: unknown,
  ): InvariantError {
    const more = told.length > mostTold ? [`and ${told.length - mostTold} more`] : []
    const lines = [...told.slice(0, mostTold), ...more].map((line) => `\n  ${line}`)
    return new InvariantError(invariant, `${text}${lines.join('')}`, { cause })
  }
}

function actionOf<Answer>(call: Call<Answer>, then: ReferenceState): Action {
  const anew = call.anew?.(then) ?? (() => call)
  return {
    play: (trial) => trial.make(anew(trial.reference)),
    simpler: () => (call.simpler?.() ?? []).map((simpler) => actionOf(simpler, then)),
  }
}

/** What an answer and the rows behind it break together: the answer says more, unless it came since a row is gone. */
function explained(
  byAnswer: readonly Invariant[],
  byRows: readonly Invariant[],
): readonly Invariant[] {
  const [name] = byAnswer
  if (name === undefined) return byRows
  const gone = byRows.includes('nothing lost') && (name === 'order' || name === 'contract')
  return gone ? ['nothing lost'] : byAnswer
}
