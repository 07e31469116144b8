/**
 * What `work` makes of each item, in the order of the items, with at most `atOnce` of them begun and not yet given out. A
 * rejection comes when it is its turn.
 */
export async function* inOrder<Item, Outcome>(
  items: AsyncIterable<Item>,
  atOnce: number,
  work: (item: Item) => Promise<Outcome>,
): AsyncGenerator<Outcome> {
  const begun: Promise<Outcome>[] = []
  for await (const item of items) {
    const outcome = work(item)
    // Heard when its turn comes.
    outcome.catch(() => {})
    begun.push(outcome)
    if (begun.length >= atOnce) yield* first(begun)
  }
  while (begun.length > 0) yield* first(begun)
}

async function* first<Outcome>(begun: Promise<Outcome>[]): AsyncGenerator<Outcome> {
  const outcome = begun.shift()
  if (outcome !== undefined) yield await outcome
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
