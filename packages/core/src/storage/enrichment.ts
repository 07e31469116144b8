import { toStoredError } from '../errors/stored-error.ts'
import { copyMetadata, type Metadata } from '../task/metadata.ts'

/** Gives metadata to a push: trace context, tenant. Runs once per push, in the push's own async context. */
export type Enrich = () => Metadata

/**
 * What the storage's and the queue's `enrich` add to a push, the queue's over the storage's. Enrichment is observability
 * and must not lose work: when one of them throws, or gives what cannot be stored, the push goes on without what it
 * would have added, and the process is warned (`process.on('warning')`, code `APALIS_ENRICH`), once for each view of a
 * queue.
 */
export class Enrichment {
  readonly #queue: string
  readonly #sources: readonly Enrich[]
  #warned = false

  constructor(queue: string, sources: readonly (Enrich | undefined)[]) {
    this.#queue = queue
    this.#sources = sources.filter((source) => source !== undefined)
  }

  /** For one push; undefined when there is nothing to add. */
  metadata(): Metadata | undefined {
    let all: Metadata | undefined
    for (const source of this.#sources) {
      try {
        all = { ...all, ...copyMetadata('enrich()', source()) }
      } catch (error) {
        this.#warn(error)
      }
    }
    return all
  }

  #warn(error: unknown): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(
      `enrich failed for a push to queue "${this.#queue}", which went on without: ${toStoredError(error).message}`,
      { type: 'ApalisWarning', code: 'APALIS_ENRICH' },
    )
  }
}
