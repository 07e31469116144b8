/** A move is worth it after so many insertions, while there are fewer entries than that. */
const MOVE_AFTER = 8_192

/**
 * A map whose entries come and go by the million. A `Map` replaces its table again and again, and each old table points to the
 * next: once one of them has become old for the garbage collector, all later ones and everything in them become old as well.
 * So the entries move to another `Map` now and then, to which no old table points.
 */
export class PassageMap<Key, Value> {
  #entries = new Map<Key, Value>()
  #insertions = 0

  get size(): number {
    return this.#entries.size
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: Key, value: Value): void {
    this.#entries.set(key, value)
    this.#insertions += 1
    if (this.#insertions >= MOVE_AFTER && this.size < MOVE_AFTER) {
      this.#entries = new Map(this.#entries)
      this.#insertions = 0
    }
  }

  delete(key: Key): boolean {
    return this.#entries.delete(key)
  }

  /** In order of insertion; to be read before anything changes. */
  values(): Iterable<Value> {
    return this.#entries.values()
  }
}
