import type { TaskStore } from '../storage/task-store.ts'
import type { TestClock } from './test-clock.ts'

/** What the suite needs of a storage under test: empty data that several connections share, and time that it can move. */
export interface Harness<Tx = never> {
  /** The clock of every worker and storage opened here. Begins at the storage's own time. */
  readonly clock: TestClock
  /** Opens another connection to the same data, as another process would; the data is empty at first. */
  open(): Promise<TaskStore<Tx>>
  /** Moves time for everybody, the storage's own clock included. */
  advance(ms: number): Promise<void>
  /** Begins a transaction of the caller's, where the storage has them. */
  begin?(): Promise<CallerTransaction<Tx>>
  /** Writes a stored task's `args` behind the client's back. */
  corrupt(queue: string, id: string, args: string): Promise<void>
  /**
   * A command that opens this data in a process of its own, pushes `{ "n": 1 }` to the queue it is given as its last
   * argument, closes nothing, and has nothing else to do.
   */
  producer?(): Producer
  /** Frees everything, the data included. */
  close(): Promise<void>
}

/** A transaction that the case ends itself. */
export interface CallerTransaction<Tx> {
  readonly tx: Tx
  readonly commit: () => Promise<void>
  readonly rollback: () => Promise<void>
}

/** A program to start. */
export interface Producer {
  readonly command: string
  readonly args: readonly string[]
}

/** What a storage, or its harness, may lack. */
export type Capability =
  /** `begin`: pushing inside a transaction of the caller's. */
  | 'transactions'
  /** Others can write while such a transaction is open. */
  | 'concurrent-transactions'
  /** `producer`: the data can be opened by a program of its own. */
  | 'producer'

/** What to run the suite on. */
export interface ConformanceOptions<Tx = never> {
  /** Makes a harness; each case gets one of its own. */
  readonly harness: () => Harness<Tx> | Promise<Harness<Tx>>
  /** What is lacking, each with the reason: it is what the skipped cases say. */
  readonly without?: Readonly<Partial<Record<Capability, string>>>
  /** How many tasks the case of the yielding loop runs at least. @default 20_000 */
  readonly many?: number
}

/** One behaviour, ready to run: `test(name, { skip }, run)`. */
export interface Case {
  readonly name: string
  /** Its number in the list of behaviours; undefined for what is listed elsewhere. */
  readonly number: number | undefined
  /** Why it cannot run on this storage. */
  readonly skip: string | undefined
  /** Runs it in a world of its own; rejects where the behaviour is another. */
  readonly run: () => Promise<void>
}
