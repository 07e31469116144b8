import { acknowledgeInsideLayers } from './acknowledge-inside-layers.ts'
import { beatWithoutReconciling } from './beat-without-reconciling.ts'
import { claimWithoutSuspects } from './claim-without-suspects.ts'
import { doubleRelease } from './double-release.ts'
import { releaseDropsRow } from './release-drops-row.ts'
import { rescueByTime } from './rescue-by-time.ts'
import { settleByName } from './settle-by-name.ts'
import { settleWithoutEpoch } from './settle-without-epoch.ts'
import type { StackTwin } from './stack-twin.ts'
import type { Twin } from './twin.ts'

export type { Twin } from './twin.ts'

/** Every broken store. */
export const twins: readonly Twin[] = [
  settleWithoutEpoch,
  settleByName,
  rescueByTime,
  releaseDropsRow,
  beatWithoutReconciling,
  claimWithoutSuspects,
]

/** Every broken worker. */
export const stackTwins: readonly StackTwin[] = [acknowledgeInsideLayers, doubleRelease]
