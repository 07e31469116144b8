/** However long the list and slow the check, it is made so often. */
const mostChecks = 500

/**
 * The shortest list that was found by leaving items out, and by putting simpler ones in their place, for which `fails`
 * still holds, as it does for `items`.
 */
export async function shorten<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => Promise<boolean>,
  simpler: (item: Item) => readonly Item[],
): Promise<readonly Item[]> {
  let shortest = items
  let checks = 0
  const improve = async (candidate: readonly Item[]): Promise<boolean> => {
    if (checks === mostChecks) return false
    checks += 1
    const better = await fails(candidate)
    if (better) shortest = candidate
    return better
  }
  /** Leaves out `size` items at a time. From the end: what stands there depends on what stands before it. */
  const leaveOut = async (size: number): Promise<boolean> => {
    let better = false
    for (let end = shortest.length; end > 0; end -= size) {
      const start = Math.max(0, end - size)
      if (await improve(shortest.toSpliced(start, end - start))) better = true
    }
    return better
  }
  const simplify = async (index: number): Promise<boolean> => {
    const item = shortest[index]
    for (const other of item === undefined ? [] : simpler(item)) {
      if (await improve(shortest.with(index, other))) return true
    }
    return false
  }
  for (let size = Math.ceil(items.length / 2); size > 1; size = Math.ceil(size / 2)) {
    await leaveOut(size)
  }
  for (let better = true; better;) {
    better = await leaveOut(1)
    for (let index = 0; index < shortest.length; index += 1) {
      while (await simplify(index)) better = true
    }
  }
  return shortest
}
