/** Bounds of {@link inOrder}. */
export interface InOrderOptions {
  /** So many items are worked on at once. */
  readonly atOnce: number
  /** So many may be begun and not yet given out: how far ahead of a slow one the others get. */
  readonly ahead: number
}

/** What `work` makes of each item, in the order of the items. A rejection comes when it is its turn. */
export async function* inOrder<Item, Outcome>(
  items: AsyncIterable<Item>,
  { atOnce, ahead }: InOrderOptions,
  work: (item: Item) => Promise<Outcome>,
): AsyncGenerator<Outcome> {
  const begun: Begun<Outcome>[] = []
  let working = 0
  let wake = (): void => {}
  for await (const item of items) {
    const one: Begun<Outcome> = { outcome: work(item), settled: false }
    const settle = (): void => {
      one.settled = true
      working -= 1
      wake()
    }
    one.outcome.then(settle, settle)
    begun.push(one)
    working += 1
    for (;;) {
      const first = begun[0]
      if (first?.settled === true) {
        begun.shift()
        yield first.outcome
      } else if (working >= atOnce || begun.length >= ahead) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      } else {
        break
      }
    }
  }
  for (const { outcome } of begun) yield outcome
}

/** An item that is worked on, or waits for its turn to be given out. */
interface Begun<Outcome> {
  readonly outcome: Promise<Outcome>
  settled: boolean
}

/** The items in groups of `size`, the last one smaller. */
export async function* grouped<Item>(
  items: AsyncIterable<Item>,
  size: number,
): AsyncGenerator<readonly Item[]> {
  let group: Item[] = []
  for await (const item of items) {
    group.push(item)
    if (group.length < size) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}
