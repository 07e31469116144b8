import type { Clock } from '../time/clock.ts'
import type { RetentionMs } from './claims-deps.ts'
import type { Enrich } from './enrichment.ts'
import type { Lanes } from './lanes.ts'
import type { ProcessScope } from './process-scope.ts'
import type { QueueCore } from './queue-core.ts'
import type { Waiters } from './waiters.ts'

/** What all views of a queue share. */
export interface QueueShared<Tx> {
  readonly core: QueueCore<Tx>
  readonly lanes: Lanes<Tx>
  readonly waiters: Waiters
}

/** What all queues of a storage share, checked. */
export interface StorageSettings {
  readonly clock: Clock
  readonly leaseMs: number
  readonly callTimeoutMs: number
  readonly retention: RetentionMs
  readonly purgeEveryMs: number
  readonly safetyPollMs: number
  readonly enrich: Enrich | undefined
  readonly scope: ProcessScope | undefined
}
