/** Each item has up to so many below it: a flat heap, whose ranks lie side by side, moves little and misses few caches. */
const WIDTH = 4
/** Room for fewer is not worth giving back. */
const MUCH = 1024

/**
 * Items by rank, a key and a tie-breaker, the smallest first. Each knows its place, so that it can leave from anywhere:
 * `item.place` is the complement of it, hence negative while the item is here. O(log n) for each step.
 */
export class RankedHeap<Item extends { place: number }> {
  #items: Item[] = []
  /** The ranks are kept beside the items: comparing reads no item. */
  #keys: number[] = []
  #ties: number[] = []
  /** The most there have been since there was room made or given back. */
  #peak = 0

  get size(): number {
    return this.#items.length
  }

  first(): Item | undefined {
    return this.#items[0]
  }

  /** Whether its first item comes before what has this rank. */
  leads(key: number, tie: number): boolean {
    return this.#isBefore(0, key, tie)
  }

  add(item: Item, key: number, tie: number): void {
    const place = this.#items.length
    this.#put(place, item, key, tie)
    this.#rise(place, item, key, tie)
    this.#peak = Math.max(this.#peak, place + 1)
  }

  /** Lets an item go that is here. */
  delete(item: Item): void {
    const last = this.#items.pop()
    const key = this.#keys.pop()
    const tie = this.#ties.pop()
    // What was the last one takes the place that becomes free.
    if (last === undefined || key === undefined || tie === undefined) return
    if (last !== item) this.#rise(this.#sink(~item.place), last, key, tie)
    if (this.#peak > MUCH && this.#items.length * 4 < this.#peak) this.#giveBack()
  }

  /** An array that is popped keeps its room; a copy has only what it needs. */
  #giveBack(): void {
    this.#items = this.#items.slice()
    this.#keys = this.#keys.slice()
    this.#ties = this.#ties.slice()
    this.#peak = this.#items.length
  }

  /** Moves what is below the free place up, always the first of those side by side; answers which place is free then. */
  #sink(place: number): number {
    const size = this.#items.length
    let free = place
    for (;;) {
      const below = WIDTH * free + 1
      if (below >= size) return free
      let first = below
      const end = Math.min(below + WIDTH, size)
      for (let next = below + 1; next < end; next += 1) {
        if (this.#isBefore(next, this.#keys[first] ?? 0, this.#ties[first] ?? 0)) first = next
      }
      this.#move(first, free)
      free = first
    }
  }

  /** Moves what is above the free place down, as far as it comes after the item, and puts the item where it belongs. */
  #rise(place: number, item: Item, key: number, tie: number): void {
    let free = place
    while (free > 0) {
      const above = Math.floor((free - 1) / WIDTH)
      if (this.#isBefore(above, key, tie)) break
      this.#move(above, free)
      free = above
    }
    this.#put(free, item, key, tie)
  }

  #isBefore(place: number, key: number, tie: number): boolean {
    const other = this.#keys[place]
    if (other === undefined) return false
    return other === key ? (this.#ties[place] ?? 0) < tie : other < key
  }

  #move(from: number, to: number): void {
    const item = this.#items[from]
    if (item !== undefined) this.#put(to, item, this.#keys[from] ?? 0, this.#ties[from] ?? 0)
  }

  #put(place: number, item: Item, key: number, tie: number): void {
    this.#items[place] = item
    this.#keys[place] = key
    this.#ties[place] = tie
    item.place = ~place
  }
}
