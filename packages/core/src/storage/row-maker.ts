import type { Codec } from '../codec/codec.ts'
import { EncodeError, isEncodeError } from '../errors/backend-errors.ts'
import type { Metadata } from '../task/metadata.ts'
import type { CheckedPush } from '../task/task-builder.ts'
import { newTaskId } from '../task/task-id.ts'
import type { Clock } from '../time/clock.ts'
import { encodeText } from './encoding.ts'
import type { Enrichment } from './enrichment.ts'
import type { NewRow } from './task-store.ts'

/** What a {@link RowMaker} works with. */
export interface RowMakerDeps<In> {
  readonly clock: Clock
  readonly codec: Codec<In, unknown>
  readonly defaults: {
    readonly attempts: number
    readonly priority: number
    readonly timeoutMs: number | undefined
    readonly maxSize: number
  }
  readonly enrichment: Enrichment
}

/** Makes the rows of pushes, with the codec, defaults and enrichment of one view of a queue. */
export class RowMaker<in In> {
  readonly #deps: RowMakerDeps<In>

  constructor(deps: RowMakerDeps<In>) {
    this.#deps = deps
  }

  /** What `enrich` adds to all rows of one push. */
  enrich(): Metadata | undefined {
    return this.#deps.enrichment.metadata()
  }

  /** The instant that new ids carry: one look at the clock for all rows that are made together. */
  now(): number {
    return this.#deps.clock.now()
  }

  /** Throws an `EncodeError` for arguments that cannot be stored. */
  row(args: In, push: CheckedPush, enriched: Metadata | undefined, now: number): NewRow {
    const { codec, defaults } = this.#deps
    const row: { -readonly [Field in keyof NewRow]: NewRow[Field] } = {
      id: push.id ?? newTaskId(now),
      args: encodeText(codec, args, 'the arguments', defaults.maxSize),
      priority: push.priority ?? defaults.priority,
      attempts: push.attempts ?? defaults.attempts,
    }
    const timeoutMs = push.timeoutMs ?? defaults.timeoutMs
    if (timeoutMs !== undefined) row.timeoutMs = timeoutMs
    if (push.runAt !== undefined) row.runAt = push.runAt
    else if (push.delayMs !== undefined && push.delayMs > 0) row.delayMs = push.delayMs
    if (push.uniqueKey !== undefined) row.uniqueKey = push.uniqueKey
    if (push.uniqueForMs !== undefined) row.uniqueForMs = push.uniqueForMs
    const metadata = merged(enriched, push.metadata)
    if (metadata !== undefined) row.metadata = metadata
    return row
  }

  /** The row of one of many; an `EncodeError` names which. */
  rowAt(
    index: number,
    args: In,
    push: CheckedPush,
    enriched: Metadata | undefined,
    now: number,
  ): NewRow {
    try {
      return this.row(args, push, enriched, now)
    } catch (error) {
      if (!isEncodeError(error)) throw error
      const { message, path, issues } = error
      const join = path === '' || path.startsWith('[') ? '' : '.'
      throw new EncodeError(`item ${index}: ${message}`, {
        path: `[${index}]${join}${path}`,
        issues,
        cause: error,
      })
    }
  }
}

function merged(below: Metadata | undefined, above: Metadata | undefined): Metadata | undefined {
  if (below === undefined || above === undefined) return above ?? below
  return { ...below, ...above }
}
