import { turn } from '../../time/clock.ts'

/** Something that gives items, one after the other. */
export interface Items<Item> {
  readonly iterator: AsyncIterator<Item> | Iterator<Item>
  /** Ends what gives them, also while it waits for the next one. */
  readonly destroy: (() => unknown) | undefined
}

/** How a source is opened. */
export interface Opener<Item> {
  readonly open: () => Items<Item>
  /** Whether it can be opened again, once it has failed. */
  readonly anew: boolean
}

/** A source that is read in lists: what comes at once comes together. */
export class Source<Item> {
  readonly #opener: Opener<Item>
  #items: Items<Item> | undefined
  /** An item that was asked for and has not come. */
  #asked: Promise<IteratorResult<Item>> | undefined
  ended = false

  constructor(opener: Opener<Item>) {
    this.#opener = opener
  }

  /**
   * The next items, at least one and at most `most`: those that come without a pause. Undefined: there are no more, or
   * `signal` has aborted. What the source throws comes alone: items before it were given by the call before.
   */
  async read(most: number, signal: AbortSignal): Promise<readonly Item[] | undefined> {
    const items: Item[] = []
    while (items.length < most && !this.ended) {
      if (signal.aborted) break
      const asked = (this.#asked ??= this.#next())
      const first = await (items.length === 0 ? whenAborted(asked, signal) : atOnce(asked))
      // What has failed is for the next call to say.
      if (first === 'later' || (first === 'failed' && items.length > 0)) break
      this.#asked = undefined
      if (first === 'failed') return await asked.then(() => undefined)
      if (first.done === true) this.ended = true
      else items.push(first.value)
    }
    return items.length === 0 ? undefined : items
  }

  /** Begins anew after a failure. False: the source cannot, and has ended. */
  reopen(): boolean {
    this.#items = undefined
    this.#asked = undefined
    this.ended = !this.#opener.anew
    return this.#opener.anew
  }

  /** Ends the source. What it was asked for and still gives, later, goes to `late`. */
  close(late: (item: Item) => void): void {
    const asked = this.#asked
    this.#asked = undefined
    this.ended = true
    void asked?.then(
      ({ done, value }) => {
        if (done !== true) late(value)
      },
      () => undefined,
    )
    const items = this.#items
    this.#items = undefined
    // It may wait for its next item for ever, and nobody waits for that.
    void (async () => items?.iterator.return?.())().catch(() => undefined)
    items?.destroy?.()
  }

  async #next(): Promise<IteratorResult<Item>> {
    this.#items ??= this.#opener.open()
    return await this.#items.iterator.next()
  }
}

type Step<Item> = IteratorResult<Item> | 'later' | 'failed'

async function whenAborted<Item>(
  asked: Promise<IteratorResult<Item>>,
  signal: AbortSignal,
): Promise<Step<Item>> {
  const aborted = Promise.withResolvers<'later'>()
  const abort = (): void => aborted.resolve('later')
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([asked.catch(() => 'failed' as const), aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** What comes within a turn of the event loop. */
function atOnce<Item>(asked: Promise<IteratorResult<Item>>): Promise<Step<Item>> {
  return Promise.race([asked.catch(() => 'failed' as const), turn().then(() => 'later' as const)])
}
