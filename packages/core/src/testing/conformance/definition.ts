import type { Capability } from '../harness.ts'
import type { World } from './world.ts'

/** A behaviour as the subject files state it. */
export interface CaseDefinition {
  readonly name: string
  readonly number?: number
  /** What the storage must have for it. */
  readonly needs?: readonly Capability[]
  /** Throws where the behaviour is another. */
  readonly run: <Tx>(world: World<Tx>) => Promise<void>
}
