import type { InsertOptions, Inserted, NewRow, TaskStore } from '../storage/task-store.ts'
import type { TestClock } from './test-clock.ts'

/** What a storage, or its harness, may lack. */
export type Capability =
  /** `begin`: pushing inside a transaction of the caller's. */
  | 'transactions'
  /** Others can write while such a transaction is open. Nobody can where there are no transactions. */
  | 'concurrent-transactions'
  /** `exchange` of the store: settle and claim in one round trip. */
  | 'exchange'
  /** `runProducer`: the data can be opened by a program of its own. */
  | 'producer'

/**
 * What a suite needs of a storage under test: empty data that several connections share, and time that it can move.
 * `Lacks` says what it may do without: `Harness<Tx, never>` has everything, `Harness<Tx>` perhaps nothing of it.
 */
export type Harness<Tx = never, Lacks extends Capability = Capability> = BareHarness<Tx> &
  Unless<'transactions', Lacks, Transactional<Tx>> &
  Unless<'exchange', Lacks, { open(): Promise<ExchangingStore<Tx>> }> &
  Unless<'producer', Lacks, { runProducer(queue: string): Promise<unknown> }>

/** What every harness has, and what it may have besides. */
export interface BareHarness<Tx = never> {
  /** The clock of every worker and storage opened here. Begins at the storage's own time. */
  readonly clock: TestClock
  /**
   * Opens another connection to the same data, as another process would; the data is empty at first. Closing one leaves
   * the others open.
   */
  open(): Promise<TaskStore<Tx>>
  /** Moves time for everybody, the storage's own clock included. */
  advance(ms: number): Promise<void>
  /** Begins a transaction of the caller's, where the storage has them. */
  begin?(): Promise<CallerTransaction<Tx>>
  /** Writes a pending task's `args` behind the client's back; `update` of a store does that where it looks into no args. */
  corrupt(queue: string, id: string, args: string): Promise<void>
  /**
   * Runs a program, in a process of its own, that opens this data, pushes `{ "n": 1 }` to the queue, closes nothing, and
   * has nothing else to do. Rejects when the program fails or does not end by itself within half a minute.
   */
  runProducer?(queue: string): Promise<unknown>
  /** Frees everything, the data included. */
  close(): Promise<void>
}

/** A transaction that the case ends itself. */
export interface CallerTransaction<Tx> {
  readonly tx: Tx
  readonly commit: () => Promise<void>
  readonly rollback: () => Promise<void>
}

/** `Having` where `Name` is not among what is lacking. */
type Unless<Name extends Capability, Lacks extends Capability, Having> = Name extends Lacks
  ? unknown
  : Having

/** What a storage with transactions has. A store without any, a `TaskStore<never>`, cannot have it. */
type Transactional<Tx> = [Tx] extends [never]
  ? { readonly begin: 'this store has no transactions: give the reason in `without.transactions`' }
  : {
      open(): Promise<TransactionalStore<Tx>>
      begin(): Promise<CallerTransaction<Tx>>
    }

/** A store that takes transactions. A property, and no method: TypeScript would let a `TaskStore<never>` pass for one. */
interface TransactionalStore<Tx> extends TaskStore<Tx> {
  readonly insert: (
    queue: string,
    rows: readonly NewRow[],
    options?: InsertOptions<Tx>,
  ) => Promise<readonly Inserted[]>
}

/** A store that settles and claims in one round trip. */
export type ExchangingStore<Tx> = TaskStore<Tx> & Required<Pick<TaskStore<Tx>, 'exchange'>>

/** What to run the suite on. */
export interface ConformanceOptions<Tx = never, Lacks extends Capability = never> {
  /** Makes a harness; each case gets one of its own. */
  readonly harness: () => Harness<Tx, NoInfer<Lacks>> | Promise<Harness<Tx, NoInfer<Lacks>>>
  /** What is lacking, each with the reason: it is what the skipped cases say. The harness must have all the rest. */
  readonly without?: Readonly<Record<Lacks, string>>
  /** How many tasks the cases with many tasks have at least. @default 20_000 */
  readonly many?: number
}

/** One behaviour, ready to run: `test(name, { skip }, run)`. */
export interface Case {
  /** With its subject before it. */
  readonly name: string
  readonly subject: string
  /** Its number in the list of behaviours; undefined for what is listed elsewhere. */
  readonly number: number | undefined
  /** Why it cannot run on this storage. */
  readonly skip: string | undefined
  /** Runs it in a world of its own; rejects where the behaviour is another. */
  readonly run: () => Promise<void>
}
