import { RankedHeap } from './ranked-heap.ts'

/** What can stand in a {@link Line}: it carries where it stands, so that it can leave from anywhere. */
export interface Standing<Item extends Standing<Item>> {
  /** The line that it stands in. */
  line: Line<Item> | undefined
  /** Where in it; the line's own business. */
  place: number
}

/** Where an item belongs: smaller keys first, and among equal ones smaller ties, which are never equal. */
export interface Rank<Item> {
  readonly key: (item: Item) => number
  readonly tie: (item: Item) => number
}

/** So few holes are not worth closing. */
const FEW = 32

/**
 * Items in the order of their ranks, the first one at hand, any of them free to leave. An item stands in one line at a
 * time, and keeps its rank meanwhile. Whatever arrives in order, as nearly everything in a queue does, is appended to a
 * run: it comes and goes at the same cost however many there are. What arrives out of order goes to a heap beside it.
 */
export class Line<Item extends Standing<Item>> {
  readonly #rank: Rank<Item>
  readonly #heap = new RankedHeap<Item>()
  /** In order, with a hole where one has left. All before `#head` are holes, the one at it and the last are not. */
  #run: (Item | undefined)[] = []
  #head = 0
  #inRun = 0
  /** How many holes were cut off before the run; the places of its items count them too. */
  #cut = 0

  constructor(rank: Rank<Item>) {
    this.#rank = rank
  }

  /** How many stand in it. */
  get size(): number {
    return this.#inRun + this.#heap.size
  }

  /** The one before all others. */
  first(): Item | undefined {
    const ahead = this.#run[this.#head]
    if (ahead === undefined) return this.#heap.first()
    if (this.#heap.size === 0) return ahead
    return this.#heap.leads(this.#rank.key(ahead), this.#rank.tie(ahead))
      ? this.#heap.first()
      : ahead
  }

  /** Lets an item in that stands in no line. */
  add(item: Item): void {
    item.line = this
    const last = this.#run[this.#run.length - 1]
    const key = this.#rank.key(item)
    const tie = this.#rank.tie(item)
    if (last === undefined || this.#isBefore(last, key, tie)) {
      item.place = this.#cut + this.#run.length
      this.#run.push(item)
      this.#inRun += 1
    } else {
      this.#heap.add(item, key, tie)
    }
  }

  /** Lets an item go that stands in this line. */
  delete(item: Item): void {
    item.line = undefined
    if (item.place < 0) this.#heap.delete(item)
    else this.#leaveRun(item.place - this.#cut)
  }

  #isBefore(item: Item, key: number, tie: number): boolean {
    const other = this.#rank.key(item)
    return other === key ? this.#rank.tie(item) < tie : other < key
  }

  #leaveRun(index: number): void {
    const run = this.#run
    run[index] = undefined
    this.#inRun -= 1
    if (this.#inRun === 0) {
      this.#run = []
      this.#head = 0
      this.#cut = 0
      return
    }
    while (run[this.#head] === undefined) this.#head += 1
    while (run[run.length - 1] === undefined) run.pop()
    // What closing the holes costs is paid for by those who left them.
    if (this.#head > FEW && this.#head * 2 > run.length) this.#cutHead()
    else if (run.length - this.#head > FEW + this.#inRun * 2) this.#close()
  }

  #cutHead(): void {
    this.#run = this.#run.slice(this.#head)
    this.#cut += this.#head
    this.#head = 0
  }

  /** Closes the holes between items. */
  #close(): void {
    this.#run = this.#run.filter((item) => item !== undefined)
    this.#head = 0
    this.#cut = 0
    for (const [index, item] of this.#run.entries()) {
      if (item !== undefined) item.place = index
    }
  }
}
