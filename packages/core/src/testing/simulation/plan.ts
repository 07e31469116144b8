import type { FaultKind, FaultRates, Outage } from './faults.ts'

/** What is taken away from a seed's plan, to see whether the rest fails as well. */
export interface SimulationReduction {
  /** Kinds that do not go wrong. */
  readonly without?: readonly FaultKind[]
  /** At most so many processes. */
  readonly processes?: number
  /** At most so many tasks. */
  readonly tasks?: number
}

/** A worker of a simulated process. */
export interface WorkerPlan {
  readonly name: string
  readonly queue: string
  /** The index of its stack, modulo how many there are. */
  readonly stack: number
  readonly monitored: boolean
  readonly claimBatch: number
  readonly acknowledgementBuffer: number
  readonly shutdownMs: number | undefined
}

/** Something that happens at a moment and takes, or moves a clock by, so many milliseconds. */
export interface Moment {
  readonly at: number
  readonly ms: number
}

/** A simulated process. Its times are those of the virtual clock. */
export interface ProcessPlan {
  readonly name: string
  readonly skewMs: number
  readonly workers: readonly WorkerPlan[]
  /** Whether its storage settles and claims in one call where it can. */
  readonly fused: boolean
  readonly outages: readonly Outage[]
  /** When it stands still, and for how long. */
  readonly freezes: readonly Moment[]
  /** When it dies. */
  readonly deaths: readonly number[]
  /** When its wall clock is set, and by how much. */
  readonly steps: readonly Moment[]
  /** When it is stopped as a whole. */
  readonly exits: readonly number[]
  /** When one of its workers is stopped. */
  readonly stops: readonly { readonly at: number; readonly worker: number }[]
  /** When its subscriptions end. */
  readonly deaf: readonly number[]
}

/** A task of the workload. */
export interface TaskPlan {
  readonly n: number
  readonly id: string
  readonly queue: string
  readonly poison: boolean
  /** Nobody can read its arguments. */
  readonly unreadable: boolean
  readonly attempts: number
  readonly priority: number
  readonly timeoutMs: number | undefined
  readonly delayMs: number
  readonly unique: string | undefined
  readonly uniqueForMs: number | undefined
}

/** What a client does to a task. */
export type TaskChange =
  | 'kill'
  | 'retry'
  | 'retry more'
  | 'update'
  | 'reschedule'
  | 'remove'
  | 'resume task'
  | 'rescue'
  | 'vacuum'

/** Something that a client does. */
export interface Operation {
  readonly at: number
  /** Which process does it, modulo how many there are. */
  readonly by: number
  readonly action:
    | { readonly type: 'push'; readonly tasks: readonly TaskPlan[]; readonly onlyNew: boolean }
    | { readonly type: 'wait'; readonly task: TaskPlan }
    | { readonly type: TaskChange; readonly task: TaskPlan }
    | { readonly type: 'pause' | 'resume'; readonly queue: string }
    | { readonly type: 'pause worker' | 'resume worker'; readonly worker: number }
}

/** How long a failed task waits, and how that is found out: at once, after a while, not at all (it throws, or never answers). */
export interface BackoffPlan {
  readonly ms: number
  readonly how: 'plain' | 'late' | 'broken' | 'silent'
}

/** Everything that a seed says. */
export interface Plan {
  readonly seed: number
  readonly kinds: ReadonlySet<FaultKind>
  readonly rates: FaultRates
  readonly leaseMs: number
  readonly callTimeoutMs: number
  readonly maxRescues: number
  readonly backoff: BackoffPlan
  readonly queues: readonly string[]
  /** When everything begins to go well. */
  readonly chaosMs: number
  readonly processes: readonly ProcessPlan[]
  readonly operations: readonly Operation[]
  readonly tasks: readonly TaskPlan[]
  /** Whether it is looked at what is done when there is nothing to do, which takes its time. */
  readonly rests: boolean
  /** When all processes stand still together, as those of a machine that sleeps, and for how long. */
  readonly sleeps: readonly Moment[]
  /** When the storage's wall clock is set, and by how much. */
  readonly storageSteps: readonly Moment[]
}
