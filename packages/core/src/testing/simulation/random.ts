/** Chance that repeats itself: the same key gives the same numbers (sfc32, seeded by a hash of the key). */
export class Random {
  readonly #key: string
  readonly #state: Uint32Array

  constructor(key: string) {
    this.#key = key
    this.#state = hashed(key)
    // What was hashed alike has parted by then.
    for (let round = 0; round < 12; round += 1) this.next()
  }

  /** Another one, which depends on the key and the name only: not on how many numbers were drawn. */
  fork(name: string | number): Random {
    return new Random(`${this.#key}/${name}`)
  }

  /** From 0 up to, but not, 1. */
  next(): number {
    const state = this.#state
    const [a = 0, b = 0, c = 0, counter = 0] = state
    const sum = (a + b + counter) >>> 0
    state[0] = b ^ (b >>> 9)
    state[1] = (c + (c << 3)) >>> 0
    state[2] = ((c << 21) | (c >>> 11)) + sum
    state[3] = counter + 1
    return sum / 2 ** 32
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** True with the probability `share`. */
  chance(share: number): boolean {
    return this.next() < share
  }

  /** One of them. */
  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError('nothing to pick from')
    // The index is of an item, which may be undefined itself.
    return items[Math.floor(this.next() * items.length)] as Item
  }

  /** One of the names, each as likely as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    // The keys of such a record are the names.
    const names = Object.keys(weights) as Name[]
    const total = names.reduce((sum, name) => sum + weights[name], 0)
    let left = this.next() * total
    for (const name of names) {
      left -= weights[name]
      if (left < 0) return name
    }
    return this.pick(names)
  }
}

function hashed(key: string): Uint32Array {
  const state = Uint32Array.of(0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef)
  for (let at = 0; at < key.length; at += 1) {
    const code = key.charCodeAt(at)
    for (let word = 0; word < 4; word += 1) {
      state[word] = Math.imul((state[word] ?? 0) ^ (code + word), 0x5bd1e995 + 2 * word)
      state[word] = (state[word] ?? 0) ^ ((state[word] ?? 0) >>> 13)
    }
  }
  return state
}
