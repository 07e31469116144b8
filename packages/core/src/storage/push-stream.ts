import { OptionError } from '../internal/validate.ts'
import { turn } from '../time/clock.ts'
import { weightOf } from './lanes.ts'
import { BATCH } from './queue-core.ts'
import type { NewRow } from './task-store.ts'

/**
 * Stores what `source` yields, in batches, and answers how many. An asynchronous source is asked for more while a batch is
 * on its way; what it has given is stored as soon as it pauses, so that a slow source holds nothing back.
 */
export async function storeStream<In>(
  source: AsyncIterable<In> | Iterable<In>,
  beginBatch: () => RowOf<In>,
  insert: (rows: readonly NewRow[]) => Promise<unknown>,
): Promise<number> {
  const batches = new Batches(beginBatch, insert)
  if (isAsync(source)) {
    await takeAsync(source[Symbol.asyncIterator](), batches)
  } else {
    checkIterable(source)
    for (const args of source) {
      if (batches.add(args)) await batches.flush()
    }
  }
  await batches.flush()
  return batches.stored
}

/** Makes the row of an item, the so manieth of its stream. */
type RowOf<In> = (args: In, index: number) => NewRow

/** The rows of a stream that wait to be stored together. */
class Batches<In> {
  readonly #begin: () => RowOf<In>
  readonly #insert: (rows: readonly NewRow[]) => Promise<unknown>
  /** That of the batch which is being gathered. */
  #rowOf: RowOf<In> | undefined
  #batch: NewRow[] = []
  #weight = 0
  #count = 0
  stored = 0

  constructor(begin: () => RowOf<In>, insert: (rows: readonly NewRow[]) => Promise<unknown>) {
    this.#begin = begin
    this.#insert = insert
  }

  get isEmpty(): boolean {
    return this.#batch.length === 0
  }

  /** Takes one more; answers whether the batch is full. */
  add(args: In): boolean {
    this.#rowOf ??= this.#begin()
    const row = this.#rowOf(args, this.#count)
    this.#count += 1
    this.#weight += weightOf(row)
    this.#batch.push(row)
    return this.#weight >= BATCH
  }

  async flush(): Promise<'stored'> {
    const batch = this.#batch
    if (batch.length === 0) return 'stored'
    this.#batch = []
    this.#weight = 0
    this.#rowOf = undefined
    await this.#insert(batch)
    this.stored += batch.length
    // Perhaps neither source nor store ever waits for anything, and others want the loop too.
    await turn()
    return 'stored'
  }
}

async function takeAsync<In>(iterator: AsyncIterator<In>, batches: Batches<In>): Promise<void> {
  let flushing: Promise<'stored'> | undefined
  let pause: Promise<'pause'> | undefined
  const flush = (): void => {
    flushing = batches.flush()
    // It is awaited below, but perhaps only after it has failed.
    flushing.catch(() => undefined)
  }
  /** The turn that the source has to give its next item in: one for all items that come within it. */
  const pausing = (): Promise<'pause'> => {
    pause ??= turn().then(() => {
      pause = undefined
      return 'pause'
    })
    return pause
  }
  /** The source's next step; meanwhile what it has given so far is stored, should it take its time. */
  const step = async (next: Promise<IteratorResult<In>>): Promise<IteratorResult<In>> => {
    for (;;) {
      if (flushing === undefined && batches.isEmpty) return next
      const first = await Promise.race([next, flushing ?? pausing()])
      if (first === 'stored') flushing = undefined
      else if (first === 'pause') flush()
      else return first
    }
  }
  let asked: Promise<unknown> | undefined
  try {
    for (;;) {
      const next = iterator.next()
      asked = next
      const result = await step(next)
      asked = undefined
      if (result.done === true) break
      if (!batches.add(result.value)) continue
      await flushing
      flush()
    }
    await flushing
  } catch (error) {
    await leave(iterator, asked, flushing)
    throw error
  }
}

/** Ends the source and what is on its way, after an error that counts for more than what happens here. */
async function leave(
  iterator: AsyncIterator<unknown>,
  asked: Promise<unknown> | undefined,
  flushing: Promise<unknown> | undefined,
): Promise<void> {
  // One that still owes its next item, or failed to give it, could make us wait for ever.
  const ended = asked === undefined ? iterator.return?.() : undefined
  await Promise.allSettled([ended, flushing])
}

function isAsync<In>(source: AsyncIterable<In> | Iterable<In>): source is AsyncIterable<In> {
  return typeof source === 'object' && source !== null && Symbol.asyncIterator in source
}

function checkIterable(source: unknown): void {
  const iterable = source as Partial<Iterable<unknown>> | null | undefined
  if (typeof iterable?.[Symbol.iterator] === 'function') return
  throw new OptionError('pushStream source', source, 'an iterable or async iterable')
}
